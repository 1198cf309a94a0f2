"""Generated traffic with known labels: the scenarios of the end-to-end tests. The same arguments give the same rows.

A scenario is a `BernoulliTraffic`. Requests get dimension values by given shares, the label is drawn, and each version
is wrong at its own rate. A row's time is when its request was served. Only the rows per second are higher
than in practice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tierwise.arrays import BoolArray, FloatArray
from tierwise.runtime.predictions import Predictions, ServingPod
from tierwise.simulation.traffic.rows import spread_over_pods

Texts = npt.NDArray[np.str_]
TIER_SHARES: Mapping[str, float] = {"tier-3": 0.05, "tier-2": 0.25, "tier-1": 0.70}
EQUAL_TIERS: Mapping[str, float] = {"tier-3": 1 / 3, "tier-2": 1 / 3, "tier-1": 1 / 3}


@dataclass(frozen=True, slots=True)
class Drawn:
    """Requests of one interval without predictions: the tier, the label (1 positive) and the dimension values."""

    interval: int
    tier: Texts
    positive: BoolArray
    dimensions: Mapping[str, Texts]


@dataclass(frozen=True)
class BernoulliTraffic:
    """Requests with dimension values by `shares`. An answer is wrong with probability `error_rate(version, requests)`.

    `positive_share` is the share of positive labels. `labelled_share` is the share of rows that get a label. From
    `stops_at_interval` on nothing is served, so the log becomes stale.
    """

    rows_per_second: float
    shares: Mapping[str, Mapping[str, float]]
    error_rate: Callable[[str, Drawn], FloatArray]
    positive_share: float
    tier_shares: Mapping[str, float] = field(default_factory=lambda: TIER_SHARES)
    labelled_share: float = 1.0
    label_delay_seconds: float = 0.5
    positive_scores: Literal["high", "low"] = "high"
    stops_at_interval: int | None = None
    seed: int = 0

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the dimension columns."""
        return tuple(self.shares)

    def serve(self, interval: int, pods: Sequence[ServingPod], seconds: float) -> Predictions:
        """Rows of one interval; requests to a tier without a ready pod are lost."""
        rng = np.random.default_rng([self.seed, interval])
        wanted = int(rng.poisson(self.rows_per_second * seconds))
        stopped = self.stops_at_interval is not None and interval >= self.stops_at_interval
        drawn = self._draw(rng, interval, 0 if stopped else wanted)
        pod = spread_over_pods(rng, drawn.tier, pods)
        wrong = np.zeros(len(pod), dtype=bool)
        version = np.array([p.version for p in pods] or [""], dtype=np.str_)[np.maximum(pod, 0)]
        luck = rng.random(len(pod))
        for name in sorted({p.version for p in pods}):
            wrong |= (version == name) & (luck < self.error_rate(name, drawn))
        answer = drawn.positive ^ wrong
        high = answer if self.positive_scores == "high" else ~answer
        depth = rng.beta(1.0, 4.0, size=len(pod)) * 0.49  # distance of the score from certainty
        label = np.where(rng.random(len(pod)) < self.labelled_share, drawn.positive, -1).astype(np.int8)
        offset = np.sort(rng.random(len(pod))) * seconds
        kept = pod >= 0
        return Predictions(
            pods=tuple(pods),
            pod=pod[kept],
            offset_seconds=offset[kept],
            score=np.where(high, 1.0 - depth, depth).astype(np.float32)[kept],
            label=label[kept],
            label_delay_seconds=np.full(int(kept.sum()), self.label_delay_seconds),
            dimensions={name: values[kept] for name, values in drawn.dimensions.items()},
        )

    def _draw(self, rng: np.random.Generator, interval: int, rows: int) -> Drawn:
        def pick(shares: Mapping[str, float]) -> Texts:
            values = np.array(list(shares), dtype=np.str_)
            weights = np.array(list(shares.values()))
            return values[rng.choice(len(values), size=rows, p=weights / weights.sum())]

        return Drawn(
            interval=interval,
            tier=pick(self.tier_shares),
            positive=rng.random(rows) < self.positive_share,
            dimensions={name: pick(shares) for name, shares in self.shares.items()},
        )


