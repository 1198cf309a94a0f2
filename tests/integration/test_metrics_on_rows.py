"""Every metric from ClickHouse's answers equals scikit-learn, scipy or numpy on the raw rows, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from tests.support.predictions import T0
from tests.support.raw_rows import squared_calibration_error
from tests.support.wide_log import CLASSES, TABLE, WideLog
from tierwise.adapters.clickhouse import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, Domain, MonitoringDatasetSpec, Scale, Value
from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated, Proportion
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import sums_of, weighted
from tierwise.monitoring.cells import Block, Dataset, Reads, Scope

WINDOW = Block(T0, T0 + timedelta(minutes=30))
SCOPE = Scope(None, "v1", "v2")
VALUES = {
    "clicks": "clicks",
    "impressions": "impressions",
    "revenue": "clicks * 2",
    "issued": "status = 200",
    "solved": "clicks",
}


class Rows:
    """The raw rows of one slice and arm, as a metric means them."""

    def __init__(self, log: WideLog, mask: np.ndarray, edges: np.ndarray | None = None) -> None:
        def numbers(values: np.ndarray) -> np.ndarray:
            return np.array([np.nan if value is None else value for value in values], dtype=float)[mask]

        self.edges, self.score = edges, log.score.astype(float)[mask]
        self.valid = (self.score >= 0) & (self.score <= 1) & (self.score != 0.25)
        self.answer = self.score >= 0.5
        self.label = log.labels()[mask]
        self.known = self.valid & (self.label < 2)
        in_time = (log.late <= 300)[mask]
        self.target = np.where(in_time, numbers(log.label), np.nan)
        self.number = self.valid & np.isfinite(self.target)
        self.latency, self.status = numbers(log.latency), log.status[mask]
        self.clicks, self.impressions = numbers(log.clicks), log.impressions[mask]
        self.truth = np.where(in_time, log.classes_of(log.truth)[mask], len(CLASSES))
        self.found, self.top = log.classes_of(log.found)[mask], log.top[mask]
        self.named = (self.truth < len(CLASSES)) & (self.found < len(CLASSES))
        self.weight = numbers(log.weight)

    @property
    def y(self):
        return self.label[self.known]

    @property
    def p(self):
        return self.score[self.known]

    @property
    def a(self):
        return self.answer[self.known]

    @property
    def middle(self):
        """Scores as their bins give them: the order within a bin is not known."""
        at = np.searchsorted(self.edges.astype(np.float32), self.p.astype(np.float32), side="right") - 1
        at = np.clip(at, 0, len(self.edges) - 2)
        return (self.edges[at] + self.edges[at + 1]) / 2


def top_share(rows, k):
    at = [i for i, names in enumerate(rows.top) if rows.truth[i] < len(CLASSES) and len(names)]
    return np.mean([CLASSES[rows.truth[i]] in rows.top[i][:k] for i in at])


def over(rows, limit):
    there = ~np.isnan(rows.latency)
    return (rows.latency[there] > limit).mean()


BINARY = {
    "accuracy": lambda r: sk.accuracy_score(r.y, r.a),
    "error-rate": lambda r: 1 - sk.accuracy_score(r.y, r.a),
    "recall": lambda r: sk.recall_score(r.y, r.a),
    "false-negative-rate": lambda r: 1 - sk.recall_score(r.y, r.a),
    "specificity": lambda r: sk.recall_score(r.y, r.a, pos_label=0),
    "false-positive-rate": lambda r: 1 - sk.recall_score(r.y, r.a, pos_label=0),
    "precision": lambda r: sk.precision_score(r.y, r.a),
    "npv": lambda r: sk.precision_score(r.y, r.a, pos_label=0),
    "positive-rate": lambda r: r.answer[r.valid].mean(),
    "f1": lambda r: sk.f1_score(r.y, r.a),
    "balanced-accuracy": lambda r: sk.balanced_accuracy_score(r.y, r.a),
    "mcc": lambda r: sk.matthews_corrcoef(r.y, r.a),
    "auc": lambda r: sk.roc_auc_score(r.y, r.middle),
    "average-precision": lambda r: sk.average_precision_score(r.y, r.middle),
    "ks": lambda r: stats.ks_2samp(r.middle[r.y == 1], r.middle[r.y == 0]).statistic,
    "log-loss": lambda r: sk.log_loss(r.y, np.clip(r.p, 1e-7, 1 - 1e-7)),
    "brier": lambda r: sk.brier_score_loss(r.y, r.p),
    "ece": lambda r: squared_calibration_error(r.middle, r.y, r.edges),
    "mae": lambda r: sk.mean_absolute_error(r.target[r.number], r.score[r.number]),
    "rmse": lambda r: sk.root_mean_squared_error(r.target[r.number], r.score[r.number]),
    "bias": lambda r: (r.score - r.target)[r.number].mean(),
    "pinball@0.9": lambda r: sk.mean_pinball_loss(r.target[r.number], r.score[r.number], alpha=0.9),
    "latency-over@200": lambda r: over(r, 200),
    "latency-over@0.25": lambda r: over(r, 0.25),
    "server-error-rate": lambda r: (r.status >= 500).mean(),
    "not-computed": lambda r: (r.score == 0.25).mean(),
    "out-of-domain": lambda r: (~r.valid).mean(),
    "challenge-solve-rate": lambda r: (np.nan_to_num(r.clicks) > 0)[r.status == 200].mean(),
    "ratio@clicks/impressions": lambda r: np.nansum(r.clicks) / r.impressions[np.isfinite(r.clicks)].sum(),
    "mean@revenue": lambda r: 2 * np.nanmean(r.clicks),
}
OF_CLASSES = {
    "multiclass-accuracy": lambda r: sk.accuracy_score(r.truth[r.named], r.found[r.named]),
    "macro-f1": lambda r: sk.f1_score(r.truth[r.named], r.found[r.named], average="macro"),
    "recall@bee": lambda r: sk.recall_score(r.truth[r.named], r.found[r.named], average=None)[1],
    "precision@it-s": lambda r: sk.precision_score(r.truth[r.named], r.found[r.named], average=None)[2],
    "top-k@1": lambda r: top_share(r, 1),
    "top-k@2": lambda r: top_share(r, 2),
}


@pytest.fixture(scope="module")
def rows_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WideLog, ClickHouseStore]]:
    store = open_store(f"chdb://{tmp_path_factory.mktemp('chdb') / 'data'}")
    log = WideLog(6000)
    log.score[::17] = 0.25  # stands for "not computed"
    store.execute(TABLE.format(name="wide", score="Float32"))
    store._connection.insert("wide", log.table())
    yield log, store
    store.close()


def a_dataset(names, *, weight=None, **fields):
    """The dataset with all that a look reads for these metrics."""
    columns = {"model": None, "tier": None, "labelled_at": "labelled_at", "latency": "latency", "status": "status"}
    columns |= {"top": "top", "weight": weight} | fields.pop("columns", {})
    spec = MonitoringDatasetSpec(
        table="wide",
        columns=Columns(**columns),
        maturity="5m",
        dimensions=[Dimension(name=name, expression=name) for name in ("carrier", "origin")],
        values=[Value(name=name, expression=sql) for name, sql in VALUES.items()],
        **fields,
    )
    sums = {s.name: s for name in names for s in sums_of(registry.get(name), weighted=weight is not None)}
    reads = Reads(bins=True, sums=tuple(sums.values()), weights=weight is not None)
    return Dataset("wide", spec, (("carrier",), ("carrier", "origin")), reads=reads)


def tallies(store, names, **fields):
    """The tally (slices, arms) that a look gives for these metrics, and the slices' keys."""
    dataset = a_dataset(names, **fields)
    cells = store.read_cells(dataset, SCOPE, [WINDOW])
    tally = Tally(
        cells.counts[0],
        bins=cells.bins[0],
        edges=cells.edges,
        classes=tuple(dataset.spec.classes),
        sums={name: values[0] for name, values in cells.sums.items()},
        weights=None if cells.weights is None else cells.weights[:, 0],
    )
    return tally, cells.slices


