"""The machine-readable form of a plan: ``tierwise.io/plan/v1``."""

from __future__ import annotations

from typing import Any

from tierwise.api.frozen import JudgedDimension
from tierwise.api.slices import parse_slice_key
from tierwise.monitoring.planning.forecast import DropForecast, SliceForecast, TierForecast
from tierwise.report.analysis.json_form import margin_json, time_text
from tierwise.report.plan.advice import advice_of, unjudged_lines
from tierwise.rollout.state.judged import judged_of_plan, slices_judged
from tierwise.runtime.offline.planning import Plan, PlannedTier

SCHEMA = "tierwise.io/plan/v1"


def plan_json(plan: Plan) -> dict[str, Any]:
    """The document of `plan -o json`. Durations are seconds, rates are shares. null means never."""
    window = plan.traffic.window
    return {
        "schema": SCHEMA,
        "model": plan.request.model,
        "baseline": plan.traffic.baseline,
        "window": {"from": time_text(window.start), "to": time_text(window.end), "seconds": plan.traffic.seconds},
        "unjudged": list(unjudged_lines(plan)),
        "tiers": [
            _tier(request, rows / plan.traffic.seconds * 3600, tier)
            for request, rows, tier in zip(plan.request.tiers, plan.rows, plan.tiers, strict=True)
        ],
        "advice": list(advice_of(plan)),
    }


def _tier(request: PlannedTier, rows_per_hour: float, tier: TierForecast) -> dict[str, Any]:
    judged = slices_judged(judged_of_plan(tier.plan))
    return {
        "name": request.name,
        "alpha": tier.plan.alpha,
        "exposure": tier.course.exposure,
        "min_duration": request.min_seconds,
        "max_duration": request.max_duration_seconds,
        "promoted_seconds": tier.promoted_seconds,
        "slices_judged": None if judged is None else judged.judged,
        "dimensions": [
            {"dataset": dataset.dataset.name, **_dimension(found)}
            for dataset in tier.plan.datasets
            for found in dataset.dimensions
        ],
        "hypotheses": tier.plan.hypotheses,
        "rows_per_hour": rows_per_hour,
        "metrics": [
            {
                "dataset": dataset.dataset.name,
                "metric": metric.name,
                "margin": margin_json(metric.margin),
                "tolerance": margin_json(metric.tolerance),
                "phi": float(dataset.phi[row].max()),
                "pods": dataset.pods or None,
                "weighted": dataset.dataset.reads.weights,  # if true, labels are effective labels
            }
            for dataset in tier.plan.datasets
            for row, metric in enumerate(dataset.metrics)
        ],
        "drops": [_drop(drop) for drop in tier.drops],
        "slices": [_slice(found) for found in tier.slices],
        "not_planned": list(tier.not_planned),
    }


def _dimension(found: JudgedDimension) -> dict[str, Any]:
    nearest = found.nearest
    return {
        "dimension": found.dimension,
        "slices": found.slices,
        "judged": found.powered,
        "traffic": found.traffic,
        "metrics": list(found.metrics),
        "nearest": None
        if nearest is None
        else {
            "slice": parse_slice_key(nearest),
            "metric": found.metric,
            "max_duration_needed": found.needs_seconds,
            "margin_needed": None if found.needs_margin is None else margin_json(found.needs_margin),
        },
    }


def _drop(drop: DropForecast) -> dict[str, Any]:
    return {
        "dataset": drop.dataset,
        "metric": drop.drop.metric,
        "slice": dict(drop.drop.slice),
        "from": drop.before,
        "to": drop.drop.after,
        "labels": drop.labels,
        "seconds": drop.seconds,
        "within_max_duration": drop.fits,
        "promoted_seconds": drop.promoted_seconds,
        "found_in_time": drop.in_time,
        "labels_per_hour": drop.labels_per_hour,
        "tolerance": drop.tolerance,
        "evidence_nats": drop.evidence,
        "exposure_needed": drop.exposure_needed,
        "hypotheses_allowed": drop.hypotheses_allowed,
    }


def _slice(found: SliceForecast) -> dict[str, Any]:
    return {
        "dataset": found.dataset,
        "metric": found.metric,
        "slice": parse_slice_key(found.slice),
        "labels_per_hour": found.labels_per_hour,
        "value": found.value,
        "powered": found.powered,
        "smallest_drop": found.smallest_drop,
        "smallest_drop_in_time": found.smallest_in_time,
        "pass_seconds": found.pass_seconds,
        "sure_seconds": found.sure_seconds,
        "margin_needed": None if found.powered else found.margin_needed,
    }
