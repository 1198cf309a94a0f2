"""Served predictions as columns. Pods log them, and the traffic of tests and demos produces them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise.arrays import FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class ServingPod:
    """A ready pod: its tier and the version that its own spec names."""

    name: str
    tier: str
    version: str


@dataclass(frozen=True, slots=True)
class Predictions:
    """Served predictions of one interval, as columns of equal length.

    `offset_seconds` is the time of serving since the interval's start. `pod` is an index into `pods`. `label` is 1, 0
    or −1 (never known). `label_delay_seconds` is how long after the prediction the label comes.
    """

    pods: tuple[ServingPod, ...]
    pod: IntArray
    offset_seconds: FloatArray
    score: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]
    label_delay_seconds: FloatArray
    dimensions: Mapping[str, npt.NDArray[np.str_]]

    def __len__(self) -> int:
        return len(self.score)