@pytest.fixture(scope="module")
def binary(rows_store):
    return tallies(rows_store[1], BINARY, domain=Domain(exclude=[0.25]))


@pytest.fixture(scope="module")
def of_classes(rows_store):
    columns = {"score": "found", "label": "truth"}
    return tallies(rows_store[1], OF_CLASSES, columns=columns, scale=Scale(kind="Classes"), classes=list(CLASSES))


def values_of(metric, tally):
    """(slices, arms) values of a metric."""
    if isinstance(metric.measure, Estimated):
        return metric.measure.estimate(tally).value
    n, bad = metric.n_bad_of(tally)
    return np.array([[metric.value(int(n[s, a]), int(bad[s, a])) for a in (0, 1)] for s in range(len(n))])


def raw_of(log, slices, oracle, edges=None):
    masks = log.slice_masks()
    found = [[oracle(Rows(log, masks[key] & (log.arms() == arm), edges)) for arm in (0, 1)] for key in slices]
    return np.array(found)


@pytest.mark.parametrize("name", BINARY)
def test_a_metric_of_scores_is_that_of_the_raw_rows_in_every_slice_and_arm(rows_store, binary, name):
    tally, slices = binary
    assert len(slices) == 10
    expected = raw_of(rows_store[0], slices, BINARY[name], tally.edges)
    np.testing.assert_allclose(values_of(registry.get(name), tally), expected, rtol=1e-6)


