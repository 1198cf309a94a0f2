"""Reads YAML and JSON of a dataset's description, with a limit on values: aliases of aliases can mean billions."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator

import yaml

from tierwise.errors import RefusedError

MAX_VALUES = 100_000  # far above any description


def read_yaml(text: str) -> object:
    """The one document of a YAML text.

    Raises:
        RefusedError: it contains itself, has more than MAX_VALUES values, or a number that JSON does not have.
        RecursionError: it is nested too deep.
        yaml.YAMLError: it is not YAML.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _require_few(node)
        data = loader.construct_document(node)
    finally:
        loader.dispose()
    _require_finite(data)
    return data


def read_json(text: str) -> object:
    """The value of a JSON text.

    Raises:
        RefusedError: it has a number that JSON does not have.
        RecursionError: it is nested too deep.
        ValueError: it is not JSON.
    """
    data = json.loads(text)
    _require_finite(data)
    return data


def _require_few(node: yaml.Node) -> None:
    """Raise if there are too many values. An alias counts as all the values that it stands for."""
    for count, _ in enumerate(_written_out(node, ()), start=1):
        if count > MAX_VALUES:
            raise RefusedError(
                f"it has more than {MAX_VALUES} keys and items, aliases written out",
                "give the columns of one dataset, without nested aliases",
            )


def _written_out(node: yaml.Node, around: tuple[yaml.Node, ...]) -> Iterator[yaml.Node]:
    if any(outer is node for outer in around):
        raise RefusedError("a value holds itself, by an alias", "write it out")
    yield node
    if isinstance(node, yaml.MappingNode | yaml.SequenceNode):
        within = (*around, node)
        for item in node.value:
            for part in item if isinstance(item, tuple) else (item,):
                yield from _written_out(part, within)


def _require_finite(data: object, path: str = "") -> None:
    if isinstance(data, float) and not math.isfinite(data):
        raise RefusedError(f"{path or 'its value'} is {data}, no number that JSON has", "give a finite one")
    if isinstance(data, int) and abs(data) > sys.float_info.max:
        raise RefusedError(f"{path or 'its value'} is a number of more than 308 digits", "give a smaller one")
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        _require_finite(value, f"{path}.{key}" if path else str(key))
