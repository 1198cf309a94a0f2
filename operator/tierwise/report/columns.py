"""Tables of every command: names keep their text, and columns of less use leave a narrow terminal first.

A table's columns have a `use`. Those of use `NAME` are whole at every width. While the table is too wide, the column
with the highest `use` is left out, and a line below says which. Where not even `NEEDED` ones fit, each row has two
lines: the names, and below them the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

NAME, NEEDED = 0, 1
_GAP = 2  # blanks between columns
_WRAPPED = 24  # cells that a column of sentences has at least
_INDENT = "  "

Cell = str | Text


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `use` as above, `wraps` for sentences, which may take several lines."""

    title: str
    use: int = NEEDED
    is_number: bool = False
    wraps: bool = False


@dataclass(slots=True)
class FittedTable:
    """Columns and rows, laid out for the width that they are printed at; `more` says where the rest can be seen.

    Cells are text, never markup: a slice's value such as ``[/b]`` is shown as it is.
    """

    columns: Sequence[Column]
    more: str = "-o json has all"
    rows: list[tuple[Text, ...]] = field(default_factory=list)

    def add_row(self, *cells: Cell) -> None:
        """One row, a cell for each column."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table at the width of `options`."""
        every = range(len(self.columns))
        names = [at for at in every if self.columns[at].use == NAME]
        kept = self._fitting(every, options.max_width)
        if self._width(kept) <= options.max_width or len(names) in (0, len(self.columns)):
            yield self._table(kept, options.max_width)
        else:
            kept = self._fitting([at for at in every if at not in names], options.max_width - len(_INDENT))
            yield from self._two_lines(names, kept)
            kept = [*names, *kept]
        left_out = [self.columns[at].title for at in every if at not in kept]
        if left_out:
            yield Text(f"left out at this width: {', '.join(left_out)} ({self.more})", style="dim")

    def _fitting(self, among: Iterable[int], width: int) -> list[int]:
        """Places of the columns that are shown: all, less those of least use while they are too wide."""
        kept = list(among)
        while self._width(kept) > width:
            least = max(kept, key=lambda at: (self.columns[at].use, at), default=None)
            if least is None or self.columns[least].use <= NEEDED:
                break
            kept.remove(least)
        return kept

    def _width(self, places: Sequence[int]) -> int:
        return sum(self._cells(at) for at in places) + _GAP * max(len(places) - 1, 0)

    def _cells(self, at: int) -> int:
        """Terminal cells that a column needs."""
        column = self.columns[at]
        longest = max((cell_len(row[at].plain) for row in self.rows), default=0)
        return max(cell_len(column.title), min(longest, _WRAPPED) if column.wraps else longest)

    def _table(self, places: Sequence[int], width: int) -> Table:
        is_fitting = self._width(places) <= width
        table = Table(box=None, padding=(0, _GAP, 0, 0), pad_edge=False, header_style="bold")
        table.show_header = any(column.title for column in self.columns)
        for at in places:
            column = self.columns[at]
            table.add_column(
                column.title,
                justify="right" if column.is_number else "left",
                no_wrap=is_fitting and not column.wraps,
                min_width=self._cells(at) if is_fitting else None,
                overflow="fold",  # what is longer than the line goes on in the next: nothing is cut off
            )
        for row in self.rows:
            table.add_row(*(row[at] for at in places))
        return table

    def _two_lines(self, names: Sequence[int], places: Sequence[int]) -> Iterable[Text]:
        heads = tuple(Text(column.title, style="bold") for column in self.columns)
        widths = {at: self._cells(at) for at in places}
        for row in (heads, *self.rows):
            yield Text(" " * _GAP, overflow="fold").join([row[at] for at in names])
            cells = []
            for at in places:
                cell = row[at].copy()
                if cell_len(cell.plain) <= widths[at]:  # a longer one is a sentence, and would be cut
                    cell.align("right" if self.columns[at].is_number else "left", widths[at])
                cells.append(cell)
            yield Text.assemble(_INDENT, Text(" " * _GAP).join(cells), overflow="fold")
