"""Analyses, counts and plans that show only what matters to a test."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.monitoring.counts.model import Block, Cells, Dataset
from tierwise.monitoring.planning.tier_plan import TierPlan, TierTerms, groupings_of, plan_tier
from tierwise.monitoring.verdicts.judgement import Judgement

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = MonitoringDatasetSpec.model_validate(
    {
        "table": "log",
        "dimensions": [{"name": n, "expression": n, "maxValues": 20} for n in ("carrier", "origin", "hour")],
    }
)


def an_analysis(metrics=("error-rate",), slices=("carrier",), expect=(), margin=None, name="flights"):
    return DatasetAnalysis.model_validate(
        {
            "name": name,
            "metrics": [{"name": m, "margin": margin or {"absolute": 0.01}} for m in metrics],
            "slices": list(slices),
            "expect": list(expect),
        }
    )


def a_dataset(analysis):
    return Dataset(analysis.name, SPEC, groupings_of(analysis, SPEC))


def some_blocks(count, start=T0, seconds=60):
    step = timedelta(seconds=seconds)
    return tuple(Block(start + i * step, start + (i + 1) * step) for i in range(count))


def some_cells(rng, rates, *, blocks=20, per_block=200, start=T0, seconds=60, labelled=(1.0, 1.0), candidate_share=0.5):
    """Rows of atoms (finest slices) with error rates {atom key: (baseline, candidate)}; every subset key is counted.

    An atom's key lists all its dimensions; the whole and every combination of its dimensions are summed up.
    """
    keys = {"": 0}
    for atom in rates:
        for key in _subsets(atom):
            keys.setdefault(key, len(keys))
    counts = np.zeros((blocks, len(keys), 2, 3, 3), dtype=np.int64)
    for b in range(blocks):
        for atom, by_arm in rates.items():
            for arm, rate in enumerate(by_arm):
                n = rng.poisson(2 * per_block * (candidate_share if arm else 1 - candidate_share))
                known = rng.binomial(n, labelled[arm])
                bad = rng.binomial(known, rate)
                positive = rng.binomial(bad, 0.5)
                cell = np.zeros((3, 3), dtype=np.int64)
                cell[0, 1], cell[1, 0] = bad - positive, positive
                cell[0, 0], cell[2, 0] = known - bad, n - known
                for key in _subsets(atom):
                    counts[b, keys[key], arm] += cell
    return Cells(some_blocks(blocks, start, seconds), tuple(keys), counts)


def _subsets(atom):
    parts = atom.split(",") if atom else []
    out = [""]
    for part in parts:
        out += [f"{key},{part}" if key else part for key in out]
    return out


def before_the_rollout(cells):
    """The same rows as history: no candidate."""
    counts = cells.counts.copy()
    counts[:, :, 1] = 0
    return Cells(cells.blocks, cells.slices, counts)


def without_slices(cells, unwanted):
    keep = [i for i, key in enumerate(cells.slices) if key not in unwanted]
    return Cells(cells.blocks, tuple(cells.slices[i] for i in keep), cells.counts[:, keep])


def a_plan(analysis, history=None, *, alpha=0.045, expected_share=10.0, candidate_share=0.5, hours=1) -> TierPlan:
    return plan_tier(
        [analysis],
        {analysis.name: a_dataset(analysis)},
        {} if history is None else {analysis.name: history},
        TierTerms(
            alpha=alpha,
            expected_share=expected_share,
            candidate_share=candidate_share,
            max_duration_seconds=hours * 3600,
        ),
    )


def halves(cells):
    """Shares of ready pods: half and half in every block."""
    return np.full(len(cells.blocks), 0.5)


def message_of(judgement: Judgement, reason: Reason) -> str | None:
    """What the evidence's first concern with this reason says; None without one."""
    return next((concern.message for concern in judgement.concerns if concern.reason is reason), None)
