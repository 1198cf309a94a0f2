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

TAUS: FloatArray = np.array(
    [0.01, 0.03, 0.1]
)  # differences to which the mixture is most sensitive, for rates and areas


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
    difference: FloatArray, variance: FloatArray, alpha: float, tau: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Interval (low, high) for D that covers at *every* look with probability about 1 − alpha; NaN without V or τ.

    The two-sided normal mixture boundary, D̂ ± √(V(1 + V/τ²)(ln(1 + τ²/V) − 2 ln α)): narrowest for differences near τ.
    """
    known = np.isfinite(difference) & np.isfinite(variance) & (variance > 0) & np.isfinite(tau) & (np.asarray(tau) > 0)
    safe = np.where(known, variance, 1.0)
    square = np.where(known, np.square(tau), 1.0)
    half = np.sqrt(safe * (1 + safe / square) * (np.log1p(square / safe) - 2 * np.log(alpha)))
    return np.where(known, difference - half, np.nan), np.where(known, difference + half, np.nan)
