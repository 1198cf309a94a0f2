import pytest

from tests.unit.monitoring.builders import SPEC, an_analysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import PlanError
from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.counts.model import Reads
from tierwise.monitoring.planning.required_reads import reads_of

CLASSES = {"scale": {"kind": "Classes"}, "classes": ["a", "b"]}


def a_spec(**fields):
    return MonitoringDatasetSpec.model_validate(SPEC.to_wire() | fields)


def test_metrics_of_the_counts_read_nothing_more():
    assert reads_of(an_analysis(metrics=("accuracy", "recall", "positive-rate")), SPEC) == Reads()


def test_what_metrics_need_is_read_once():
    found = reads_of(an_analysis(metrics=("auc", "ks", "brier", "log-loss")), SPEC)
    assert found.bins
    assert len({item.name for item in found.sums}) == len(found.sums) > 0
    assert not found.weights


def test_a_threshold_of_its_own_reads_the_bins():
    analysis = an_analysis(metrics=("recall",))
    assert reads_of(analysis, a_spec(thresholds=[{"metric": "recall", "threshold": 0.7}])).bins
    assert not reads_of(analysis, a_spec(thresholds=[{"metric": "precision", "threshold": 0.7}])).bins


def test_a_sample_weight_is_read_with_every_sum():
    found = reads_of(an_analysis(metrics=("brier",)), a_spec(columns={"weight": "w"}))
    assert found.weights
    assert len(found.sums) == 3 * len(reads_of(an_analysis(metrics=("brier",)), SPEC).sums) + 1
    assert found.sums[-1] == WEIGHED


@pytest.mark.parametrize(
    ("metric", "fields", "words"),
    [
        ("latency-over@200", {}, "needs columns.latency"),
        ("server-error-rate", {}, "needs columns.status"),
        (
            "ratio@clicks/impressions",
            {"values": [{"name": "clicks", "expression": "c"}]},
            "'impressions'.*there: clicks",
        ),
        ("accuracy", CLASSES, "yes or no"),
        ("multiclass-accuracy", {}, "classes"),
        ("auc", {"scale": {"kind": "None"}}, "scale.kind is None"),
    ],
)
def test_a_metric_that_the_dataset_cannot_support_is_told_with_what_is_missing(metric, fields, words):
    with pytest.raises(PlanError, match=words) as caught:
        reads_of(an_analysis(metrics=(metric,)), a_spec(**fields))
    assert caught.value.reason is Reason.NOT_SUPPORTED
    assert metric in str(caught.value)
