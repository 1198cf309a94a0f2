import re

import numpy as np
import pytest
from sklearn import metrics as sk

from tierwise.errors import UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.kinds.binary import METRICS

RNG = np.random.default_rng(11)
LABEL = RNG.integers(0, 3, 4000)  # 2 is unknown
ANSWER = np.where(
    RNG.random(4000) < 0.03, 2, (RNG.random(4000) < np.where(LABEL == 1, 0.8, 0.15)).astype(int)
)  # 2 invalid
COUNTS = np.zeros((3, 3), dtype=np.int64)
np.add.at(COUNTS, (LABEL, ANSWER), 1)
KEPT = (LABEL < 2) & (ANSWER < 2)
Y, A = LABEL[KEPT], ANSWER[KEPT]

REFERENCE = {
    "accuracy": sk.accuracy_score(Y, A),
    "error-rate": 1 - sk.accuracy_score(Y, A),
    "recall": sk.recall_score(Y, A),
    "false-negative-rate": 1 - sk.recall_score(Y, A),
    "specificity": sk.recall_score(Y, A, pos_label=0),
    "false-positive-rate": 1 - sk.recall_score(Y, A, pos_label=0),
    "precision": sk.precision_score(Y, A),
    "npv": sk.precision_score(Y, A, pos_label=0),
    "positive-rate": (ANSWER[ANSWER < 2] == 1).mean(),
    "f1": sk.f1_score(Y, A),
}


def test_every_metric_has_a_reference():
    assert {metric.name for metric in METRICS} == set(REFERENCE)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_value_equals_scikit_learn_on_the_raw_rows(name):
    metric = registry.get(name)
    n, bad = metric.n_bad(COUNTS)
    assert metric.value(int(n), int(bad)) == pytest.approx(REFERENCE[name], rel=1e-12)


@pytest.mark.parametrize("name", sorted(REFERENCE))
def test_counts_keep_leading_axes_and_empty_rows_have_no_value(name):
    metric = registry.get(name)
    n, bad = metric.n_bad(np.stack([COUNTS, 0 * COUNTS]).reshape(1, 2, 3, 3))
    assert n.shape == bad.shape == (1, 2)
    assert (bad <= n).all()
    assert metric.value(int(n[0, 1]), int(bad[0, 1])) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("acuracy", "accuracy or auc"),
        ("ROC_AUC", "auc"),
        ("fpr", "false-positive-rate"),
        ("f1_score", "f1"),
        ("mean_absolute_error", "mae"),
        ("recal@Good Bot", "recall@Good Bot"),
        ("latency-ovr", "latency-over@MS"),
    ],
)
def test_an_unknown_metric_names_those_that_may_be_meant(name, meant):
    message = re.escape(f"metric '{name}' is unknown; did you mean {meant}? `tierwise metrics` lists all ")
    with pytest.raises(UnknownMetricError, match=message):
        registry.get(name)


def test_a_metric_that_is_like_none_is_told_where_the_list_is():
    with pytest.raises(UnknownMetricError, match=r"'xyz' is unknown; `tierwise metrics` lists all \d+$"):
        registry.get("xyz")
