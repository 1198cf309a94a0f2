"""The machine-readable form of a simulation: ``tierwise.io/simulation/v1``."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tierwise.monitoring.planning.drop import Drop
from tierwise.simulation.trials.comparison import Run, Simulated, tierwise_stop
from tierwise.simulation.trials.lateness import warnings_of
from tierwise.simulation.trials.summary import TIERWISE, Detected, Ends, RuleSummary, Share, ends_of, rules_of

SCHEMA = "tierwise.io/simulation/v1"


@dataclass(frozen=True, slots=True)
class Report:
    """The results of one call of `simulate`. `replay` is the single run on two recorded versions as they were."""

    source: str
    drop: Drop | None
    simulated: Simulated
    replay: Simulated | None = None
    notes: tuple[str, ...] = ()

    @property
    def rules(self) -> tuple[RuleSummary, ...]:
        """The summaries of all rules: Tierwise first, then the peers."""
        return rules_of(self.simulated)

    @property
    def same(self) -> Ends:
        """How rollouts of equal versions ended."""
        return ends_of(self.simulated.same)

    @property
    def worse(self) -> Ends | None:
        """How rollouts with the drop ended."""
        drop = self.drop
        if drop is None:
            return None
        return ends_of(self.simulated.worse, lambda run: names_drop(run, drop))

    @property
    def warnings(self) -> tuple[str, ...]:
        """Problems of the policy that the shares do not show, with what to change."""
        return warnings_of(self.simulated.simulation.policy, self.drop, self.rules[0].detected)


def names_drop(run: Run, drop: Drop) -> bool:
    """Whether the culprits of the rollback have the drop's slice and metric."""
    named = next((trial.named for trial in run.tiers if trial.stopped_at is not None), ())
    return any((metric, key) == (drop.metric, drop.key) for _, metric, key in named)


def simulation_json(report: Report) -> dict[str, Any]:
    """The document of `simulate -o json`; nothing in it depends on the machine."""
    simulation = report.simulated.simulation
    policy = simulation.policy
    return {
        "schema": SCHEMA,
        "seed": simulation.seed,
        "runs": simulation.runs,
        "source": report.source,
        "policy": {
            "alpha": policy.alpha,
            "block_seconds": policy.block_seconds,
            "on_inconclusive": policy.on_inconclusive,
            "tiers": [
                {
                    "name": tier.name,
                    "alpha": tier.alpha,
                    "exposure": tier.exposure,
                    "min_duration": tier.min_duration,
                    "max_duration": tier.max_duration,
                    "looks": simulation.stream.looks(number),
                    "hypotheses": plan.hypotheses,
                    "powered": sum(int(dataset.powered.sum()) for dataset in plan.datasets),
                    "phi": max((float(dataset.phi.max()) for dataset in plan.datasets), default=1.0),
                    "sigma_pod": _largest([x for d in plan.datasets for x in d.sigma_pod.tolist()]),
                }
                for number, (tier, plan) in enumerate(zip(policy.tiers, report.simulated.plans, strict=True))
            ],
        },
        "drop": None if report.drop is None else _drop(report.drop),
        "rules": [_rule(rule) for rule in report.rules],
        "rollouts": {"equal": _ends(report.same), "drop": None if report.worse is None else _ends(report.worse)},
        "replay": None if report.replay is None else _replay(report.replay),
        "notes": list(report.notes),
        "warnings": list(report.warnings),
    }


def _drop(drop: Drop) -> dict[str, Any]:
    return {
        "slice": dict(drop.slice),
        "metric": drop.metric,
        "from": drop.before,
        "to": drop.after,
        "onset_seconds": drop.onset_seconds,
    }


def _share(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"runs": share.runs, "stopped": share.hits, "share": share.value, "interval": [low, high]}


def _rule(rule: RuleSummary) -> dict[str, Any]:
    return {
        "name": rule.name,
        "description": rule.description,
        "judges": rule.judges,
        "not_judged": list(rule.not_judged),
        "false_stops": _share(rule.false_stops),
        "detected": None if rule.detected is None else _detected(rule.detected),
    }


def _detected(found: Detected) -> dict[str, Any]:
    before = found.before_promotion
    return {
        **_share(found.share),
        "median_seconds": found.median_seconds,
        "tiers": dict(found.tiers),
        "rolled_back_before_promotion": None if before is None else _share(before),
    }


def _ends(ends: Ends) -> dict[str, Any]:
    known = {"runs": ends.runs, "promoted": ends.promoted, "held": ends.held, "rolled_back": ends.rolled_back}
    return known if ends.named is None else {**known, "named": ends.named}


def _largest(found: Sequence[float]) -> float | None:
    """The largest value; None if there is none."""
    return max((x for x in found if math.isfinite(x)), default=None)


def replay_stops(found: Simulated) -> Sequence[tuple[RuleSummary, str | None, float | None]]:
    """For each rule of the replay (rule, tier, seconds within the tier); None if it never stopped."""
    policy, run = found.simulation.policy, found.same[0]
    stops = {TIERWISE: tierwise_stop(run), **{name: run.peers.get(name) for name in found.peers}}
    rules = {rule.name: rule for rule in rules_of(found)}
    return [
        (
            rules[name],
            None if stop is None else policy.tiers[stop.tier].name,
            None if stop is None else stop.look * policy.block_seconds,
        )
        for name, stop in stops.items()
    ]


def _replay(found: Simulated) -> dict[str, Any]:
    run = found.same[0]
    return {
        "rules": [
            {
                "name": rule.name,
                "description": rule.description,
                "judges": rule.judges,
                "not_judged": list(rule.not_judged),
                "stopped": seconds is not None,
                "tier": tier,
                "seconds": seconds,
            }
            for rule, tier, seconds in replay_stops(found)
        ],
        "outcome": str(next((t.outcome for t in run.tiers if str(t.outcome) != "Promote"), run.tiers[-1].outcome)),
        "named": [
            {"dataset": dataset, "metric": metric, "slice": key}
            for trial in run.tiers
            for dataset, metric, key in trial.named
        ],
    }
