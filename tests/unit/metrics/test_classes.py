"""Metrics of several classes against scikit-learn on the raw rows."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from tierwise.errors import UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.kinds.classes import position
from tierwise.metrics.tally import Tally

CLASSES = ("ham", "spam", "Not Sure!")
NONE = len(CLASSES)  # unknown label, invalid answer


def drawn(rng, count):
    label = rng.choice(3, count, p=[0.6, 0.3, 0.1])
    answer = np.where(rng.random(count) < 0.7, label, rng.integers(0, 3, count))
    return label, answer


def tally(*rows):
    bins = np.zeros((len(rows), NONE + 1, NONE + 1), dtype=np.int64)
    for table, (label, answer) in zip(bins, rows, strict=True):
        np.add.at(table, (label, answer), 1)
    return Tally(np.zeros((len(rows), 3, 3), dtype=np.int64), bins=bins, classes=CLASSES)


LABEL, ANSWER = drawn(np.random.default_rng(2), 4000)
HOLES = np.random.default_rng(3).random((2, 4000)) < 0.05
ROWS = np.where(HOLES[0], NONE, LABEL), np.where(HOLES[1], NONE, ANSWER)
KEPT = ~HOLES.any(axis=0)
Y, A = LABEL[KEPT], ANSWER[KEPT]
REFERENCE = {
    "multiclass-accuracy": sk.accuracy_score(Y, A),
    "recall@spam": sk.recall_score(Y, A, average=None)[1],
    "recall@not-sure": sk.recall_score(Y, A, average=None)[2],
    "precision@spam": sk.precision_score(Y, A, average=None)[1],
}


@pytest.mark.parametrize("name", REFERENCE)
def test_a_share_equals_scikit_learn_without_unknown_and_invalid_rows(name):
    metric = registry.get(name)
    n, bad = (int(x[0]) for x in metric.n_bad_of(tally(ROWS)))
    assert metric.value(n, bad) == pytest.approx(REFERENCE[name], rel=1e-12)
    assert metric.value(0, 0) is None


def macro_f1(*rows):
    return registry.get("macro-f1").measure.estimate(tally(*rows))


def test_macro_f1_equals_scikit_learn():
    assert macro_f1(ROWS).value[0] == pytest.approx(sk.f1_score(Y, A, average="macro"), rel=1e-12)


def test_macro_f1_varies_as_repeated_draws_do():
    rng = np.random.default_rng(4)
    found = macro_f1(*(drawn(rng, 800) for _ in range(2000)))
    # The standard error of a variance of 2000 draws is 3.2 % of it.
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.12)


def test_macro_f1_waits_for_every_class_and_has_no_value_without_rows():
    empty, two = (LABEL[:0], ANSWER[:0]), (LABEL[LABEL < 2], ANSWER[LABEL < 2])
    found = macro_f1(empty, two, ROWS)
    assert np.isnan(found.value).tolist() == [True, False, False]
    assert found.enough.tolist() == [False, False, True]


def test_top_k_equals_scikit_learn():
    rng = np.random.default_rng(5)
    label, scores = rng.integers(0, 5, 2000), rng.random((2000, 5))
    right = sk.top_k_accuracy_score(label, scores, k=2, normalize=False)
    sums = {"top-k@2:n": np.array(2000.0), "top-k@2:bad": np.array(2000.0 - right)}
    metric = registry.get("top-k@2")
    n, bad = metric.n_bad_of(Tally(np.zeros((3, 3), dtype=np.int64), sums=sums))
    assert metric.value(int(n), int(bad)) == pytest.approx(sk.top_k_accuracy_score(label, scores, k=2), rel=1e-12)


@pytest.mark.parametrize("parameter", ["0", "101", "2.5", "-1", "best"])
def test_k_is_a_whole_number(parameter):
    with pytest.raises(UnknownMetricError, match="is not a whole number of 1 to 100; write top-k@K"):
        registry.get(f"top-k@{parameter}")


def test_a_class_is_found_by_its_name_or_by_that_in_lower_case():
    assert position(CLASSES, "spam") == 1
    assert position(CLASSES, "Not Sure!") == position(CLASSES, "not-sure") == 2
    assert position(CLASSES, "eggs") is None
    assert position(("A b", "a-B"), "a-b") is None, "two classes it could be"


def test_a_class_that_is_not_there_is_told():
    with pytest.raises(ValueError, match="no class 'eggs'; classes are ham, spam, Not Sure!"):
        registry.get("recall@eggs").n_bad_of(tally(ROWS))
