"""Metrics of rows with sample weights, from ClickHouse's answers, equal scikit-learn's with sample_weight."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import sklearn.metrics as sk

from tests.integration.test_metrics_on_rows import BINARY
from tests.support.metric_rows import a_dataset, a_store, raw_of, tallies
from tests.support.raw_rows import squared_calibration_error
from tests.support.wide_log import CLASSES, WideLog
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.api.monitoringdataset import Domain, MetricThreshold, Scale
from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated, Proportion
from tierwise.metrics.weighted import weighted
from tierwise.monitoring.counts.measures import metric_for


@pytest.fixture(scope="module")
def rows_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[WideLog, ClickHouseStore]]:
    yield from a_store(tmp_path_factory.mktemp("chdb"))


WEIGHTED = (
    "false-positive-rate",
    "accuracy",
    "recall",
    "precision",
    "latency-over@200",
    "balanced-accuracy",
    "mcc",
    "auc",
    "average-precision",
    "ks",
    "ece",
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


def widest_gap(truth, found, w):
    """Kolmogorov-Smirnov of rows that count w times."""
    order = np.unique(found)
    below = [
        [w[(truth == label) & (found <= score)].sum() / w[truth == label].sum() for score in order] for label in (0, 1)
    ]
    return np.abs(np.subtract(*below)).max()


RANKINGS = {"auc": sk.roc_auc_score, "average-precision": sk.average_precision_score}


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
        case "auc" | "average-precision":
            return RANKINGS[name](rows.y, rows.middle, sample_weight=w[known])
        case "ks":
            return widest_gap(rows.y, rows.middle, w[known])
        case "ece":
            return squared_calibration_error(rows.middle, rows.y, rows.edges, w[known])
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
    expected = raw_of(log, slices, lambda rows: weighted_oracle(name, rows), tally.edges)
    np.testing.assert_allclose(found.value, expected, rtol=1e-6)
    assert (found.variance > 0).all()


def known_weights(rows):
    return np.where(np.isfinite(rows.weight) & (rows.weight > 0), rows.weight, 0.0)


def weighted_value(metric, tally):
    """(slices, arms) of a metric as people read it."""
    if isinstance(metric.measure, Estimated):
        return metric.measure.estimate(tally).value
    bad = weighted(metric.measure, tally).value
    return 1 - bad if metric.direction == "HigherIsBetter" else bad


WEIGHTED_CLASSES = {
    "multiclass-accuracy": lambda *y, w: sk.accuracy_score(*y, sample_weight=w),
    "macro-f1": lambda *y, w: sk.f1_score(*y, average="macro", sample_weight=w),
    "recall@bee": lambda *y, w: sk.recall_score(*y, average=None, sample_weight=w)[1],
    "precision@it-s": lambda *y, w: sk.precision_score(*y, average=None, sample_weight=w)[2],
}


@pytest.mark.parametrize("name", WEIGHTED_CLASSES)
def test_sample_weights_of_classes_count_as_in_scikit_learn(rows_store, name):
    log, store = rows_store
    fields = {"columns": {"score": "found", "label": "truth"}, "scale": Scale(kind="Classes"), "classes": list(CLASSES)}
    tally, slices = tallies(store, [name], weight="weight", **fields)

    def oracle(rows):
        return WEIGHTED_CLASSES[name](rows.truth[rows.named], rows.found[rows.named], w=known_weights(rows)[rows.named])

    np.testing.assert_allclose(weighted_value(registry.get(name), tally), raw_of(log, slices, oracle), rtol=1e-9)


@pytest.mark.parametrize("positive", ["AtOrAbove", "Below"])
def test_a_threshold_of_a_metrics_own_is_weighted_like_the_datasets(rows_store, positive):
    log, store = rows_store
    own = [MetricThreshold(metric="recall", threshold=0.3)]
    fields = {"weight": "weight", "thresholds": own, "positive": positive}
    tally, slices = tallies(store, ["recall"], **fields)
    metric = metric_for("recall", a_dataset(["recall"], **fields).spec)

    def oracle(rows):
        inside = (rows.score >= 0) & (rows.score <= 1) & (rows.label < 2)
        above = rows.score[inside] >= np.float32(0.3)
        answers = above if positive == "AtOrAbove" else ~above
        return sk.recall_score(rows.label[inside], answers, sample_weight=known_weights(rows)[inside])

    np.testing.assert_allclose(weighted_value(metric, tally), raw_of(log, slices, oracle), rtol=1e-6)


def test_every_metric_that_takes_weights_is_held_against_the_raw_rows():
    known = {name for name in BINARY if registry.get(name).takes_weights}
    same = {"error-rate", "specificity", "false-negative-rate", "npv", "positive-rate", "f1", "bias"}
    counted = {"latency-over@0.25", "server-error-rate", "not-computed", "out-of-domain", "challenge-solve-rate"}
    assert known - same - counted == set(WEIGHTED), "shares of answers, and shares that the store counts, are alike"
