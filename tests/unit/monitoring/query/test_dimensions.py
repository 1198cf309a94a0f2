"""Slices must be known before the prediction."""

import re

import pytest

from tierwise.api.monitoringdataset import OUTCOMES, Columns, MonitoringDatasetSpec
from tierwise.errors import RefusedError
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.query.log.columns import Log, Source


def a_log(expression):
    spec = MonitoringDatasetSpec.model_validate(
        {
            "table": "log",
            "columns": {
                "score": "bot_score",
                "labelledAt": "labelled_at",
                "requestId": "id",
                "latency": "ms",
                "status": "code",
                "top": "best",
            },
            "dimensions": [{"name": "d", "expression": expression}],
            "labels": {
                "sources": [
                    {"name": "people", "kind": "Column", "column": "checked", "labelledAt": "checked_at"},
                    {"name": "bank", "kind": "Table", "table": "chargebacks", "key": "id", "column": "browser"},
                ]
            },
        }
    )
    return Log(Dataset("humans", spec, (("d",),)), Source("log", {"browser": "String", "bot_score": "Float64"}))


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        ("bot_score", "columns.score"),
        ("if(bot_score > 0.9, 'high', 'low')", "columns.score"),
        ("concat(browser, toString(label))", "columns.label"),
        ("toHour(`labelled_at`)", "columns.labelledAt"),
        ("model_version", "columns.version"),
        ("if(ms > 200, 'slow', 'fast')", "columns.latency"),
        ("code", "columns.status"),
        ("best[1]", "columns.top"),
        ("checked", "labels.sources[people].column"),
        ("toHour(checked_at)", "labels.sources[people].labelledAt"),
    ],
)
def test_a_dimension_of_what_the_versions_did_is_refused(expression, field):
    with pytest.raises(RefusedError, match=re.escape(f"({field})")) as refused:
        a_log(expression).dimension("d")
    assert "slice by what the request says" in str(refused.value)


def test_a_dimension_of_the_request_is_taken():
    assert a_log("lower(browser)").dimension("d") == "ifNull(toString((lower(browser))), 'null')"


def test_a_column_of_a_label_table_is_another_column_than_that_of_the_log():
    assert "browser" in a_log("browser").dimension("d")


def test_of_each_role_it_is_said_whether_it_is_known_before_the_prediction():
    known_before = {"time", "model", "commit", "tier", "pod", "unit", "request_id", "weight"}
    assert known_before | set(OUTCOMES) == set(Columns.model_fields)
