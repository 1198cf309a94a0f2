from __future__ import annotations

from datetime import UTC, datetime

from tierwise.adapters.kubernetes.objects import given_commands
from tierwise.rollout.state.commands import Given


def an_entry(manager: str, time: str, *annotations: str, **more: object) -> dict[str, object]:
    names = {f"f:tierwise.io/{name}": {} for name in annotations}
    return {"manager": manager, "time": time, "fieldsV1": {"f:metadata": {"f:annotations": names}, **more}}


def test_who_wrote_a_command_is_its_field_manager():
    found = given_commands(
        [
            an_entry("kubectl-annotate", "2026-03-01T12:00:00Z", "promote", "rollback"),
            an_entry("argocd", "2026-03-01T13:00:00Z", **{"f:spec": {"f:paused": {}}}),
            an_entry("tierwise", "2026-03-01T14:00:00Z", "rollback-at"),
        ]
    )
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert found == {
        "promote": Given("kubectl-annotate", noon),
        "rollback": Given("kubectl-annotate", noon),
        "pause": Given("argocd", datetime(2026, 3, 1, 13, tzinfo=UTC)),
    }


def test_of_two_managers_of_one_annotation_it_is_the_later():
    older, newer = (an_entry(name, f"2026-03-01T1{n}:00:00Z", "retry") for n, name in ((0, "a"), (1, "b")))
    assert given_commands([newer, older])["retry"].by == given_commands([older, newer])["retry"].by == "b"


def test_objects_that_tell_nothing_of_their_fields_give_no_names():
    assert given_commands([]) == {}
    assert given_commands([{"manager": "x"}]) == {}
