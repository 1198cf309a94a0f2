"""The machine-readable form of an analysis: ``tierwise.io/analysis/v1``, null where nothing can be computed."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from tierwise.api.common import EPOCH, Margin
from tierwise.monitoring.verdicts.judgement import ArmCounts, Result
from tierwise.report.analysis.unjudged import unjudged_lines
from tierwise.runtime.offline.analysis import Analysis

SCHEMA = "tierwise.io/analysis/v1"


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """The document of `analyze -o json`. Results worst evidence first."""
    request, outcome = analysis.request, analysis.outcome
    results = [(tier.name, result) for tier in analysis.tiers for result in tier.judgement.results]
    coverage = [tier.judgement.coverage_traffic for tier in analysis.tiers]
    known = [share for share in coverage if share is not None]
    whole = (tier.judgement.coverage_whole for tier in analysis.tiers)
    wholes = [share for share in whole if share is not None]
    return {
        "schema": SCHEMA,
        "model": request.model,
        "baseline": request.baseline,
        "candidate": request.candidate,
        "window": _window(analysis),
        "unjudged": list(unjudged_lines(analysis)),
        "gate": {"decision": str(outcome.decision), "reason": str(outcome.reason), "message": outcome.message},
        "results": [
            result_json(result, tier.name) | (_whole_file(tier.whole_file[at]) if tier.whole_file else {})
            for tier in analysis.tiers
            for at, result in enumerate(tier.judgement.results)
        ],
        "culprits": [
            {
                "dataset": culprit.dataset,
                "slice": dict(culprit.slice),
                "metric": culprit.metric,
                "log10_e": number(culprit.log10_e),
                "tier": tier.name,
            }
            for tier in analysis.tiers
            for culprit in tier.judgement.culprits
        ],
        "coverage": {
            "traffic": number(sum(known) / len(known)) if known else None,
            "whole": number(min(wholes)) if wholes else None,
            "unpowered": [
                {
                    "dataset": result.dataset,
                    "slice": dict(result.slice),
                    "metric": result.metric,
                    "traffic": number(result.traffic),
                    "smallest_detectable": number(result.smallest_detectable),
                    "tier": tier,
                }
                for tier, result in results
                if not result.powered
            ],
        },
        "invalid": {
            "score": analysis.invalid.score,
            "label": analysis.invalid.label,
            "time": analysis.invalid.time,
            "version": analysis.invalid.version,
            **({"value": analysis.invalid.value} if analysis.invalid.value else {}),
        },
        "notes": list(dict.fromkeys([*analysis.notes, *(n for tier in analysis.tiers for n in tier.judgement.notes)])),
        "queries": [
            {
                "dataset": query.dataset,
                "hash": query.hash,
                "sql": query.sql,
                "parameters": dict(query.parameters),
            }
            for query in analysis.queries
        ],
    }


def _whole_file(values: Result) -> dict[str, Any]:
    """Values over all rows, also those after the stop: they are no part of the decision."""
    return {
        "whole_file": {
            "candidate": _arm(values.candidate, values.candidate_value),
            "baseline": _arm(values.baseline, values.baseline_value),
            "difference": number(values.difference),
        }
    }


def result_json(result: Result, tier: str | None) -> dict[str, Any]:
    """The document of one slice and metric."""
    return {
        "dataset": result.dataset,
        "metric": result.metric,
        "slice": dict(result.slice),
        "verdict": str(result.verdict),
        "candidate": _arm(result.candidate, result.candidate_value),
        "baseline": _arm(result.baseline, result.baseline_value),
        "difference": number(result.difference),
        "interval": [number(bound) for bound in result.interval] if result.interval is not None else None,
        "margin": margin_json(result.margin),
        "tolerance": margin_json(result.tolerance),
        "log10_e": number(result.log10_e),
        "log10_e_non_inferior": number(result.log10_e_non_inferior),
        "flagged": bool(result.flagged),
        "powered": bool(result.powered),
        "traffic": number(result.traffic),
        "test": result.test,
        "control": result.control,
        "tier": tier,
        "alpha": number(result.alpha),
        "phi": number(result.phi),
        "sigma_pod": number(result.sigma_pod),
        "labels_needed": result.labels_needed,
        **({} if result.psi is None else {"psi": number(result.psi)}),
    }


def number(value: float | None) -> float | None:
    """A finite number as a plain float; None for NaN and infinities, which JSON does not have."""
    return float(value) if value is not None and math.isfinite(value) else None


def margin_json(margin: Margin) -> dict[str, float]:
    """The margin in the form in which it was given: ``{"relative": 0.25}`` or ``{"absolute": 0.01}``."""
    if margin.relative is not None:
        return {"relative": margin.relative}
    return {"absolute": margin.absolute or 0.0}


def time_text(value: datetime) -> str:
    """The time as RFC 3339 in UTC, with milliseconds only if they are not 0."""
    text = value.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
    return text.removesuffix(".000") + "Z"


def row_of(value: datetime) -> int:
    """The row number that replaces a time if rows are taken in file order."""
    return round((value - EPOCH) / timedelta(seconds=1))


def _window(analysis: Analysis) -> dict[str, Any]:
    window, stop = analysis.window, analysis.stopped_at
    if not analysis.request.in_file_order:
        return {
            "from": time_text(window.start),
            "to": time_text(window.end),
            "blocks": analysis.blocks,
            "stopped_at": time_text(stop) if stop is not None else None,
        }
    return {
        "from": None,
        "to": None,
        "blocks": analysis.blocks,
        "stopped_at": None,
        "rows": row_of(window.end),
        "stopped_at_row": row_of(stop) if stop is not None else None,
    }


def _arm(counts: ArmCounts, value: float | None) -> dict[str, Any]:
    bad = {} if counts.bad is None else {"bad": int(counts.bad)}
    return {"n": int(counts.n), **bad, "value": number(value)}
