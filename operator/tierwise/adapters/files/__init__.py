"""Files on disk: Parquet, CSV and TSV as tables, and descriptions of datasets."""
