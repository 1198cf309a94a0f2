"""The container of all counts of rows: every array that a look reads has its line here. Plain arrays, pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt

from tierwise.arrays import BoolArray, FloatArray, IntArray

NEGATIVE, POSITIVE, UNKNOWN = 0, 1, 2  # index of a label
# index of an answer: 0 negative, 1 positive, 2 invalid (score NaN or out of the domain)
ANSWER_NEGATIVE, ANSWER_POSITIVE, ANSWER_INVALID = 0, 1, 2
LABELS, ANSWERS = 3, 3

Index = int | slice | Sequence[int] | npt.NDArray[np.intp] | BoolArray
_LEADING: Mapping[str, int] = {"first": 0}  # an array, or arrays by name, whose leading axes come first
_OF_POWERS: Mapping[str, int] = {"first": 1}  # the leading axes come after that of Σw and Σw²


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Rows as counts, distributions and sums. All arrays have the same leading axes `...`.

    Leading axes are, in this order, if they exist: blocks (or looks, or windows), slices (or slots), arms (or
    versions). Each array has its own axes after them, or before them:

    - `counts`: int64 (..., 3 labels: negative, positive, unknown; 3 answers: negative, positive, invalid).
    - `bins`: int64 (..., labels, bins + 1) by label (the last is unknown) and bin of the score (the last is invalid);
      for a dataset of classes: (..., classes + 1, classes + 1) by the class of the label and of the answer.
    - `edges`: float64 (bins + 1,), the bins' bounds; None for classes. It has no leading axes, so nothing changes it.
    - `sums`: float64 (...) by name.
    - `weights`: float64 (2: Σw and Σw², ..., 3 labels, 3 answers), for datasets with a sample weight.
    - `bin_weights`: float64 (2, *shape of `bins`), for such datasets if bins are read.

    Data that was not read is None or absent. A new array is a new field with `_LEADING` or `_OF_POWERS`. The methods
    below find the fields by this, and all code that adds, joins, places or splits counts uses these methods.
    """

    counts: IntArray = field(metadata=_LEADING)
    bins: IntArray | None = field(default=None, metadata=_LEADING)
    edges: FloatArray | None = None
    sums: Mapping[str, FloatArray] = field(default_factory=dict, metadata=_LEADING)
    weights: FloatArray | None = field(default=None, metadata=_OF_POWERS)
    bin_weights: FloatArray | None = field(default=None, metadata=_OF_POWERS)

    @property
    def contents(self) -> dict[str, Any]:
        """The fields of this class by name, to make another kind of counts of the same arrays."""
        return {name: getattr(self, name) for name in _FIELDS}

    def map_arrays(self, change: Callable[[Any, int], Any]) -> Self:
        """The counts with every array changed by `change`. Its second argument is where the leading axes begin."""
        changes: dict[str, Any] = {}
        for name, first in _ARRAYS:
            value = getattr(self, name)
            if isinstance(value, Mapping):
                changes[name] = {key: change(each, first) for key, each in value.items()}
            elif value is not None:
                changes[name] = change(value, first)
        return replace(self, **changes)

    def zip_arrays(self, others: Sequence[Counts], join: Callable[[list[Any], int], Any]) -> Self:
        """The counts in which `join` makes one array from the same array of all parts.

        An array that a part lacks is left out. The second argument of `join` is as in `map_arrays`. All other fields
        are those of this object.
        """
        changes: dict[str, Any] = {}
        for name, first in _ARRAYS:
            values = [getattr(each, name) for each in (self, *others)]
            if isinstance(values[0], Mapping):
                shared = [key for key in values[0] if all(key in value for value in values)]
                changes[name] = {key: join([value[key] for value in values], first) for key in shared}
            elif values[0] is not None:
                changes[name] = None if any(value is None for value in values) else join(values, first)
        return replace(self, **changes)

    def __add__(self, other: Counts) -> Self:
        """The rows of both, which have the same leading axes. An array that only one of them has is copied."""
        return self._combined(other, 1)

    def __sub__(self, other: Counts) -> Self:
        """The rows without those of `other`, which must be some of these rows."""
        return self._combined(other, -1)

    def _combined(self, other: Counts, sign: int) -> Self:
        def both(one: Any, two: Any) -> Any:  # noqa: ANN401  # arrays of counts or of sums, or None
            if one is None or two is None:
                return one if two is None else sign * two
            return one + sign * two

        changes: dict[str, Any] = {"edges": self.edges if self.edges is not None else other.edges}
        for name, _ in _ARRAYS:
            one, two = getattr(self, name), getattr(other, name)
            if isinstance(one, Mapping):
                changes[name] = {key: both(one.get(key), two.get(key)) for key in {**one, **two}}
            elif one is not None or two is not None:
                changes[name] = both(one, two)
        return replace(self, **changes)

    def take(self, index: Index, axis: int = 0) -> Self:
        """The counts at `index` of a leading axis. An int drops the axis; a slice or a list keeps it."""
        return self.map_arrays(lambda values, first: values[(slice(None),) * (first + axis) + (index,)])

    def sum(self, axis: int = 0) -> Self:
        """The counts added up over a leading axis, which is dropped."""
        return self.map_arrays(lambda values, first: values.sum(axis=first + axis))


_FIELDS = tuple(each.name for each in fields(Counts))
_ARRAYS = tuple((each.name, each.metadata["first"]) for each in fields(Counts) if "first" in each.metadata)

AnyCounts = TypeVar("AnyCounts", bound=Counts)


def stacked(parts: Sequence[AnyCounts], axis: int = 0) -> AnyCounts:
    """Counts of equal shape along a new leading axis. An array that one of them lacks is left out."""
    return parts[0].zip_arrays(parts[1:], lambda arrays, first: np.stack(arrays, axis=first + axis))


def concatenated(parts: Sequence[AnyCounts], axis: int = 0) -> AnyCounts:
    """Counts one after the other along a leading axis. An array that one of them lacks is left out."""
    return parts[0].zip_arrays(parts[1:], lambda arrays, first: np.concatenate(arrays, axis=first + axis))
