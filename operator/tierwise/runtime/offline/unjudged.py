"""Raises an error with the cause if nothing of a log can be judged, instead of a forecast of zeros."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.reasons import Reason
from tierwise.arrays import IntArray
from tierwise.errors import SpecError
from tierwise.metrics.counts import ANSWER_INVALID, UNKNOWN
from tierwise.monitoring.counts.measures import metric_for
from tierwise.monitoring.counts.model import Dataset
from tierwise.plurals import agreeing, plural

FEW_ROWS, FEW_SHARE = 20, 0.01  # fewer usable rows, in number and share, are taken for accidents


def require_judged(
    analysis: Sequence[DatasetAnalysis], datasets: Mapping[str, Dataset], counts: Mapping[str, IntArray]
) -> None:
    """Require that some dataset has rows with label and answer, if every metric needs both.

    `counts` (3 labels, 3 answers) are all rows of a dataset that were read.

    Raises:
        SpecError: no dataset has such rows; it says the cause for the first dataset.
    """
    causes = [_cause(item, datasets[item.name], counts[item.name]) for item in analysis]
    if causes and causes[0] is not None and None not in causes:
        raise causes[0]


def _cause(analysis: DatasetAnalysis, dataset: Dataset, counts: IntArray) -> SpecError | None:
    rows = int(counts.sum())
    labelled = rows - int(counts[UNKNOWN].sum())
    valid = rows - int(counts[:, ANSWER_INVALID].sum())
    both = int(counts[:UNKNOWN, :ANSWER_INVALID].sum())
    few = min(FEW_ROWS, FEW_SHARE * rows)
    if rows == 0 or both > few or not all(metric_for(m.name, dataset.spec).needs.labels for m in analysis.metrics):
        return None
    columns, domain = dataset.spec.columns, dataset.spec.domain
    name = f"dataset {dataset.name!r}"
    if valid <= few:
        return SpecError(
            f"{name}: {_rows(valid)} a valid score, of {rows}: the others are null, no numbers or outside spec.domain "
            f"({domain.min:g} … {domain.max:g})",
            f"correct the domain, or the score column ({columns.score!r})",
            reason=Reason.DOMAIN_SUSPECT,
        )
    if labelled <= few:
        return SpecError(
            f"{name}: {_rows(labelled)} a valid label, of {rows}",
            f"correct the label column ({columns.label!r}), or wait until labels have arrived",
            reason=Reason.NO_LABELS,
        )
    return SpecError(
        f"{name}: {_rows(both)} a valid score and a label: {valid} of {rows} have the one, {labelled} the other",
        "label rows that have a valid score",
        reason=Reason.NO_LABELS,
    )


def _rows(count: int) -> str:
    return f"{plural(count, 'row')} {agreeing(count, 'has', 'have')}" if count else "no row has"
