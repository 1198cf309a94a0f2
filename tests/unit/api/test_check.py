"""The offline checks find what the API server refuses: tests/integration/test_crds.py gives it the same objects."""

from __future__ import annotations

import pytest

from tests.support.api_cases import Case, cases
from tests.support.api_objects import minimal_deployment, monitoring_dataset, with_value, without
from tierwise.api.schema.check import Path, check_object
from tierwise.api.supported import path_text

CASES = cases()


def test_offline_checks_accept_what_the_api_server_accepts():
    wrong = {case.constraint: check_object(case.data) for case in CASES if case.is_accepted}
    assert {constraint: found for constraint, found in wrong.items() if found} == {}


def test_offline_checks_refuse_what_the_api_server_refuses():
    def is_found(case: Case) -> bool:
        return any(violation.path[: len(case.path)] == case.path for violation in check_object(case.data))

    assert [case.constraint for case in CASES if not case.is_accepted and not is_found(case)] == []


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (("spec", "tiers", 0, "exposure"), "120%", "spec.tiers[0].exposure: '120%' is more than 100 %; give 1–90 %"),
        (("spec", "tiers", 0, "exposure"), 0, "spec.tiers[0].exposure: 0 is outside the range; give 1–90 %"),
        (
            ("spec", "tiers", 0, "exposure"),
            "5",
            "spec.tiers[0].exposure: '5' is not written as expected; write it as 5%",
        ),
        (
            ("spec", "analysis", "datasets", 0, "metrics", 0, "margin", "absolute"),
            "5%",
            "spec.analysis.datasets[0].metrics[0].margin.absolute: is '5%'; write it as 0.05",
        ),
        (("spec", "tiers"), [], "spec.tiers: has 0 items; give at least 1"),
        (("spec", "version", "commit"), 60833, "spec.version.commit: 60833 is a number, not text; quote it"),
        (("spec", "version", "comit"), "a", "spec.version.comit: is not a known field; did you mean commit?"),
        (("spec", "pause"), True, "spec.pause: is not a known field; did you mean paused?"),
        (("spec", "progressDeadline"), "1d", "spec.progressDeadline: '1d' is not a duration; give one such as"),
        (("spec", "analysis", "falseRollbackRate"), 1, "falseRollbackRate: 1 is too large; give less than 1"),
        (
            ("spec", "analysis", "onInconclusive"),
            "hold",
            "'hold' is not known; give Hold or Promote or RollBack (did",
        ),
        (("spec", "delivery"), None, "spec.delivery: is empty; give an object, or leave the key out"),
        (("kind",), "ModelDeployments", ""),
    ],
)
def test_messages_say_what_is_wrong_and_what_to_do(path: Path, value: object, text: str):
    found = [f"{path_text(v.path)}: {v.message}" for v in check_object(with_value(minimal_deployment(), path, value))]
    assert (text in found[0]) if text else found == []


def test_rules_see_defaults_as_the_api_server_does():
    assert (
        check_object(with_value(minimal_deployment(), ("spec", "tiers", 0, "maxDuration"), "9m"))[0].path[-1]
        == "maxDuration"
    )
    assert check_object(without(monitoring_dataset(), ("spec", "table")))[0].path == ("spec", "table")


def test_a_missing_name_and_an_unknown_version_are_told():
    assert (
        check_object(without(minimal_deployment(), ("metadata", "name")))[0].message
        == "has no name; give metadata.name"
    )
    old = check_object(with_value(minimal_deployment(), ("apiVersion",), "tierwise.io/v1"))
    assert old[0].message == "'tierwise.io/v1' is not known; give tierwise.io/v1alpha1"
