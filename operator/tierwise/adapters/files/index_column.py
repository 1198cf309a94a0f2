"""Text files whose first column has no name: pandas writes its index so, unless it is told not to."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from pathlib import Path

DELIMITERS = {"CSVWithNames": ",", "TabSeparatedWithNames": "\t"}
INDEX = "row_index"  # the name that a nameless first column is read under
_PARQUET_INDEX = re.compile(r"__index_level_\d+__")


def is_index(name: str) -> bool:
    """Whether a column is the index that pandas wrote, and nothing of the data."""
    return not name or _PARQUET_INDEX.fullmatch(name) is not None


def header_with_index(path: Path, kind: str) -> tuple[str, ...] | None:
    """The names of a file's columns where the first of them has none and is called `INDEX` instead; else None.

    `kind` is the engine's name of the format. A header that cannot be given to the engine as a list is None too.
    """
    delimiter = DELIMITERS.get(kind)
    if delimiter is None:
        return None
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        names = next(csv.reader(file, delimiter=delimiter), [])
    first, *others = names or ["x"]
    if first.strip() or not others or not all(_is_listable(name) for name in others):
        return None
    return (_free(others), *others)


def _is_listable(name: str) -> bool:
    return bool(name.strip()) and "," not in name and "\n" not in name


def _free(others: Sequence[str]) -> str:
    name = INDEX
    while name in others:
        name += "_"
    return name
