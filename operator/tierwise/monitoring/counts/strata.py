"""Strata of declared confounders: their keys, and slices crossed with them. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.api.slices import parse_slice_key, slice_key
from tierwise.monitoring.counts.model import BASELINE, Cells

MOST_STRATA = 64  # most strata of a dataset; those with most rows of the baseline are used


def crossed(key: str, stratum: str) -> str | None:
    """The key of a slice's rows within a stratum; None if slice and stratum exclude each other."""
    values, more = parse_slice_key(key), parse_slice_key(stratum)
    if any(values.get(dimension, value) != value for dimension, value in more.items()):
        return None
    return slice_key({**values, **more})


def crossed_groupings(groupings: Sequence[tuple[str, ...]], confounders: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The groupings for the store: each grouping, and the whole, together with the confounders."""
    return tuple(dict.fromkeys(tuple(sorted({*grouping, *confounders})) for grouping in ((), *groupings)))


def strata_of(cells: Cells, confounders: Sequence[str]) -> tuple[str, ...]:
    """The confounders' values with most rows of the baseline, at most `MOST_STRATA`."""
    wanted = set(confounders)
    rows = cells.counts[:, :, BASELINE].sum(axis=(0, 2, 3))
    found = [i for i, key in enumerate(cells.slices) if set(parse_slice_key(key)) == wanted and rows[i]]
    return tuple(cells.slices[i] for i in sorted(found, key=lambda i: (-int(rows[i]), cells.slices[i]))[:MOST_STRATA])
