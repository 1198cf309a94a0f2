"""Keys of slices: ``""`` is the whole, ``"carrier=HA"`` a value, ``"carrier=HA,origin=JFK"`` a combination."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, unquote

WHOLE = ""


def slice_key(values: Mapping[str, str]) -> str:
    """Key of a slice: dimensions sorted by name; ``,``, ``=`` and ``%`` in values are percent-encoded."""
    return ",".join(f"{dim}={quote(values[dim], safe=' /:+()[]{}@!*;?&$#~|<>^')}" for dim in sorted(values))


def parse_slice_key(key: str) -> dict[str, str]:
    """The inverse of `slice_key`."""
    if not key:
        return {}
    return {dim: unquote(value) for dim, value in (part.split("=", 1) for part in key.split(","))}
