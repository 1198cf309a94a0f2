"""Slices and metrics as a table on a terminal, the same in `analyze` and `explain`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tierwise.report.columns import NAME, Column, FittedTable
from tierwise.report.text import counts_text
from tierwise.report.verdict_rows import Measured, VerdictRow, rows_of

_STYLE = {"bad": "bold red", "good": "green", "waiting": "yellow", "quiet": "dim"}


def verdict_table(found: Sequence[Measured]) -> FittedTable:
    """Names, what each version has, the difference with both of its bounds, the evidence and the verdict."""
    needs = [Column("NEEDS", 5, is_number=True)] if any(row.needs for row in found) else []
    table = FittedTable(
        [
            Column("SLICE", NAME),
            Column("METRIC", NAME),
            Column("BASELINE", 4, is_number=True),
            Column("CANDIDATE", 3, is_number=True),
            Column("DIFFERENCE", is_number=True),
            Column("INTERVAL", 7, is_number=True),
            Column("TOLERANCE", is_number=True),
            Column("MARGIN", is_number=True),
            Column("E", 6, is_number=True),
            *needs,
            Column("VERDICT"),
        ]
    )
    for row, shown in zip(found, rows_of(found), strict=False):
        table.add_row(
            *_measured(row, shown),
            shown.interval,
            shown.tolerance,
            shown.margin,
            shown.e_value,
            *([shown.needs] if needs else []),
            Text(shown.verdict, style=_STYLE[shown.tone]),
        )
    return table


def whole_file_table(found: Sequence[Measured]) -> FittedTable:
    """Names, values and difference over all rows, also those after a stop: no evidence and no verdict."""
    table = FittedTable(
        [
            Column("SLICE", NAME),
            Column("METRIC", NAME),
            Column("BASELINE", is_number=True),
            Column("CANDIDATE", is_number=True),
            Column("DIFFERENCE", is_number=True),
        ]
    )
    for row, shown in zip(found, rows_of(found), strict=False):
        table.add_row(
            *_measured(row, shown),
        )
    return table


def _measured(row: Measured, shown: VerdictRow) -> tuple[str, ...]:
    """The cells from the slice's name to the difference."""
    return (
        shown.slice,
        shown.metric,
        f"{shown.baseline}  {counts_text(row.values[0], *row.baseline)}",
        f"{shown.candidate}  {counts_text(row.values[1], *row.candidate)}",
        shown.difference,
    )
