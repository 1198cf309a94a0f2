"""Small values of the API: durations, slice keys, messages, unsupported features, what is stored stays readable."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.api_cases import cases
from tests.support.api_objects import (
    minimal_deployment,
    model_deployment,
    model_rollout,
    monitoring_dataset,
    with_value,
)
from tierwise.api.common import MESSAGE_LENGTH, Condition, duration_seconds
from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.modelrollout import ModelRolloutSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.slices import WHOLE, parse_slice_key, slice_key
from tierwise.api.supported import unsupported_features

SPECS = {
    "ModelDeployment": ModelDeploymentSpec,
    "ModelRollout": ModelRolloutSpec,
    "MonitoringDataset": MonitoringDatasetSpec,
}


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1h1m1s", 3661)])
def test_durations_are_read_as_seconds(text: str, seconds: int):
    assert duration_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "1d", "4 hours", "-5m", "1.5h", "5"])
def test_other_texts_are_not_durations(text: str):
    with pytest.raises(ValueError, match="is not a duration such as 90s, 10m or 1h30m"):
        duration_seconds(text)


_dimension = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
_value = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(_dimension, _value, max_size=3))
def test_slice_keys_keep_every_value(values: dict[str, str]):
    assert parse_slice_key(slice_key(values)) == values


@given(st.dictionaries(_dimension, _value, max_size=3), st.dictionaries(_dimension, _value, max_size=3))
def test_different_slices_have_different_keys(one: dict[str, str], other: dict[str, str]):
    assert (slice_key(one) == slice_key(other)) == (one == other)


def test_the_whole_has_the_empty_key_and_dimensions_are_sorted():
    assert slice_key({}) == WHOLE
    assert slice_key({"origin": "JFK", "carrier": "a,b=c"}) == "carrier=a%2Cb%3Dc,origin=JFK"


def test_a_long_message_is_shortened_instead_of_refused():
    now = datetime(2026, 1, 1, tzinfo=UTC)
    condition = Condition(type="Ready", status="False", reason="Held", message="x" * 9999, last_transition_time=now)
    assert len(condition.message) == MESSAGE_LENGTH
    assert condition.message.endswith("…")
    assert condition.to_wire()["lastTransitionTime"] == "2026-01-01T00:00:00Z"


def test_everything_that_the_api_server_stores_can_be_read():
    for case in cases():
        if case.is_accepted:
            spec = SPECS[case.data["kind"]].model_validate(case.data["spec"])
            SPECS[case.data["kind"]].model_validate(spec.to_wire())


def test_what_is_written_back_is_accepted_again():
    spec = ModelDeploymentSpec.model_validate(model_deployment()["spec"])
    assert spec.to_wire() == model_deployment()["spec"]


def test_a_column_is_switched_off_by_an_empty_name():
    data = with_value(monitoring_dataset(), ("spec", "columns", "tier"), "")
    assert MonitoringDatasetSpec.model_validate(data["spec"]).columns.tier is None


def test_features_of_later_releases_are_named_with_what_to_do():
    spec = with_value(model_deployment(), ("spec", "tiers", 0, "workloads", "candidatePods"), "InPlace")
    found = unsupported_features(ModelDeploymentSpec.model_validate(spec["spec"]))
    assert found == [
        "spec.tiers[0].workloads.candidatePods: a Deployment cannot update only some of its pods; use Beside"
    ]


def test_fields_of_a_dataset_that_came_later_are_written_only_when_they_are_set():
    """Hashes of datasets that exist rest on what is written."""
    plain = MonitoringDatasetSpec(table="t").model_dump(mode="json", by_alias=True)
    assert list(plain) == [
        *("store", "table", "query", "columns", "where", "maturity", "threshold", "positive", "domain", "scale"),
        "dimensions",
    ]
    assert list(plain["columns"]) == [
        *("time", "model", "version", "commit", "tier", "pod", "score", "label", "labelledAt")
    ]
    full = monitoring_dataset()["spec"]
    assert MonitoringDatasetSpec.model_validate(full).to_wire() == full


def test_a_metric_has_its_own_threshold_or_the_datasets():
    spec = MonitoringDatasetSpec.model_validate(
        {"table": "t", "threshold": 0.3, "thresholds": [{"metric": "recall", "threshold": 0.9}]}
    )
    assert (spec.threshold_of("recall"), spec.threshold_of("precision")) == (0.9, 0.3)


def test_a_plain_deployment_asks_for_nothing_unsupported():
    assert unsupported_features(ModelDeploymentSpec.model_validate(minimal_deployment()["spec"])) == []
    assert ModelRolloutSpec.model_validate(model_rollout()["spec"]).to_wire() == model_rollout()["spec"]
