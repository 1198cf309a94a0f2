"""The Gaussian mixture in information time: evidence about a difference that is estimated with a variance.

It is for metrics without an exact test on counts (AUC, calibration error, ratios, …). With I = 1/V, S = (D − Δ)·I and
q = 1 + τ²I the e-value of H0: D ≤ Δ is the likelihood ratio of a half-normal prior of scale τ on how far D is beyond
Δ, against D = Δ:

    ln E = ln 2 − ½ ln q + S²τ²/(2q) + ln Φ(Sτ/√q),

averaged over several τ. It is asymptotic: S must behave like a Gaussian martingale in information time.

Source: Robbins and Siegmund, "Boundary crossing probabilities for the Wiener process and sample sums", Annals of
Mathematical Statistics 1970; Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic
confidence sequences", Annals of Statistics 2021, proposition 6 (one-sided normal mixture).
"""

from __future__ import annotations

import numpy as np
from scipy.special import erfcx, log_ndtr, logsumexp

from tierwise.arrays import FloatArray

_HALVINGS = 30
TAUS: FloatArray = np.array([0.01, 0.03, 0.1])  # differences the mixture is most sensitive to, for rates and areas


def log_mixture(
    difference: FloatArray, variance: FloatArray, delta: FloatArray | float, taus: FloatArray | None = None
) -> FloatArray:
    """Log e-value (...) of H0: D ≤ Δ from cumulative estimates D̂ (...) of variance V (...), equal weights over τ.

    `taus` is (T,) for all or (T, ...) for each; default `TAUS`. For H0: D ≥ Δ use
    ``log_mixture(-difference, variance, -delta)``. The result is 0 (no evidence) where D̂, V or a τ is not finite, or V
    or a τ is not positive.
    """
    scales = TAUS if taus is None else np.asarray(taus, dtype=np.float64)
    if scales.ndim == 1:
        scales = scales.reshape((-1,) + (1,) * np.ndim(difference))
    known = np.isfinite(difference) & np.isfinite(variance) & (variance > 0) & np.isfinite(delta)
    known = known & (np.isfinite(scales) & (scales > 0)).all(axis=0)
    beyond = np.where(known, difference - delta, 0.0)
    safe = np.where(known, variance, 1.0)
    tau = np.where(known, scales, 1.0)
    # In units of V, so that no information is infinite: τ²I = (τ/√V)², Sτ/√q = (D − Δ)/√V · τ/√(V + τ²).
    q = 1 + tau**2 / safe
    t = beyond / np.sqrt(safe) * tau / np.sqrt(safe + tau**2)
    # ½t² + ln Φ(t) + ln 2, by erfcx where both are large and cancel.
    tail = np.where(
        t > 0, t * t / 2 + log_ndtr(np.maximum(t, 0.0)) + np.log(2), np.log(erfcx(np.maximum(-t, 0.0) / np.sqrt(2)))
    )
    mean = logsumexp(tail - np.log(q) / 2, axis=0) - np.log(len(scales))
    return np.asarray(np.where(known, mean, 0.0))


def interval(
    difference: FloatArray, variance: FloatArray, alpha: float, taus: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """Interval (low, high), each (...), for D that covers at *every* look with probability about 1 − alpha.

    The differences Δ for which neither D ≤ Δ nor D ≥ Δ has reached the e-value 2/alpha by `log_mixture` of the same
    `taus`. NaN where D̂, V or a τ is not known.
    """
    scales = TAUS if taus is None else np.asarray(taus, dtype=np.float64)
    known = np.isfinite(difference) & np.isfinite(variance) & (variance > 0)
    known = known & (np.isfinite(scales) & (scales > 0)).all(axis=0)
    safe = np.where(known, variance, 1.0)
    log_threshold = np.log(2 / alpha)
    low, high = np.zeros_like(safe), np.sqrt(2 * safe * log_threshold)
    while not (reached := ~known | (log_mixture(high, safe, 0.0, scales) >= log_threshold)).all():
        high = np.where(reached, high, 2 * high)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        reached = log_mixture(middle, safe, 0.0, scales) >= log_threshold
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return np.where(known, difference - high, np.nan), np.where(known, difference + high, np.nan)