@pytest.mark.parametrize("name", OF_CLASSES)
def test_a_metric_of_classes_is_that_of_the_raw_rows_in_every_slice_and_arm(rows_store, of_classes, name):
    tally, slices = of_classes
    expected = raw_of(rows_store[0], slices, OF_CLASSES[name])
    np.testing.assert_allclose(values_of(registry.get(name), tally), expected, rtol=1e-9)


def test_every_metric_is_held_against_the_raw_rows():
    stems = {name.partition("@")[0] for name in (*BINARY, *OF_CLASSES)}
    assert stems | {"score-shift"} == {name.partition("@")[0] for name in registry.names()}


def test_the_shift_counts_the_raw_scores_below_its_edges(rows_store, binary):
    (log, _), (tally, slices) = rows_store, binary
    at = np.array([20, 50, 90])
    n, below = registry.get("score-shift").measure.count(tally, at)
    for s, key in enumerate(slices):
        for arm in (0, 1):
            rows = Rows(log, log.slice_masks()[key] & (log.arms() == arm))
            scores = rows.score[rows.valid].astype(np.float32)
            assert n[s, arm] == len(scores)
            expected = [np.count_nonzero(edge > scores) for edge in tally.edges[at].astype(np.float32)]
            assert below[s, arm].tolist() == expected


def test_no_number_that_a_metric_asks_for_is_ever_none(rows_store):
    _, store = rows_store
    found = store.count_invalid(a_dataset(BINARY, domain=Domain(exclude=[0.25])), SCOPE, WINDOW, WINDOW.end)
    assert found.value == 0, "metrics guard null, NaN and infinity themselves"
    assert found.score > 0


