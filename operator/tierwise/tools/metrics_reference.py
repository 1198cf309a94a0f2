"""docs/reference/metrics.md, made from the metrics themselves: nothing that can be measured is undocumented."""

from __future__ import annotations

from tierwise.cli.commands.offline.metrics import facts_of, rows_of
from tierwise.metrics.metric import Metric
from tierwise.metrics.registry import SUBJECTS, Entry

HEAD = """\
# Metrics

<!-- Generated from the metrics by `make generated`; edit operator/tierwise/metrics/. -->

`tierwise metrics` prints this list, with the metrics of installed plug-ins; [add a metric](../how-to/add-a-metric.md)
says how to write one.

A **margin** is how much worse than the baseline is still acceptable, absolute (`0.01`) or as a share of the baseline's
(`25%`). The default is used where `analyze --metric NAME` gives none.

How a metric is **tested**:

- *block-betting*: the shares of bad rows, block by block. The margin is of the share of *bad* rows: of accuracy the
  errors, of recall the misses. Exact at any size.
- *mixture*: the values over all rows so far, with their variances. The margin is of the value. Asymptotic, so that
  nothing is said before 30 labelled positives and 30 negatives are in each arm (of means of other numbers: 100 rows).
- *block-betting at 9 scores*: the shares of rows below each of nine scores, on either side. Exact; never waited for.

In a dataset with a **sample weight** (`columns.weight`) shares are judged by the mixture as Σw·bad/Σw, from ten
effective bad and ten effective good rows in each arm on, at a threshold of the metric's own (`spec.thresholds`), too;
means, losses, ratios, rankings and `ece` are weighted, each with the linearised variance from Σw², the latter two from
thirty effective positives and negatives on. A metric whose facts say *no* is refused there when the analysis is
planned: judge it on a second MonitoringDataset of the same table that names no weight. `tierwise backfill` counts
weighted distributions from the rows: the blocks that are stored hold weights by answer only.

**Answers** are what a dataset's scores and labels are: Binary (a score, and a label 0 or 1), Classes
(`scale.kind: Classes`), Number (a predicted number, and the one that came true). **Scale** is what `spec.scale.kind`
should be when nothing else decides; None: the metric does not use the distribution.
"""


def metrics_reference() -> str:
    """The whole page: every built-in metric under its subject."""
    parts = [HEAD]
    for title, entries in SUBJECTS:
        parts += [f"## {title}\n", *(_section(entry) for entry in entries)]
    return "\n".join(parts)


def _section(entry: Entry) -> str:
    facts = facts_of(entry)
    example = "" if isinstance(entry, Metric) else f" For instance `{facts['example']}`."
    lines = [f"### {facts['name']}", "", facts["description"] + example, "", "| | |", "|---|---|"]
    return "\n".join([*lines, *(f"| {key} | {text} |" for key, text in rows_of(entry).items()), ""])
