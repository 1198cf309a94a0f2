"""A file that describes a dataset: YAML, JSON, a README with YAML at its top, or a Parquet or CSV file itself."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq
import yaml

from tierwise.adapters.files.definition_yaml import read_json, read_yaml
from tierwise.adapters.files.index_column import is_index
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError, SpecError
from tierwise.monitoring.definitions.importer import Definition, Feature, kind_of, read_definition, resource_name

_ROWS = 100_000  # enough to find columns with few values
_BYTES = 1 << 24  # of a text file, for the same
_DELIMITERS = {".csv": ",", ".tsv": "\t"}
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)


def load_definition(path: Path) -> Definition:
    """Read the definition in a file.

    Raises:
        SpecError: the file does not exist, has an unknown form, or cannot be read.
    """
    if not path.is_file():
        raise SpecError(f"{path}: no such file", "give a description, a README.md, a Parquet or CSV file", reason=_BAD)
    try:
        if path.suffix.lower() == ".parquet":
            return _parquet(path)
        if path.suffix.lower() in _DELIMITERS:
            return _text(path)
        return read_definition(_parsed(path), name=path.parent.name if path.stem == "README" else path.stem)
    except RefusedError as refusal:
        raise SpecError(f"{path}: {refusal.message}", refusal.remedy, reason=_BAD) from None
    except RecursionError:
        remedy = "give name, columns, label, score and slices"
        raise SpecError(f"{path}: it is nested too deep for a description", remedy, reason=_BAD) from None
    except (yaml.YAMLError, ValueError, TypeError, KeyError, pa.ArrowException, OSError) as error:
        said = " ".join(str(error).split())[:300]
        raise SpecError(f"{path}: cannot be read: {said}", "check the file", reason=_BAD) from None


_BAD = Reason.DATASET_INVALID


def _parsed(path: Path) -> object:
    text = path.read_text(encoding="utf-8")
    if path.suffix.lower() == ".md":
        found = _FRONT_MATTER.match(text)
        if found is None:
            raise RefusedError("it has no YAML between two lines of ---", "give a README with dataset_info at its top")
        text = found[1]
    return read_json(text) if path.suffix.lower() == ".json" else read_yaml(text)


def _parquet(path: Path) -> Definition:
    file = pq.ParquetFile(path)
    batch = next(file.iter_batches(batch_size=_ROWS), None)
    return _of_table(path, file.schema_arrow, batch)


def _text(path: Path) -> Definition:
    options = arrow_csv.ParseOptions(delimiter=_DELIMITERS[path.suffix.lower()])
    with arrow_csv.open_csv(path, arrow_csv.ReadOptions(block_size=_BYTES), options) as reader:
        return _of_table(path, reader.schema, next(iter(reader), None))


def _of_table(path: Path, schema: pa.Schema, batch: pa.RecordBatch | None) -> Definition:
    """A definition from a table's types and its first rows; the index that pandas writes is no column of the data."""
    places = [at for at, name in enumerate(schema.names) if not is_index(name)]
    features = [_feature(schema.field(at), None if batch is None else batch.column(at)) for at in places]
    name = resource_name(path.stem)
    return Definition(name, re.sub(r"[^a-z0-9_]", "_", name), tuple(features))


def _feature(column: pa.Field, rows: pa.Array | None) -> Feature:
    """The feature of one column. Of a categorical column the type of its values counts, not that of its codes."""
    categories: tuple[str, ...] = ()
    kept = column.type
    if pa.types.is_dictionary(kept):
        kept = kept.value_type
        if rows is not None:
            categories = tuple(str(value) for value in rows.dictionary.to_pylist())
            rows = rows.dictionary_decode()
    kind = kind_of(str(kept))
    countable = kind in ("Text", "Boolean") or pa.types.is_integer(kept)
    values = int(pc.count_distinct(rows).as_py()) if rows is not None and countable else None
    return Feature(str(column.name), kind, values=values, categories=categories if kind == "Text" else ())
