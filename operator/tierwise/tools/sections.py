"""Generated sections of files that people write otherwise: text between two marks. Pure: text in, text out."""

from __future__ import annotations

from pathlib import PurePath

_COMMENTS = {".md": ("<!--", "-->"), ".tpl": ("{{- /*", "*/}}")}


def with_section(page: str, name: str, text: str, path: PurePath) -> str:
    """The page with `text` (lines, each with its end) between the two marks of that name.

    Raises:
        ValueError: a mark is missing, or files of this kind have no comments that are known.
    """
    if path.suffix not in _COMMENTS:
        raise ValueError(f"{path}: a generated section needs a comment, and {path.suffix!r} has none that is known")
    opens, closes = _COMMENTS[path.suffix]
    begin, end = f"{opens} {name}: generated, run `make generated` {closes}", f"{opens} end of {name} {closes}"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"{path} lacks {begin!r} or {end!r}")
    gap = "\n\n" if path.suffix == ".md" else "\n"
    return f"{before}{begin}{gap}{text}{gap[1:]}{end}{after}"
