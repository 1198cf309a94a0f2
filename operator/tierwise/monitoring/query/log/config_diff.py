"""Describes for people how two configurations of a dataset differ. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

MOST_SHOWN = 6


def parts_of(config: str) -> tuple[str, dict[str, Any], tuple[tuple[str, ...], ...]]:
    """A stored configuration: the dataset's name, its spec as JSON, its groupings.

    Raises:
        ValueError: the text is not a configuration.
    """
    try:
        name, spec, groupings = json.loads(config)
        return str(name), dict(spec), tuple(tuple(map(str, grouping)) for grouping in groupings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"no configuration: {config[:60]!r}") from error


def differences(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, ...]:
    """The differences, such as ``threshold 0.5 → 0.6``: at most six, then how many more. ``none`` is a missing key."""
    before, after = dict(_flat(old)), dict(_flat(new))
    keys = sorted({*before, *after})
    found = [
        f"{key} {_shown(before.get(key))} → {_shown(after.get(key))}"
        for key in keys
        if before.get(key) != after.get(key)
    ]
    if len(found) > MOST_SHOWN:
        return (*found[:MOST_SHOWN], f"and {len(found) - MOST_SHOWN} more")
    return tuple(found)


def groupings_difference(old: tuple[tuple[str, ...], ...], new: tuple[tuple[str, ...], ...]) -> tuple[str, ...]:
    """Slices that only one of the two has."""
    gone, come = sorted(set(old) - set(new)), sorted(set(new) - set(old))
    return (
        *(f"slices − {','.join(grouping)}" for grouping in gone),
        *(f"slices + {','.join(grouping)}" for grouping in come),
    )


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401  # any JSON
    """Every leaf with its path. Items of a list that have a name are identified by it."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and all(isinstance(item, dict) and "name" in item for item in value) and value:
        for item in value:
            yield from _flat({key: part for key, part in item.items() if key != "name"}, f"{path}[{item['name']}]")
    else:
        yield path, value


def _shown(value: Any) -> str:  # noqa: ANN401  # any JSON
    return "none" if value is None else json.dumps(value, ensure_ascii=False)
