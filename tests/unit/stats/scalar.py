"""The regression e-process again, one hypothesis at a time in plain Python: an independent reading of the formulas."""

from __future__ import annotations

import math

ODDS_RATIOS = (1.05, 1.12, 1.3, 1.7, 2.5, 5.0)
M0 = 10.0


def clip(x: float, low: float, high: float) -> float:
    return min(max(x, low), high)


def increment(
    block: tuple[float, ...], past: tuple[float, ...], ratio: float, delta: float, eta: float, p0: float
) -> float:
    """Log of one block's bet; counts are candidate n, bad, baseline n, bad."""
    na, ka, nb, kb = block
    past_na, past_ka, past_nb, past_kb = past
    mb = (past_kb + (past_ka - past_na * (delta + eta)) / ratio + M0 * p0) / (past_na + past_nb + M0)
    low = max(0.0, -delta / ratio) + 1e-6
    high = min(1.0, (1 - delta) / ratio) - 1e-6
    u = 0.0
    for _ in range(3):
        cb = clip(mb + u, low, high)
        ca = ratio * cb + delta
        a = na / (ca * (1 - ca))
        b = nb / (cb * (1 - cb))
        u = eta * ratio * a / (ratio**2 * a + b)
    cb = clip(mb + u, low, high)
    ca = ratio * cb + delta
    kappa = eta * a * b / (ratio**2 * a + b)
    if kappa >= 0:
        kappa = min(kappa, 0.98 * min(na / ca, nb / (ratio * (1 - cb))))
    else:
        kappa = max(kappa, -0.98 * min(na / (1 - ca), nb / (ratio * cb)))
    sa, sb = kappa / na, -ratio * kappa / nb
    return (
        ka * math.log1p(sa * (1 - ca))
        + (na - ka) * math.log1p(-sa * ca)
        + kb * math.log1p(sb * (1 - cb))
        + (nb - kb) * math.log1p(-sb * cb)
    )


def regression_etas(past: tuple[float, ...], ratio: float, delta: float, p0: float) -> list[float]:
    base = (past[3] + M0 * p0) / (past[2] + M0)
    g = clip(ratio * base + delta, 1e-6, 1 - 1e-6)
    etas = []
    for odds_ratio in ODDS_RATIOS:
        logit = math.log(g / (1 - g)) + math.log(odds_ratio)
        etas.append(1 / (1 + math.exp(-logit)) - g)
    seen = (past[1] + M0 * (ratio * base + delta)) / (past[0] + M0)
    return [*etas, max(seen - (ratio * base + delta), etas[3])]


def regression_log_e(blocks: list[tuple[float, ...]], ratio: float, delta: float, p0: float) -> float:
    """Log e-value after all blocks, each of them with observations in both arms."""
    past = (0.0, 0.0, 0.0, 0.0)
    logs = [0.0] * (len(ODDS_RATIOS) + 1)
    for block in blocks:
        for i, eta in enumerate(regression_etas(past, ratio, delta, p0)):
            logs[i] += increment(block, past, ratio, delta, eta, p0)
        past = tuple(p + b for p, b in zip(past, block, strict=True))
    top = max(logs)
    return top + math.log(sum(math.exp(x - top) for x in logs) / len(logs))
