"""A MonitoringDataset's own status, written by an operator on a real API server from a real store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Kubectl
from tests.support.model import model_deployment, monitoring_dataset
from tests.support.operator import running_operator
from tests.support.polling import eventually
from tests.support.store import ServedStore, served_store
from tierwise.adapters.clickhouse.store import open_store
from tierwise.local.cluster import Cluster

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(300)]

PASSWORD = "staple-battery-51d2"  # of no store at all


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedStore]:
    """Given a store with a table and no rows."""
    with served_store(tmp_path_factory.mktemp("datasets") / "data") as store:
        open_store(store.dsn).init(["segment"])
        yield store


@pytest.fixture(scope="module")
def place(
    control_plane: Cluster,
    crds_installed: None,
    admin: Kubectl,
    served: ServedStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Kubectl]:
    """Given two namespaces and an operator that serves both."""
    names = ("usable-one", "usable-two")
    log = tmp_path_factory.mktemp("operator") / "operator.log"
    with ExitStack() as stack:
        for name in names:
            admin("create", "namespace", name)
            stack.callback(admin, "delete", "namespace", name, "--wait=false")
        both = ("-n", names[1], "--store", served.dsn)
        stack.enter_context(running_operator(control_plane.kubeconfig, names[0], log, *both))
        yield admin.inside(names[0])


def log_rows(store: ServedStore, rows: int = 100, *, model: str = "model", age: float = 60.0) -> None:
    """`rows` predictions of v1, `age` seconds old, of which half have a label."""
    at = datetime.now(UTC) - timedelta(seconds=age)
    labels = [n % 2 if n % 4 < 2 else None for n in range(rows)]
    columns: dict[str, list[Any]] = {
        "ts": [at] * rows,
        "model": [model] * rows,
        "model_version": ["v1"] * rows,
        "score": [0.5] * rows,
        "label": labels,
        "segment": ["a"] * rows,
    }
    open_store(store.dsn).insert_predictions(columns)


def condition(kubectl: Kubectl, name: str, kind: str = "Ready") -> dict[str, Any]:
    found = kubectl.get("mds", name).get("status", {}).get("conditions", [])
    return next((each for each in found if each["type"] == kind), {})


def becomes(kubectl: Kubectl, name: str, status: str, reason: str, within: float = 60) -> str:
    """Wait for Ready with this status and reason; its message."""

    def there() -> bool:
        now = condition(kubectl, name)
        return (now.get("status"), now.get("reason")) == (status, reason)

    eventually(there, within=within, every=0.3, what=f"{name} is {status}, {reason}: {condition(kubectl, name)}")
    return str(condition(kubectl, name)["message"])


def test_it_becomes_ready_once_rows_and_labels_are_there(place: Kubectl, served: ServedStore):
    place.apply(monitoring_dataset("segment", name="humans"))
    assert "the log has no predictions; check that pods log them" in becomes(place, "humans", "False", "NoRows")

    log_rows(served)
    message = becomes(place, "humans", "True", "Usable")
    assert message.startswith("100 predictions in 1h00m until ")
    assert message.endswith("50.0% labelled; versions v1")
    found = place.get("mds", "humans")
    assert found["status"]["observedGeneration"] == found["metadata"]["generation"]
    assert found["status"]["log"]["rows"] == 100
    assert found["status"]["log"]["labelled"] == 0.5
    assert [each["name"] for each in found["status"]["log"]["versions"]] == ["v1"]
    assert {c["type"]: c["status"] for c in found["status"]["conditions"]} == {
        "Ready": "True",
        "Reconciling": "False",
        "Stalled": "False",
    }


def test_a_column_that_is_not_there_is_named_and_a_new_generation_is_checked_at_once(place: Kubectl):
    place.apply(monitoring_dataset("segment", name="typo", columns={"label": "is_bot"}))
    message = becomes(place, "typo", "False", "UnknownColumn")
    assert "column 'is_bot' is not in predictions (columns: ts, tier, pod, model, model_version" in message
    assert "spec.columns.label" in message
    assert condition(place, "typo", "Stalled")["status"] == "True"

    place.apply(monitoring_dataset("segment", name="typo", columns={"label": "label"}))
    becomes(place, "typo", "True", "Usable", within=10)
    place("delete", "mds", "typo")


WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "table": ({"table": "nowhere"}, "UnknownTable", "fix spec.table"),
    "type": ({"columns": {"score": "segment"}}, "DatasetInvalid", "the score 'segment' is"),
    "column": ({"columns": {"latency": "millis"}}, "UnknownColumn", "set spec.columns.latency"),
    "sql": ({"where": "sleep(3) = 0"}, "QueryRefused", "sleep"),
    "value": ({"values": [{"name": "clicks", "expression": "clicked"}]}, "UnknownColumn", "clicked"),
    "old": ({"freshness": {"maxAge": "10s"}}, "StaleLog", "at most 10 s are allowed"),
    "few": ({"volume": {"minRows": 1_000_000}}, "TooFewRows", "at least 1000000 are expected"),
    "young": ({"maturity": "3h"}, "NoLabels", "no prediction is as old as spec.maturity (3h)"),
}


def test_what_is_wrong_is_said(place: Kubectl):
    place.apply(*(monitoring_dataset("segment", name=name, **change) for name, (change, _, _) in WRONG.items()))
    for name, (_, reason, words) in WRONG.items():
        assert words in becomes(place, name, "False", reason), name
    place("delete", "mds", *WRONG)


def test_label_sources_that_differ_are_told_and_it_stays_ready(place: Kubectl):
    sources = [
        {"name": "research", "column": "label"},
        {"name": "rule", "column": "label_rule"},
    ]
    query = "SELECT *, if(isNull(label), NULL, 1) AS label_rule FROM predictions"
    place.apply(monitoring_dataset("segment", name="sources", table=None, query=query, labels={"sources": sources}))
    message = becomes(place, "sources", "True", "Usable")
    told = "label sources 'research' and 'rule' differ on 25 of 50 rows (50.0%)"
    assert told in message
    agree = condition(place, "sources", "LabelsAgree")
    assert (agree["status"], agree["reason"], agree["message"]) == ("False", "LabelSourcesDiffer", told)
    place("delete", "mds", "sources")


def test_a_store_that_is_away_leaves_it_unknown_until_it_is_back(place: Kubectl, tmp_path: Path):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "own-store"}}
    dataset = monitoring_dataset("segment", name="away", store={"dsnSecret": {"name": "own-store", "key": "dsn"}})
    with served_store(tmp_path / "data") as store:
        open_store(store.dsn).init(["segment"])
        log_rows(store)
        away = f"clickhouse://reader:{PASSWORD}@127.0.0.1:9/default"
        place.apply({**secret, "stringData": {"dsn": away}}, dataset)
        assert "is it up, and is the address right?" in becomes(place, "away", "Unknown", "StoreUnreachable")
        assert condition(place, "away", "Reconciling")["status"] == "True"
        assert PASSWORD not in place("get", "mds", "away", "-o", "yaml")

        place.apply({**secret, "stringData": {"dsn": store.dsn}})
        becomes(place, "away", "True", "Usable")
    place("delete", "mds", "away")


def test_its_own_status_write_makes_nothing_be_checked_again(place: Kubectl, served: ServedStore):
    """An annotation and a status are no other generation: rows that came since are counted by the next slow check."""
    place.apply(monitoring_dataset("segment", name="calm"))
    becomes(place, "calm", "True", "Usable")
    before = place.get("mds", "calm")["status"]
    log_rows(served, 7)
    place("annotate", "mds", "calm", "team=fraud")
    place.apply(monitoring_dataset("segment", name="later"))
    assert becomes(place, "later", "True", "Usable").startswith("107 predictions")  # checked after the annotation
    assert place.get("mds", "calm")["status"] == before
    place("delete", "mds", "calm", "later")


def test_a_model_of_the_same_name_in_another_namespace_is_told(place: Kubectl, admin: Kubectl):
    second = admin.inside("usable-two")
    for kubectl in (place, second):
        kubectl.apply(model_deployment("v1", dataset="shared"))
    place.apply(monitoring_dataset("segment", name="shared"))
    becomes(place, "shared", "True", "Usable")
    second.apply(monitoring_dataset("segment", name="shared"))
    for kubectl, other in ((second, "usable-one/model"), (place, "usable-two/model")):
        eventually(
            lambda kubectl=kubectl: condition(kubectl, "shared", "ModelNameUnique").get("status") == "False",
            within=30,
            what="that the model's name is shared is told",
        )
        shared = condition(kubectl, "shared", "ModelNameUnique")
        assert shared["reason"] == "ModelNameShared"
        assert shared["message"].startswith(f"ModelDeployment {other} has spec.model 'model' too")
        assert condition(kubectl, "shared")["status"] == "True"
