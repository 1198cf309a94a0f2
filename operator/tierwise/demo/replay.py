"""The real flights as traffic: in order of push-back, each served once, by a pod of one tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from tierwise.arrays import BoolArray
from tierwise.demo.models import VERSIONS, ScoredFlights
from tierwise.runtime.predictions import Predictions, ServingPod
from tierwise.simulation.traffic.rows import spread_over_pods

TIERS = ("tier-3", "tier-2", "tier-1")
FLIGHTS_PER_SECOND = 2000.0


@dataclass(frozen=True)
class FlightTraffic:
    """Replays the flights from April on; after the last of December it begins again in April.

    Tiers get equal shares: which tier a flight belongs to is drawn once per flight and pass, with `seed`.
    `first` is the flight it begins with.
    """

    flights: ScoredFlights
    per_second: float = FLIGHTS_PER_SECOND
    seed: int = 0
    first: int = 0
    tiers: Sequence[str] = field(default=TIERS)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the log's dimension columns."""
        return ("carrier", "origin", "dest", "hour")

    def position(self, interval: int, seconds: float) -> int:
        """Number of flights replayed before this interval."""
        return round(interval * seconds * self.per_second)

    def month(self, interval: int, seconds: float) -> int:
        """The month that the interval's first flight belongs to, 4 to 12."""
        return int(self.flights.month[(self.first + self.position(interval, seconds)) % len(self.flights)])

    def passes(self, interval: int, seconds: float) -> int:
        """How often the last flight of December was served before this interval."""
        return (self.first + self.position(interval, seconds)) // len(self.flights)

    def serve(self, interval: int, pods: Sequence[ServingPod], seconds: float) -> Predictions:
        """The interval's flights. A pod whose version is not one of the demo's models serves nothing."""
        start, end = self.position(interval, seconds), self.position(interval + 1, seconds)
        rng = np.random.default_rng([self.seed, interval])
        flight = (self.first + np.arange(start, end)) % len(self.flights)
        tier = np.array(self.tiers, dtype=np.str_)[rng.integers(len(self.tiers), size=len(flight))]
        pod = spread_over_pods(rng, tier, pods)
        model = np.array([_index(p.version) for p in pods] or [-1], dtype=np.int64)[np.maximum(pod, 0)]
        offset = (np.arange(len(flight)) + 0.5) / max(len(flight), 1) * seconds
        kept: BoolArray = (pod >= 0) & (model >= 0)
        flight, model = flight[kept], model[kept]
        flights = self.flights
        return Predictions(
            pods=tuple(pods),
            pod=pod[kept],
            offset_seconds=offset[kept],
            score=flights.scores[model, flight],
            label=flights.late[flight],
            label_delay_seconds=flights.label_delay_seconds[flight].astype(np.float64),
            dimensions={name: getattr(flights, name)[flight] for name in self.dimensions},
        )


def _index(version: str) -> int:
    return VERSIONS.index(version) if version in VERSIONS else -1
