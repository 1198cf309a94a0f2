"""The hypotheses about delivered tiers: metrics, slices and strata, which are fixed before the first block. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from tierwise.api.slices import WHOLE, parse_slice_key
from tierwise.api.strategy import DatasetAnalysis, MetricSpec
from tierwise.arrays import FloatArray
from tierwise.metrics.metric import Metric, Proportion, Shift
from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.counts.measures import compared, counted, engine_of, metric_for
from tierwise.monitoring.counts.model import BASELINE, Cells, Dataset, Reads
from tierwise.monitoring.counts.strata import crossed
from tierwise.monitoring.counts.tallies import chosen, window_tally
from tierwise.monitoring.planning.bounds import PRIOR_ROWS, Bounds, bounds_of, tolerance_of
from tierwise.stats import multiplicity
from tierwise.stats.overdispersion import PodSpread

Control = Literal["stratified", "history"]
How = Literal["counts", "weighted", "estimate"]

# Most numbers in one dataset's distributions within strata. Each takes 8 bytes, and there are a few copies.
MOST_NUMBERS = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """One metric's hypotheses of one dataset, `first` … `first` + `slots` − 1; `dataset` is an index.

    `weighted`: a proportion of a dataset with sample weights.
    """

    dataset: int
    metric: Metric
    spec: MetricSpec
    how: How
    first: int
    slots: int

    @property
    def here(self) -> slice:
        """The indices of the group's hypotheses."""
        return slice(self.first, self.first + self.slots)


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Slices of one dataset crossed with its strata: slot and stratum of each, and the key of its rows."""

    slot: npt.NDArray[np.intp]
    stratum: npt.NDArray[np.intp]
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Hypotheses:
    """What is watched, (H,): dataset by dataset, metric by metric, slice by slice.

    `bounds` are of rates of bad for counts, and of the value for estimates. `sigma` is the spread between pods, and
    `pod_bound` how far one pod may be from the others' mean, both 0 where it is not known.
    `skipped`: metrics ("dataset/metric") that are not watched, and why.
    """

    alpha: float
    control: Control
    datasets: tuple[Dataset, ...]
    slices: tuple[tuple[str, ...], ...]  # per dataset, the whole first
    strata: tuple[tuple[str, ...], ...]  # per dataset: keys of the confounders' values
    pairs: tuple[Pairs, ...]  # per dataset; empty unless the control is strata
    groups: tuple[Group, ...]
    bounds: Bounds
    prior: FloatArray
    log_weight: FloatArray
    sigma: FloatArray
    pod_bound: FloatArray
    skipped: tuple[tuple[str, str], ...] = ()
    phi: float = 1.0  # overdispersion: the largest that was used in the judgement of a tier

    @property
    def size(self) -> int:
        """H, which is also K, because all hypotheses are known before the first block."""
        return len(self.prior)

    @property
    def chance_alpha(self) -> float:
        """What the e-values have of α: against the past half of it, as days that differ have the other half."""
        return self.alpha / 2 if self.control == "history" else self.alpha

    @property
    def day_tail(self) -> float:
        """With which probability days that differ may be more than is allowed for, in each metric."""
        return self.alpha / 2 / max(1, len(self.groups))

    def levels(self, group: Group) -> npt.NDArray[np.intp]:
        """How many dimensions each of a group's slices has, (slots,)."""
        return np.array([key.count("=") for key in self.slices[group.dataset]], dtype=np.intp)

    @property
    def watched(self) -> tuple[str, ...]:
        """Metrics that are watched, as dataset/metric."""
        return tuple(f"{self.datasets[group.dataset].name}/{group.spec.name}" for group in self.groups)


@dataclass(frozen=True, slots=True)
class Against:
    """The control of a delivered version: its past, or the other tiers within `strata` by dataset."""

    control: Control = "history"
    strata: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scatter:
    """How much more counts vary than independent rows do: φ, and σ of pods by dataset and metric."""

    phi: float = 1.0
    sigma: Mapping[tuple[str, str], PodSpread] = field(default_factory=dict)


HISTORY, NO_SCATTER = Against(), Scatter()


