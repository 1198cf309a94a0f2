"""A dataset that cannot support a metric is told what it lacks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from tierwise.api.monitoringdataset import Columns, Domain, MetricThreshold, MonitoringDatasetSpec, Scale, Value
from tierwise.metrics import registry
from tierwise.metrics.metric import Metric
from tierwise.metrics.support import missing

CLASSES = {"scale": Scale(kind="Classes"), "classes": ["ham", "Good Bot"]}
EVERYTHING = {
    "columns": Columns(latency="ms", status="status", top="best"),
    "values": [Value(name=name, expression=name) for name in ("clicks", "impressions", "revenue", "issued", "solved")],
    "domain": Domain(exclude=[0.0]),
}
WEIGHTED = {"columns": Columns(weight="w")}
RECALL_AT = {"thresholds": [MetricThreshold(metric="recall", threshold=0.7)]}


def dataset(**fields):
    return MonitoringDatasetSpec(table="requests", **fields)


@pytest.mark.parametrize("entry", registry.BUILT_IN, ids=lambda entry: entry.name)
def test_a_dataset_with_everything_supports_every_metric_of_its_kind(entry):
    metric = entry if isinstance(entry, Metric) else entry.instance
    of_classes = EVERYTHING | {"scale": Scale(kind="Classes"), "classes": ["spam", "ham"]}
    kinds = {"Binary": EVERYTHING, "Number": EVERYTHING | {"target": "Number"}, "Classes": of_classes}
    for kind, fields in kinds.items():
        found = missing(metric, dataset(**fields))
        assert (found is None) == (kind in metric.kinds), (kind, found)


@pytest.mark.parametrize(
    ("name", "fields", "remedy"),
    [
        ("accuracy", CLASSES, "choose multiclass-accuracy"),
        ("mae", CLASSES, "choose a metric of classes"),
        ("accuracy", {"target": "Number"}, "or set spec.target: Binary"),
        ("macro-f1", {}, "or set spec.scale.kind: Classes, with spec.classes"),
    ],
)
def test_a_metric_of_other_answers_is_told_what_the_dataset_has_not_got_already(name, fields, remedy):
    found = missing(registry.get(name), dataset(**fields))
    assert found is not None
    assert remedy in found[1]


@pytest.mark.parametrize(
    ("name", "fields", "fact"),
    [
        ("macro-f1", {}, "is for answers that are classes, and the dataset's are yes or no"),
        ("accuracy", CLASSES, "is for answers that are yes or no, and the dataset's are classes"),
        ("accuracy", {"target": "Number"}, "is for answers that are yes or no, and the dataset's are numbers"),
        ("latency-over@200", {}, "needs columns.latency"),
        ("ratio@clicks/views", EVERYTHING, r"needs 'views' of spec.values \(there: clicks, impressions"),
        ("recall@spam", CLASSES, r"is of class 'spam', which is none of spec.classes \(ham, Good Bot\)"),
        ("auc", {"scale": Scale(kind="None")}, "spec.scale.kind is None"),
        ("brier", {"domain": Domain(max=99)}, "needs scores that are probabilities and spec.domain is 0 … 99"),
        (
            "score-shift",
            WEIGHTED,
            "is judged by bets, in which rows all count the same.* columns.weight \\('w'\\)",
        ),
        ("not-computed", {}, "counts the scores of spec.domain.exclude, and there are none"),
    ],
)
def test_what_is_lacking_is_named_with_what_to_do(name, fields, fact):
    found = missing(registry.get(name), dataset(**fields))
    assert found is not None
    assert re.search(fact, found[0])
    assert found[1]


@pytest.mark.parametrize("name", ["log-loss", "brier", "recall", "f1", "mcc", "balanced-accuracy", "auc", "ks", "ece"])
def test_all_but_shifts_take_sample_weights(name):
    assert missing(registry.get(name), dataset(**WEIGHTED)) is None
    assert missing(registry.get(name), dataset(**WEIGHTED | RECALL_AT)) is None


@pytest.mark.parametrize("name", ["recall@ham", "precision@ham", "multiclass-accuracy", "macro-f1"])
def test_metrics_of_classes_take_sample_weights(name):
    assert missing(registry.get(name), dataset(**CLASSES | WEIGHTED)) is None


def test_an_estimate_that_does_not_say_it_takes_weights_is_refused():
    metric = registry.get("mcc")
    plain = replace(metric, measure=replace(metric.measure, weighted=False))
    fact, remedy = missing(plain, dataset(**WEIGHTED))
    assert fact == "is of plain rows, and the dataset has columns.weight ('w')"
    assert "without a weight" in remedy


def test_a_class_may_be_written_in_lower_case():
    assert missing(registry.get("recall@good-bot"), dataset(**CLASSES)) is None


def test_a_label_of_0_or_1_is_no_number_that_a_score_predicts():
    found = missing(registry.get("mae"), dataset())
    assert found is not None
    assert "spec.target: Number" in found[1]
