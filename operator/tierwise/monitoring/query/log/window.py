"""SQL for prediction times: the conditions of a window, and the block of a row. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from tierwise.api.common import EPOCH
from tierwise.monitoring.counts.model import Block
from tierwise.monitoring.query.log.columns import Log

_FAR = timedelta(minutes=5)  # blocks that are further apart are stretches of their own
_BEFORE = timedelta(minutes=2)  # as long as a repeated request is looked for
_MOST_STRETCHES = 64


def time_parameter(value: datetime) -> str:
    """A time for a parameter of type DateTime64(6,'UTC'), to the microsecond."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")


def micros_of(value: datetime) -> int:
    """Microseconds since 1970, rounded down."""
    return (value - EPOCH) // timedelta(microseconds=1)


def time_of(micros: int) -> datetime:
    """The inverse of `micros_of`."""
    return EPOCH + timedelta(microseconds=micros)


def window_conditions(log: Log, start: datetime, end: datetime) -> tuple[list[str], dict[str, object]]:
    """Conditions for rows in [start, end), with their parameters."""
    column = log.column("time")
    return (
        [f"{column} >= {{t0:DateTime64(6,'UTC')}}", f"{column} < {{t1:DateTime64(6,'UTC')}}"],
        {"t0": time_parameter(start), "t1": time_parameter(end)},
    )


def stretch_conditions(log: Log, blocks: Sequence[Block]) -> tuple[list[str], dict[str, object]]:
    """A condition that spares rows between blocks, with its parameters; none where blocks lie close together.

    Blocks of several days then cost the reading of these blocks alone. A little before each is read too, so that a row
    that is logged again is told from its first.
    """
    stretches = [[blocks[0].start, blocks[0].end]]
    for block in blocks[1:]:
        if block.start - stretches[-1][1] > _FAR:
            stretches.append([block.start, block.end])
        stretches[-1][1] = block.end
    if not 1 < len(stretches) <= _MOST_STRETCHES:
        return [], {}
    column, parts = log.column("time"), []
    parameters: dict[str, object] = {}
    for i, (start, end) in enumerate(stretches):
        parts.append(f"{column} >= {{from{i}:DateTime64(6,'UTC')}} AND {column} < {{to{i}:DateTime64(6,'UTC')}}")
        parameters |= {f"from{i}": time_parameter(start - _BEFORE), f"to{i}": time_parameter(end)}
    return [f"({' OR '.join(parts)})"], parameters


def block_number(log: Log, blocks: Sequence[Block]) -> str | None:
    """SQL of the index of the block a row is in, −1 for a row between blocks; None for one block."""
    if len(blocks) == 1:
        return None
    for before, after in pairwise(blocks):
        if after.start < before.end:
            raise ValueError(f"blocks must ascend and not overlap: {after.start} is before {before.end}")
    micros = f"toUnixTimestamp64Micro(toDateTime64({log.column('time')}, 6, 'UTC'))"
    first, width = micros_of(blocks[0].start), micros_of(blocks[0].end) - micros_of(blocks[0].start)
    if all(
        micros_of(b.start) == first + i * width and micros_of(b.end) == first + (i + 1) * width
        for i, b in enumerate(blocks)
    ):
        return f"toInt32(intDiv({micros} - {first}, {width}))"
    edges: list[int] = []
    index: list[int] = []
    for i, block in enumerate(blocks):
        start, end = micros_of(block.start), micros_of(block.end)
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
