"""What of a look's result cannot be judged: a dataset that was edited, an arm or labels that are not in the log."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.api.modelrollout import Frozen, ModelRolloutSpec
from tierwise.api.reasons import Reason
from tierwise.metrics import registry
from tierwise.monitoring.checks.arrivals import unlabelled
from tierwise.monitoring.planning.snapshot import config_hash
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.rollout.state.observation import JudgementUnavailable
from tierwise.runtime.errors import SpecError
from tierwise.runtime.reading.datasets import Source


def require_unchanged(frozen: Frozen, sources: Mapping[str, Source]) -> None:
    """Raise SpecError when a dataset is not the one whose evidence was folded so far."""
    for kept in frozen.datasets:
        source = sources.get(kept.name)
        if source is None or config_hash(source.dataset) != kept.config_hash:
            raise SpecError(
                f"MonitoringDataset {kept.name!r} was edited while the tier was judged",
                "restore it, or set tierwise.io/retry to judge the tier anew",
                reason=Reason.DATASET_INVALID,
            )


def missing(spec: ModelRolloutSpec, judged: Judgement) -> JudgementUnavailable | None:
    """Blocks were folded, but an arm or the labels are not in them."""
    if judged.blocks == 0:
        return None
    baseline, candidate = judged.rows
    if not baseline and not candidate:
        text = f"no predictions of {spec.from_.name} or {spec.to.name} in {judged.blocks} blocks; check columns"
        return JudgementUnavailable(Reason.NO_ROWS, text)
    if not baseline:
        text = f"no predictions of {spec.from_.name} beside {candidate} of {spec.to.name}; check how pods name it"
        return JudgementUnavailable(Reason.BASELINE_MISSING, text)
    if not candidate:
        text = f"no predictions of {spec.to.name} beside {baseline} of {spec.from_.name}; check how pods name it"
        return JudgementUnavailable(Reason.CANDIDATE_MISSING, text)
    if judged.gone is not None:
        who, name = (
            (Reason.CANDIDATE_MISSING, spec.to.name)
            if judged.gone == "candidate"
            else (Reason.BASELINE_MISSING, spec.from_.name)
        )
        text = f"{name} has stopped: no more predictions of it beside those of the other; check that its pods log"
        return JudgementUnavailable(who, text)
    names = [metric.name for item in spec.strategy.analysis.datasets for metric in item.metrics]
    if not sum(judged.labels) and any(registry.get(name).needs_labels for name in names):
        nothing = unlabelled(baseline + candidate)
        return JudgementUnavailable(nothing.reason, nothing.message)
    return None
