"""Statistics of a rule over many simulated rollouts: how often it stopped, how soon, with confidence intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tierwise.api.names import GateDecision
from tierwise.simulation.trials.comparison import Run, Simulated, Stop, tierwise_stop

CONFIDENCE = 0.95
TIERWISE = "tierwise"


@dataclass(frozen=True, slots=True)
class Share:
    """`hits` of `runs`, with the two-sided 95 % Clopper–Pearson interval."""

    hits: int
    runs: int

    @property
    def value(self) -> float | None:
        """The observed share; None without runs."""
        return self.hits / self.runs if self.runs else None

    @property
    def interval(self) -> tuple[float, float]:
        """The interval of the true share."""
        tail = (1 - CONFIDENCE) / 2
        low = stats.beta.ppf(tail, self.hits, self.runs - self.hits + 1) if self.hits else 0.0
        high = stats.beta.isf(tail, self.hits + 1, self.runs - self.hits) if self.hits < self.runs else 1.0
        return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Detected:
    """Stops with the drop: how many, in which tiers, and the median seconds within the tier of the stop.

    `before_promotion` are the stops before Tierwise promoted the tier, in which the rollout was rolled back. None for
    peers, which promote nothing.
    """

    share: Share
    median_seconds: float | None
    tiers: Mapping[str, int]
    before_promotion: Share | None = None


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """One rule. `false_stops`: rollouts of equal versions that it stopped at any look. `detected` None without a drop.

    A stop before the drop's onset is a false stop, but it also counts as detected. `not_judged` are the metrics that
    the rule cannot judge. `judges` is False if it can judge none.
    """

    name: str
    description: str
    false_stops: Share
    detected: Detected | None
    not_judged: tuple[str, ...] = ()
    judges: bool = True


@dataclass(frozen=True, slots=True)
class Ends:
    """How rollouts ended under the policy. `named` is how many rollbacks named the drop's slice and metric."""

    runs: int
    promoted: int
    held: int
    rolled_back: int
    named: int | None = None


def rules_of(found: Simulated) -> tuple[RuleSummary, ...]:
    """The summaries of all rules: Tierwise first, then the peers in their order."""
    text = "e-processes over all slices x metrics, any number of looks"
    of_all: list[tuple[str, str, tuple[str, ...], bool]] = [(TIERWISE, text, (), True)]
    of_all += [(peer.name, peer.description, peer.not_judged, peer.judges) for peer in found.peers.values()]
    return tuple(
        RuleSummary(
            name=name,
            description=text,
            false_stops=Share(sum(_stop(run, name) is not None for run in found.same), len(found.same)),
            detected=_detected(found, name) if found.worse else None,
            not_judged=not_judged,
            judges=judges,
        )
        for name, text, not_judged, judges in of_all
    )


def ends_of(runs: Sequence[Run], is_named: Callable[[Run], bool] | None = None) -> Ends:
    """Count the rollouts that were promoted through all tiers, held in one, or rolled back in one."""
    ended = [_end(run) for run in runs]
    counted = Counter(ended)
    back = [run for run, end in zip(runs, ended, strict=True) if end is GateDecision.ROLL_BACK]
    return Ends(
        runs=len(runs),
        promoted=counted[GateDecision.PROMOTE],
        held=counted[GateDecision.HOLD],
        rolled_back=counted[GateDecision.ROLL_BACK],
        named=None if is_named is None else sum(is_named(run) for run in back),
    )


def _end(run: Run) -> GateDecision:
    return next(
        (trial.outcome for trial in run.tiers if trial.outcome is not GateDecision.PROMOTE), GateDecision.PROMOTE
    )


def _stop(run: Run, rule: str) -> Stop | None:
    return tierwise_stop(run) if rule == TIERWISE else run.peers.get(rule)


def _detected(found: Simulated, rule: str) -> Detected:
    policy = found.simulation.policy
    stops = [stop for run in found.worse if (stop := _stop(run, rule)) is not None]
    looks = [stop.look for stop in stops]
    names = Counter(policy.tiers[stop.tier].name or "all traffic" for stop in stops)
    return Detected(
        share=Share(len(stops), len(found.worse)),
        median_seconds=float(np.median(looks)) * policy.block_seconds if looks else None,
        tiers={name: names[name] for tier in policy.tiers if (name := tier.name or "all traffic") in names},
        before_promotion=Share(ends_of(found.worse).rolled_back, len(found.worse)) if rule == TIERWISE else None,
    )
