"""Slices must be known before the prediction."""

import pytest

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.errors import RefusedError
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.query.log.columns import Log, Source


def a_log(expression):
    spec = MonitoringDatasetSpec.model_validate(
        {
            "table": "log",
            "columns": {"score": "bot_score", "labelledAt": "labelled_at"},
            "dimensions": [{"name": "d", "expression": expression}],
        }
    )
    return Log(Dataset("humans", spec, (("d",),)), Source("log", {"browser": "String", "bot_score": "Float64"}))


@pytest.mark.parametrize(
    ("expression", "role"),
    [
        ("bot_score", "score"),
        ("if(bot_score > 0.9, 'high', 'low')", "score"),
        ("concat(browser, toString(label))", "label"),
        ("toHour(`labelled_at`)", "labelledAt"),
        ("model_version", "version"),
    ],
)
def test_a_dimension_of_what_the_versions_did_is_refused(expression, role):
    with pytest.raises(RefusedError, match=rf"columns\.{role}") as refused:
        a_log(expression).dimension("d")
    assert "slice by what the request says" in str(refused.value)


def test_a_dimension_of_the_request_is_taken():
    assert a_log("lower(browser)").dimension("d") == "ifNull(toString((lower(browser))), 'null')"