def http3(
    rows_per_second: float, *, seed: int = 0, http3_share: float = 0.005, tier_shares: Mapping[str, float] = TIER_SHARES
) -> BernoulliTraffic:
    """S1: only bots are labelled, and they score low. Recall is 0.985, but over HTTP/3 0.21 (v1) and 0.96 (v2)."""

    def misses(version: str, drawn: Drawn) -> FloatArray:
        over_http3 = 0.96 if version == "v2" else 0.21
        return 1.0 - np.where(drawn.dimensions["http_version"] == "HTTP/3", over_http3, 0.985)

    rest = 1.0 - http3_share
    return BernoulliTraffic(
        rows_per_second=rows_per_second,
        shares={
            "http_version": {"HTTP/3": http3_share, "HTTP/2": 0.7 * rest, "HTTP/1.1": 0.3 * rest},
            "browser": {"Chrome": 0.6, "Safari": 0.2, "Firefox": 0.1, "Edge": 0.1},
        },
        error_rate=misses,
        positive_share=1.0,
        tier_shares=tier_shares,
        positive_scores="low",
        seed=seed,
    )


ResidentialVariant = Literal["regression", "place", "external"]


def residential(
    rows_per_second: float,
    *,
    variant: ResidentialVariant = "regression",
    seed: int = 0,
    residential_share: float = 0.02,
    worse_from_interval: int = 0,
    tier_shares: Mapping[str, float] = TIER_SHARES,
) -> BernoulliTraffic:
    """S2: only people are labelled; v2's false-positive rate on residential addresses is 3 % instead of 0.5 %.

    place     both versions have twice the rate in tier-3, and v2 is no worse than v1 anywhere
    external  from `worse_from_interval` on both versions get worse on residential addresses alike
    """

    def alarms(version: str, drawn: Drawn) -> FloatArray:
        home = drawn.dimensions["asn_type"] == "residential"
        if variant == "place":
            return np.where(drawn.tier == "tier-3", 0.010, 0.005)
        everywhere = variant == "external" and drawn.interval >= worse_from_interval
        worse = home & ((version == "v2") if variant == "regression" else everywhere)
        return np.where(worse, 0.03, 0.005)

    rest = 1.0 - residential_share
    return BernoulliTraffic(
        rows_per_second=rows_per_second,
        shares={
            "asn_type": {
                "residential": residential_share,
                "business": 0.5 * rest,
                "mobile": 0.4 * rest,
                "hosting": 0.1 * rest,
            },
            "browser": {"Chrome": 0.6, "Safari": 0.2, "Firefox": 0.1, "Edge": 0.1},
        },
        error_rate=alarms,
        positive_share=0.0,
        tier_shares=tier_shares,
        seed=seed,
    )


def identical(
    rows_per_second: float, *, slices: int = 40, seed: int = 0, tier_shares: Mapping[str, float] = EQUAL_TIERS
) -> BernoulliTraffic:
    """S3: all versions have the same error rates, 1 to 8 % over `slices` slices of equal traffic (`segment`)."""
    names = tuple(f"s{i:02d}" for i in range(slices))
    rates = dict(zip(names, np.geomspace(0.01, 0.08, slices), strict=True))

    def errors(_version: str, drawn: Drawn) -> FloatArray:
        values, index = np.unique(drawn.dimensions["segment"], return_inverse=True)
        return np.array([rates[str(v)] for v in values] or [0.0])[index] if len(index) else np.zeros(0)

    return BernoulliTraffic(
        rows_per_second=rows_per_second,
        shares={"segment": dict.fromkeys(names, 1.0 / slices)},
        error_rate=errors,
        positive_share=0.5,
        tier_shares=tier_shares,
        seed=seed,
    )


def unlabelled(rows_per_second: float, *, seed: int = 0) -> BernoulliTraffic:
    """S5: as `identical` with four slices, but no row ever gets a label."""
    return replace(identical(rows_per_second, slices=4, seed=seed), labelled_share=0.0)
