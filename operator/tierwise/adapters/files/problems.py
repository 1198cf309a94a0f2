"""Explains why a file cannot be read, in our own words instead of the engine's."""

from __future__ import annotations

import re

NAMES = {"Parquet": "Parquet", "CSVWithNames": "CSV", "TabSeparatedWithNames": "TSV"}
_WIDTHS = re.compile(r"column names (\d+) differs with the number of types (\d+)")
_TWICE = re.compile(r"Duplicate column name.*?: [\"`']?([^\"`'\n]+)[\"`']")
_ROW = re.compile(r"\(?at row (\d+)\)?")


def what_is_wrong(kind: str, message: str) -> tuple[str, str]:
    """(fact, remedy) of an engine's error on a file of a format such as ``CSVWithNames``."""
    name = NAMES[kind]
    rows = "" if kind == "Parquet" else " with a header and a row per prediction"
    remedy = f"write the file anew, as {name}{rows}"
    widths = _WIDTHS.search(message)
    if "file is empty" in message:
        return "the file is empty", remedy
    if "Cannot read rows" in message or "EMPTY_DATA_PASSED" in message:
        return "the file has a header and no rows", "give a file with rows"
    if "magic bytes" in message or "Not a Parquet file" in message:
        return "this is no Parquet file, or its end is missing", remedy
    if widths is not None:
        return f"the header has {widths[1]} names and the first row {widths[2]} values", remedy
    twice = _TWICE.search(message)
    if twice is not None:
        return f"two columns are named {twice[1]!r}", "rename one of them in the header"
    row = _ROW.search(message)
    if row is not None:
        # The engine counts from 0 and without the header.
        return f"row {int(row[1]) + 1} cannot be read as {name}: too few or too many values, or an open quote", remedy
    return f"the file cannot be read as {name}", f"check that it is {name}, and whole; --debug shows more"


_PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd", b"BZh": "bzip2", b"\xfd7zXZ": "xz"}


def packed_as(start: bytes) -> str | None:
    """The compression of a file, found by its first bytes; None if it is not compressed."""
    return next((name for magic, name in _PACKED.items() if start.startswith(magic)), None)