def hypotheses_of(
    analysis: Sequence[DatasetAnalysis],
    datasets: Mapping[str, Dataset],
    usual: Mapping[str, Cells],
    alpha: float,
    against: Against = HISTORY,
    scatter: Scatter = NO_SCATTER,
) -> Hypotheses:
    """Fix what is watched, from the baseline's rows of a time before the first block, `usual`.

    A slice without such rows is not watched, because there is nothing to compare it with.

    Raises:
        MetricFailedError: a metric's code failed on them.
    """
    control, strata, sigma = against.control, against.strata, scatter.sigma
    kept: list[Dataset] = []
    slices: list[tuple[str, ...]] = []
    pairs: list[Pairs] = []
    groups: list[Group] = []
    bounds: list[Bounds] = []
    columns: list[FloatArray] = []
    skipped: list[tuple[str, str]] = []
    size = 0
    for item in analysis:
        dataset, cells = datasets[item.name], usual[item.name]
        keys = _keys(cells)
        across = pairs_of(keys, strata.get(item.name, ())) if control == "stratified" else pairs_of((), ())
        reasons = {
            spec.name: why_not(spec.name, dataset, control)
            or ("" if keys else "there are no rows of the baseline before the rollout to compare with")
            or _too_wide(spec.name, dataset, cells, across)
            for spec in item.metrics
        }
        skipped += [(f"{item.name}/{name}", reason) for name, reason in reasons.items() if reason]
        specs = [spec for spec in item.metrics if not reasons[spec.name]]
        if not specs:
            continue
        tally = chosen(window_tally(dataset, cells), [cells.slices.index(key) for key in keys])
        weights = np.log(multiplicity.level_weights(np.array([key.count("=") for key in keys]), 0))
        for spec in specs:
            metric = metric_for(spec.name, dataset.spec)
            how = how_of(metric, dataset.reads)
            # Weighted shares are compared as estimates within strata, but on the log-odds with the past, like counts.
            as_estimate = how == "estimate" or (how == "weighted" and control == "stratified")
            tolerance = tolerance_of(spec)
            bounds.append(bounds_of(metric, tolerance, "mixture" if as_estimate else "betting", {}, len(keys)))
            column = np.empty((4, len(keys)))
            if how == "counts":
                n, bad = (x[:, BASELINE].astype(np.float64) for x in counted(metric, tally))
            else:
                found = compared(metric, tally)
                n = found.units[:, BASELINE]
                bad = np.nan_to_num(found.baseline) * n
            whole = (bad[0] + 0.5) / (n[0] + 1)
            column[0] = (bad + PRIOR_ROWS * whole) / (n + PRIOR_ROWS)
            ignored = np.array([_is_ignored(item, spec.name, key) for key in keys])
            column[1] = np.where(ignored, -np.inf, weights)
            # As in the judgement of a tier, pods widen what is a share of rows.
            known = None if how == "estimate" else sigma.get((item.name, spec.name))
            column[2:] = [[0.0], [0.0]] if known is None else [[known.sigma], [known.bound]]
            columns.append(column)
            groups.append(Group(len(kept), metric, spec, how, size, len(keys)))
            size += len(keys)
        kept.append(_reading(dataset, [metric_for(spec.name, dataset.spec) for spec in specs]))
        slices.append(keys)
        pairs.append(across)
    flat = np.concatenate(columns, axis=1) if columns else np.zeros((4, 0))
    return Hypotheses(
        alpha=alpha,
        control=control,
        datasets=tuple(kept),
        slices=tuple(slices),
        strata=tuple(tuple(strata.get(dataset.name, ())) for dataset in kept),
        pairs=tuple(pairs),
        groups=tuple(groups),
        bounds=Bounds.joined(bounds),
        prior=flat[0],
        log_weight=flat[1],
        sigma=flat[2],
        pod_bound=flat[3],
        skipped=tuple(skipped),
        phi=scatter.phi,
    )


def why_not(name: str, dataset: Dataset, control: Control) -> str:
    """Why a metric is not watched; empty if it is watched."""
    metric = metric_for(name, dataset.spec)
    if isinstance(metric.measure, Shift):
        return "scores move with the traffic, and only pods beside it get the same"
    if name == "ks" and control == "stratified":
        return "the largest of many gaps is too high where rows are few, and strata would add that up"
    return ""


def how_of(metric: Metric, reads: Reads) -> How:
    """How a metric is compared. It must not be a shift."""
    if engine_of(metric, reads) == "betting":
        return "counts"
    return "weighted" if isinstance(metric.measure, Proportion) else "estimate"


def pairs_of(keys: Sequence[str], strata: Sequence[str]) -> Pairs:
    """Every pair of a slice and a stratum in which the slice can have rows."""
    found = [
        (slot, column, joined)
        for slot, key in enumerate(keys)
        for column, stratum in enumerate(strata)
        if (joined := crossed(key, stratum)) is not None
    ]
    slot, stratum = (np.array([entry[i] for entry in found], dtype=np.intp) for i in (0, 1))
    return Pairs(slot, stratum, tuple(entry[2] for entry in found))


def _keys(cells: Cells) -> tuple[str, ...]:
    """The whole, then the slices with rows of the baseline, by key."""
    if WHOLE not in cells.slices:
        return ()
    counts = cells.counts[:, :, BASELINE].sum(axis=0)  # (slices, 3, 3)
    return (WHOLE, *sorted(key for key, rows in zip(cells.slices, counts, strict=True) if key != WHOLE and rows.any()))


def _too_wide(name: str, dataset: Dataset, cells: Cells, pairs: Pairs) -> str:
    if not pairs.keys or cells.bins is None or not metric_for(name, dataset.spec).needs.bins:
        return ""
    numbers = len(pairs.keys) * cells.bins[0, 0].size * (1 if cells.bin_weights is None else 3)
    if numbers <= MOST_NUMBERS:
        return ""
    return f"its distributions in {len(pairs.keys)} slices within strata would take {numbers} numbers"


def _reading(dataset: Dataset, metrics: Sequence[Metric]) -> Dataset:
    """The dataset that reads only what the watched metrics need."""
    bins = any(metric.needs.bins for metric in metrics)
    needs_sums = any(metric.needs.sums for metric in metrics)
    # Rows without a weight are missing data, so they are counted if the dataset has weights.
    sums = tuple(one for one in dataset.reads.sums if needs_sums or one == WEIGHED)
    return replace(dataset, reads=Reads(bins=bins, sums=sums, weights=dataset.reads.weights))


def _is_ignored(item: DatasetAnalysis, metric: str, key: str) -> bool:
    """Whether a known change covers the slice. A slice with a wanted range is left out, too."""
    values = parse_slice_key(key)
    return any(
        e.change != "Improve" and e.metric == metric and all(values.get(d) == v for d, v in e.slice.items())
        for e in item.expect
    )