def test_where_labels_are_numbers_every_one_in_time_is_a_label(rows_store):
    log, store = rows_store
    dataset = a_dataset(["mae"], target="Number")
    cells = store.read_cells(dataset, SCOPE, [WINDOW])
    ours = log.arms() >= 0
    known = (log.late <= 300) & np.array([label is not None for label in log.label])
    assert cells.counts[0, 0, :, 1].sum() == (ours & known).sum()
    assert cells.counts[0, 0, :, 2].sum() == (ours & ~known).sum()
    assert cells.counts[0, 0, :, 0].sum() == 0
    assert cells.sums["mae:n"][0, 0].sum() == cells.counts[0, 0, :, 1, :2].sum()
    assert store.count_invalid(dataset, SCOPE, WINDOW, WINDOW.end).label == 0


WEIGHTED = (
    "false-positive-rate",
    "accuracy",
    "recall",
    "precision",
    "latency-over@200",
    "balanced-accuracy",
    "mcc",
    "log-loss",
    "brier",
    "mae",
    "rmse",
    "pinball@0.9",
    "mean@revenue",
    "ratio@clicks/impressions",
)


def weighted_mean(x, w):
    return (w * x).sum() / w.sum()


def pinball(truth, found, sample_weight):
    return sk.mean_pinball_loss(truth, found, sample_weight=sample_weight, alpha=0.9)


def weighted_oracle(name, rows):
    w = np.where(rows.weight > 0, rows.weight, 0.0)
    w = np.where(np.isfinite(w), w, 0.0)
    known, negative = rows.known, rows.known & (rows.label == 0)
    match name:
        case "false-positive-rate":
            return weighted_mean(rows.answer[negative], w[negative])
        case "accuracy":
            return weighted_mean(rows.answer[known] != rows.y, w[known])  # the share of bad is what is judged
        case "recall":
            return 1 - sk.recall_score(rows.y, rows.a, sample_weight=w[known])
        case "precision":
            return 1 - sk.precision_score(rows.y, rows.a, sample_weight=w[known])
        case "latency-over@200":
            there = ~np.isnan(rows.latency)
            return weighted_mean(rows.latency[there] > 200, w[there])
        case "brier":
            return sk.brier_score_loss(rows.y, rows.p, sample_weight=w[known])
        case "log-loss":
            return sk.log_loss(rows.y, np.clip(rows.p, 1e-7, 1 - 1e-7), sample_weight=w[known])
        case "balanced-accuracy":
            return sk.balanced_accuracy_score(rows.y, rows.a, sample_weight=w[known])
        case "mae" | "rmse" | "pinball@0.9":
            n = rows.number
            score = {"mae": sk.mean_absolute_error, "rmse": sk.root_mean_squared_error}.get(name, pinball)
            return score(rows.target[n], rows.score[n], sample_weight=w[n])
        case "mean@revenue":
            there = np.isfinite(rows.clicks)
            return weighted_mean(2 * rows.clicks[there], w[there])
        case "mcc":
            return sk.matthews_corrcoef(rows.y, rows.a, sample_weight=w[known])
        case _:
            there = np.isfinite(rows.clicks)
            return (w * rows.clicks)[there].sum() / (w * rows.impressions)[there].sum()


@pytest.mark.parametrize("name", WEIGHTED)
def test_sample_weights_count_rows_as_scikit_learn_does(rows_store, name):
    log, store = rows_store
    tally, slices = tallies(store, [name], weight="weight", domain=Domain(exclude=[0.25]))
    metric = registry.get(name)
    measure = metric.measure
    found = weighted(measure, tally) if isinstance(measure, Proportion) else measure.estimate(tally)
    expected = raw_of(log, slices, lambda rows: weighted_oracle(name, rows))
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    assert (found.variance > 0).all()


def test_every_metric_that_takes_weights_is_held_against_the_raw_rows():
    known = {name for name in BINARY if registry.get(name).takes_weights}
    same = {"error-rate", "specificity", "false-negative-rate", "npv", "positive-rate", "f1", "bias"}
    counted = {"latency-over@0.25", "server-error-rate", "not-computed", "out-of-domain", "challenge-solve-rate"}
    assert known - same - counted == set(WEIGHTED), "shares of answers, and shares that the store counts, are alike"
