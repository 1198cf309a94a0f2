"""Every metric from ClickHouse's answers equals scikit-learn, scipy or numpy on the raw rows, slice by slice."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from tests.support.metric_rows import SCOPE, WINDOW, Rows, a_dataset, a_store, raw_of, tallies
from tests.support.raw_rows import squared_calibration_error
from tests.support.wide_log import CLASSES, WideLog
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.api.monitoringdataset import Domain, Scale
from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated


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
    yield from a_store(tmp_path_factory.mktemp("chdb"))


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
