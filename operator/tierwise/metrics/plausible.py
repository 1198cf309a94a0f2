"""Checks whether a result of another package's metric is possible for the rows.

Each function returns the result in the form in which it is used, or raises ImplausibleError with what was found and
what was expected. Arrays of a tally (...) have the leading shape of its counts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tierwise.arrays import BoolArray, FloatArray, IntArray
from tierwise.metrics.tally import Estimate, Tally

_LARGEST = 1e100  # largest value; its square times any number of rows is still a number
_NO_VARIANCE = 1e-9  # a negative variance up to this share of the squared value is a rounded zero
_ROUNDING = 1e-6  # rounding error of differences of sums of weights, as a share of the rows


class ImplausibleError(ValueError):
    """An impossible result: what was found, and what was expected."""


def counts_of(result: object, tally: Tally) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]:
    """(n, bad) of a proportion, shape (...): 0 ≤ bad ≤ n ≤ rows, whole numbers (int64) where rows are counted.

    Where the tally is of Σw or Σw², they are sums of those.

    Raises:
        ImplausibleError: it is something else.
    """
    expected = "n and bad with 0 ≤ bad ≤ n ≤ rows"
    n, bad = _pair(result, "count", "(n, bad)")
    rows = tally.counts.sum(axis=(-2, -1))
    _require_shapes("count", (n, rows.shape), (bad, rows.shape))
    is_weighted = not np.issubdtype(tally.counts.dtype, np.integer)
    slack = _ROUNDING * np.abs(rows) if is_weighted else 0.0
    if not is_weighted:
        _require(n == np.rint(n), f"a number of rows that is not whole, n = {_first(n, n != np.rint(n))}", expected)
        _require(bad == np.rint(bad), f"{_first(bad, bad != np.rint(bad))} bad rows", f"whole numbers, {expected}")
    _require(bad >= -slack, f"bad = {_first(bad, bad < -slack)}", expected)
    _require(bad <= n + slack, f"bad = {_first(bad, bad > n + slack)} of n = {_first(n, bad > n + slack)}", expected)
    _require(n <= rows + slack, f"n = {_first(n, n > rows + slack)} of {_first(rows, n > rows + slack)} rows", expected)
    return (n, bad) if is_weighted else (n.astype(np.int64), bad.astype(np.int64))


def shift_of(result: object, tally: Tally, at: IntArray) -> tuple[IntArray, IntArray]:
    """(n, below) of a shift, shapes (...) and (..., points), int64: 0 ≤ below ≤ n ≤ rows.

    Raises:
        ImplausibleError: it is something else.
    """
    expected = "whole numbers with 0 ≤ below ≤ n ≤ rows"
    n, below = _pair(result, "count", "(n, below)")
    rows = tally.counts.sum(axis=(-2, -1))
    _require_shapes("count", (n, rows.shape), (below, (*rows.shape, len(at))))
    for numbers, name in ((n, "n"), (below, "below")):
        _require(numbers == np.rint(numbers), f"{name} = {_first(numbers, numbers != np.rint(numbers))}", expected)
        _require(numbers >= 0, f"{name} = {_first(numbers, numbers < 0)}", expected)
    of = np.broadcast_to(n[..., np.newaxis], below.shape)
    _require(below <= of, f"below = {_first(below, below > of)} of n = {_first(of, below > of)}", expected)
    _require(n <= rows, f"n = {_first(n, n > rows)} of {_first(rows, n > rows)} rows", expected)
    return n.astype(np.int64), below.astype(np.int64)


def estimate_of(result: object, tally: Tally) -> Estimate:
    """An estimate with value and enough (...), spread and units (..., k).

    Where `enough` is true, value is finite, spread is finite and not negative, and units are above 0. Everywhere units
    are from 0 to the number of rows, and spread is not below 0. NaN means not enough rows.

    Raises:
        ImplausibleError: it is something else.
    """
    if not isinstance(result, Estimate):
        raise ImplausibleError(f"estimate gave {_kind(result)}; expected an Estimate")
    rows = tally.counts.sum(axis=(-2, -1))
    enough = np.asarray(result.enough)
    if enough.dtype != np.bool_:
        raise ImplausibleError(f"estimate gave `enough` as {enough.dtype}; expected an array of bool")
    value, spread, units = (
        _numbers(getattr(result, name), "estimate", name).astype(np.float64) for name in ("value", "spread", "units")
    )
    kinds = spread.shape[rows.ndim :]
    if len(kinds) != 1 or not kinds[0]:
        raise ImplausibleError(f"estimate gave a spread of shape {spread.shape}; expected {(*rows.shape, 'k')}")
    shape = (*rows.shape, *kinds)
    _require_shapes("estimate", (value, rows.shape), (enough, rows.shape), (spread, shape), (units, shape))
    square = np.square(np.clip(value, -_LARGEST, _LARGEST))
    spread[(spread < 0) & (spread >= -_NO_VARIANCE * square[..., np.newaxis])] = 0.0
    each = enough[..., np.newaxis]
    most = np.maximum(rows, 0)[..., np.newaxis] * (1 + _ROUNDING)
    _require_where(enough, np.abs(value) <= _LARGEST, value, "value", "a finite one, or `enough` false")
    _require_where(each, spread <= _LARGEST, spread, "spread", "a variance of one observation, or `enough` false")
    _require_where(True, ~(spread < 0), spread, "spread", "a variance of one observation, never below 0")
    _require_where(each, units > 0, units, "units", "above 0, or `enough` false")
    _require_where(True, ~(units < 0), units, "units", "numbers of observations, never below 0")
    there = np.broadcast_to(rows[..., np.newaxis], units.shape)
    _require_where(True, ~(units > most), units, "units", f"at most the rows there are, {_first(there, units > most)}")
    return Estimate(value, spread, units, enough)


def shown_of(value: object) -> float:
    """The shown value of a share of bad rows.

    Raises:
        ImplausibleError: it is not a finite number.
    """
    number = _numbers(value, "shown", "its value")
    if number.shape != () or not abs(float(number)) <= _LARGEST:
        raise ImplausibleError(f"shown gave {value!r}; expected a finite number")
    return float(number)


def _pair(result: object, what: str, names: str) -> tuple[FloatArray, FloatArray]:
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise ImplausibleError(f"{what} gave {_kind(result)}; expected {names}")
    one, two = (_numbers(each, what, name) for each, name in zip(result, names.strip("()").split(", "), strict=True))
    for numbers in (one, two):
        _require(np.isfinite(numbers), f"{_first(numbers, ~np.isfinite(numbers))}", f"finite numbers {names}")
    return one, two


def _numbers(given: object, what: str, name: str) -> FloatArray:
    numbers = np.asarray(given)
    if numbers.dtype.kind not in "iuf":
        raise ImplausibleError(f"{what} gave {name} as {numbers.dtype}; expected an array of numbers")
    return numbers


def _kind(result: object) -> str:
    if isinstance(result, tuple | list):
        return f"{len(result)} values"
    return f"a {type(result).__name__}"


def _require_shapes(what: str, *arrays: tuple[npt.NDArray[np.generic], tuple[int, ...]]) -> None:
    if any(array.shape != shape for array, shape in arrays):
        shapes = ", ".join(str(array.shape) for array, _ in arrays)
        expected = ", ".join(str(shape) for _, shape in arrays)
        raise ImplausibleError(f"{what} gave arrays of shapes {shapes}; expected {expected}")


def _require(holds: BoolArray, fact: str, expected: str) -> None:
    if not holds.all():
        raise ImplausibleError(f"count gave {fact}; expected {expected}")


def _require_where(where: BoolArray | bool, holds: BoolArray, numbers: FloatArray, name: str, expected: str) -> None:
    wrong = where & ~holds
    if wrong.any():
        raise ImplausibleError(f"estimate gave {name} {_first(numbers, wrong)}; expected {expected}")


def _first(numbers: npt.NDArray[np.generic], wrong: BoolArray) -> str:
    """The first of the wrong numbers; empty if there is none (then the message is not used)."""
    found = numbers[np.broadcast_to(wrong, numbers.shape)]
    return f"{found[0]:.6g}" if len(found) else ""
