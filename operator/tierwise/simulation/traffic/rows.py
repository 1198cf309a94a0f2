"""Rows of predictions as inference pods would write them, from a seed and without a clock."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tierwise.arrays import IntArray
from tierwise.runtime.predictions import Predictions, ServingPod


class TrafficSource(Protocol):
    """The requests to the fleet, and the predictions of each version."""

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the log's dimension columns."""
        ...

    def serve(self, interval: int, pods: Sequence[ServingPod], seconds: float) -> Predictions:
        """The predictions of `pods` in interval number `interval`. The same arguments give the same rows."""
        ...


def spread_over_pods(rng: np.random.Generator, tier: npt.NDArray[np.str_], pods: Sequence[ServingPod]) -> IntArray:
    """A pod for each request: a random pod of its tier, as behind a Service; −1 if the tier has none.

    `tier` holds the tier's name, one per request.
    """
    chosen = np.full(len(tier), -1, dtype=np.int64)
    for name in sorted({pod.tier for pod in pods}):
        members = np.array([i for i, pod in enumerate(pods) if pod.tier == name], dtype=np.int64)
        requests = np.flatnonzero(tier == name)
        chosen[requests] = rng.choice(members, size=len(requests))
    return chosen
