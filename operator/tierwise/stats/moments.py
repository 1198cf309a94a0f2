"""Computes an estimate with its variance from sums over rows: the delta method in closed form.

Everything is computed from sums with weights w: Σw, Σw², Σwx, … (w = 1: counts). A result is (value, spread, units)
with Var(value) = spread/units: `units` is the effective number of rows (Σw)²/Σw², `spread` the variance per such row.
Arrays of any shape, element by element; NaN where nothing can be computed, without warnings.

Source: linearisation of weighted means and ratios, Särndal, Swensson and Wretman, "Model Assisted Survey Sampling",
1992, sections 5.5–5.7.
"""

from __future__ import annotations

import numpy as np

from tierwise.arrays import FloatArray, IntArray

Numbers = FloatArray | IntArray


def share(part: Numbers, whole: Numbers) -> FloatArray:
    """part/whole, NaN where the whole is not above zero."""
    above, below = np.broadcast_arrays(np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64))
    return np.asarray(np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0))


def effective(w: Numbers, w2: Numbers) -> FloatArray:
    """(Σw)²/Σw², the effective number of rows; 0 without rows."""
    return np.nan_to_num(share(np.square(w, dtype=np.float64), w2))


def mean(
    w: FloatArray, w2: FloatArray, wx: FloatArray, w2x: FloatArray, w2xx: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(value, spread, units) of the mean Σwx/Σw."""
    value, units = share(wx, w), effective(w, w2)
    squares = w2xx - 2 * value * w2x + value**2 * w2
    return value, _per_row(squares, w2, units), units


def ratio(
    w: FloatArray,
    w2: FloatArray,
    wx: FloatArray,
    wy: FloatArray,
    products: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(value, spread, units) of the ratio Σwx/Σwy; `products` are Σw²xx, Σw²xy and Σw²yy.

    The residuals x − Ry have mean zero, so their squares suffice.
    """
    w2xx, w2xy, w2yy = products
    value, units = share(wx, wy), effective(w, w2)
    squares = w2xx - 2 * value * w2xy + value**2 * w2yy
    return value, _per_row(squares, w2, units) / np.square(share(wy, w)), units


def cells(
    gradient: FloatArray, mass: Numbers, squares: Numbers | None = None, *, axis: int = -1
) -> tuple[FloatArray, FloatArray]:
    """(spread, units) over `axis`: cells that hold Σw = `mass` and Σw² = `squares` (default: w = 1).

    Var = Σ Σw²·(∂T/∂Σw)². This requires a value T that does not change when all cells are doubled: Σ Σw·∂T/∂Σw = 0.
    """
    squared = mass if squares is None else squares
    units = effective(mass.sum(axis=axis), squared.sum(axis=axis))
    # A cell without rows adds nothing, whatever its gradient.
    terms = np.where(np.asarray(squared) > 0, squared * np.square(gradient), 0.0)
    return np.asarray(terms.sum(axis=axis) * units), units


def _per_row(squares: FloatArray, w2: FloatArray, units: FloatArray) -> FloatArray:
    """Variance per effective row, with n − 1 as in a sample's variance. A rounded value below zero becomes zero."""
    return share(np.maximum(squares, 0.0) * units, w2 * (units - 1))
