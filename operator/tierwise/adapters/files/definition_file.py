"""A file that describes a dataset: YAML, JSON, a README with YAML at its top, or a Parquet file itself."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from tierwise.adapters.files.definition_yaml import read_json, read_yaml
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError, SpecError
from tierwise.monitoring.definitions.importer import Definition, Feature, kind_of, read_definition, resource_name

_ROWS = 100_000  # enough to find columns with few values
_FRONT_MATTER = re.compile(r"\A---\s*\n(.*?)\n---\s*(\n|\Z)", re.DOTALL)


def load_definition(path: Path) -> Definition:
    """Read the definition in a file.

    Raises:
        SpecError: the file does not exist, has an unknown form, or cannot be read.
    """
    if not path.is_file():
        raise SpecError(f"{path}: no such file", "give a description, a README.md or a Parquet file", reason=_BAD)
    try:
        if path.suffix.lower() == ".parquet":
            return _parquet(path)
        return read_definition(_parsed(path), name=path.parent.name if path.stem == "README" else path.stem)
    except RefusedError as refusal:
        raise SpecError(f"{path}: {refusal.message}", refusal.remedy, reason=_BAD) from None
    except RecursionError:
        remedy = "give name, columns, label, score and slices"
        raise SpecError(f"{path}: it is nested too deep; no description is", remedy, reason=_BAD) from None
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
    features = []
    for at, column in enumerate(file.schema_arrow):
        kind = kind_of(str(column.type))
        countable = kind in ("Text", "Boolean") or pa.types.is_integer(column.type)
        values = int(pc.count_distinct(batch.column(at)).as_py()) if batch is not None and countable else None
        features.append(Feature(str(column.name), kind, values=values))
    name = resource_name(path.stem)
    return Definition(name, re.sub(r"[^a-z0-9_]", "_", name), tuple(features))
