"""Hashes of datasets that exist stay: rows stored under them and tiers in flight would be lost otherwise."""

from __future__ import annotations

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning import snapshot
from tierwise.monitoring.query.log import config

SPEC = {
    "table": "ml.requests",
    "columns": {"score": "bot_score", "label": "is_bot", "labelledAt": "labelled_at"},
    "where": "source = 'captcha'",
    "maturity": "5m",
    "threshold": 0.3,
    "scale": {"kind": "Logit"},
    "dimensions": [{"name": "browser", "expression": "browser"}],
}


def test_a_dataset_of_the_first_release_has_the_hashes_it_had():
    dataset = Dataset("humans", MonitoringDatasetSpec.model_validate(SPEC), (("browser",),))
    assert f"{config.config_hash(dataset):016x}" == "3913f283152537a4"
    assert snapshot.pinned_hash(dataset) == "e4029860a481995d"
