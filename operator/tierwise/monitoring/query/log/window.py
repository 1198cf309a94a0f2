"""SQL for prediction times: the conditions of a window, and the block of a row. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tierwise.monitoring.counts.model import Block
from tierwise.monitoring.query.log.columns import Log

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_parameter(value: datetime) -> str:
    """A time for a parameter of type DateTime64(6,'UTC'), to the microsecond."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def _micros(value: datetime) -> int:
    return (value - _EPOCH) // timedelta(microseconds=1)


def window_conditions(log: Log, start: datetime, end: datetime) -> tuple[list[str], dict[str, object]]:
    """Conditions for rows in [start, end), with their parameters."""
    column = log.column("time")
    return (
        [f"{column} >= {{t0:DateTime64(6,'UTC')}}", f"{column} < {{t1:DateTime64(6,'UTC')}}"],
        {"t0": time_parameter(start), "t1": time_parameter(end)},
    )


def block_number(log: Log, blocks: Sequence[Block]) -> str | None:
    """SQL of the index of the block a row is in, −1 for a row between blocks; None for one block."""
    if len(blocks) == 1:
        return None
    for before, after in pairwise(blocks):
        if after.start < before.end:
            raise ValueError(f"blocks must ascend and not overlap: {after.start} is before {before.end}")
    micros = f"toUnixTimestamp64Micro(toDateTime64({log.column('time')}, 6, 'UTC'))"
    first, width = _micros(blocks[0].start), _micros(blocks[0].end) - _micros(blocks[0].start)
    if all(
        _micros(b.start) == first + i * width and _micros(b.end) == first + (i + 1) * width
        for i, b in enumerate(blocks)
    ):
        return f"toInt32(intDiv({micros} - {first}, {width}))"
    edges: list[int] = []
    index: list[int] = []
    for i, block in enumerate(blocks):
        start, end = _micros(block.start), _micros(block.end)
        if edges and edges[-1] == start:
            index[-1] = i
        else:
            edges.append(start)
            index.append(i)
        edges.append(end)
        index.append(-1)
    array = ", ".join(f"toInt64({edge})" for edge in edges)
    numbers = ", ".join(f"toInt32({i})" for i in index)
    return f"transform(roundDown({micros}, [{array}]), [{array}], [{numbers}], toInt32(-1))"
