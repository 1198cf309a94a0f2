"""What a tier's plan takes for scatter, from what the past says of it (`dispersion`). Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.arrays import FloatArray, IntArray
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.stats.overdispersion import PodSpread, pods_apart
from tierwise.stats.persistent import of_split

_LATER = "\0"  # no slice has this key


@dataclass(frozen=True, slots=True, eq=False)
class Scatter:
    """As the plan keeps it. `phi` and `apart` are (metrics, slices + 1), the last for slices that come later.

    Three digits each, so that the status stays small and the round trip is exact.
    """

    phi: FloatArray
    apart: FloatArray
    sigma_pod: FloatArray
    pod_degrees: IntArray
    phi_split: float
    pods: int

    def pods_apart(self, row: int, shares: tuple[float, float]) -> float:
        """By how many log-odds the pods of arms with these shares may differ in a metric; 0 where it is not known."""
        bound = PodSpread(float(self.sigma_pod[row]), int(self.pod_degrees[row])).bound
        exposure = shares[0] / (shares[0] + shares[1])
        known = 0 < bound < math.inf and 0 < exposure < 1
        return bound * pods_apart(self.pods, candidate_pods(self.pods, exposure)) if known else 0.0


def scatter_of(spread: Spread | None, slices: Sequence[str], metrics: int, shares: tuple[float, float]) -> Scatter:
    """Of slices and arms of these shares; without a `spread` rows are taken as independent."""
    if spread is None:
        shape = (metrics, len(slices) + 1)
        nothing = np.zeros(metrics, dtype=np.int64)
        return Scatter(np.ones(shape), np.zeros(shape), np.full(metrics, np.nan), nothing, 1.0, 0)
    keys = [*slices, _LATER]
    return Scatter(
        phi=np.maximum(_short(spread.phi_for(keys)), 1.0),
        apart=_short(spread.apart_for(keys) * of_split(shares[0] / (shares[0] + shares[1]))),
        sigma_pod=_short(spread.sigma_pod),
        pod_degrees=spread.degrees,
        phi_split=float(_short(np.array(spread.phi_split))),
        pods=spread.pods,
    )


def candidate_pods(baseline: int, exposure: float) -> int:
    """How many pods beside those of the baseline have about this share of the traffic."""
    return max(1, round(baseline * exposure / (1 - exposure)))


def _short(values: FloatArray) -> FloatArray:
    return np.array([float(f"{x:.3g}") for x in values.ravel().tolist()]).reshape(values.shape)
