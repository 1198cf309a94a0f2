"""Policies and streams that show only what matters to a test."""

from __future__ import annotations

from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.tier_plan import alpha_of_tier, groupings_of
from tierwise.simulation.policy import Policy, TierPolicy
from tierwise.simulation.streams.counts import GeneratedStream, population

SPEC = MonitoringDatasetSpec.model_validate(
    {
        "table": "log",
        "dimensions": [{"name": name, "expression": name, "maxValues": 100} for name in ("carrier", "origin")],
    }
)


def a_policy(
    metric="error-rate", margin=0.02, slices=("carrier",), tiers=1, exposure=0.5, hours=1.0, minutes=5.0, alpha=0.05
):
    analysis = DatasetAnalysis.model_validate(
        {"name": "flights", "metrics": [{"name": metric, "margin": {"absolute": margin}}], "slices": list(slices)}
    )
    return Policy(
        analysis=(analysis,),
        datasets={"flights": Dataset("flights", SPEC, groupings_of(analysis, SPEC))},
        tiers=tuple(
            TierPolicy(f"tier-{tiers - i}", alpha_of_tier(alpha, tiers), exposure, minutes * 60, hours * 3600)
            for i in range(tiers)
        ),
        block_seconds=60.0,
        alpha=alpha,
    )


def a_stream(policy, values=None, rows=2000.0, error_rate=0.05, drop=None, seed=1, positive_share=0.5, labelled=1.0):
    found = population(
        values or {"carrier": 4}, error_rate=(error_rate, error_rate), positive_share=positive_share, labelled=labelled
    )
    return GeneratedStream(policy, {"flights": found}, [rows] * len(policy.tiers), seed=seed, drop=drop)
