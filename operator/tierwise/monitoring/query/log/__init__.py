"""The SQL of a dataset's columns, labels, rows and times."""
