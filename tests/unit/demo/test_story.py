"""The demo's story by the real judge, offline: reliable at every time of the year and with every seed."""

from __future__ import annotations

from tests.unit.demo.offline import judge_tier, manifest

RUNS = 12


def test_v2_is_always_rolled_back_before_its_soak_is_over_and_the_carrier_is_named():
    outcomes = [judge_tier("v2", start_second=11 + 5 * run, seed=run) for run in range(RUNS)]
    assert all(outcome.regressed for outcome in outcomes)
    assert max(outcome.seconds for outcome in outcomes) < 20
    named = [[dict(culprit.slice) for culprit in outcome.judgement.culprits] for outcome in outcomes]
    assert named == [[{"carrier": "VX"}]] * RUNS


def test_v3_is_never_rolled_back_and_nearly_always_promoted_within_forty_seconds():
    outcomes = [judge_tier("v3", start_second=25 + 7 * run, seed=100 + run) for run in range(RUNS)]
    assert not any(outcome.regressed for outcome in outcomes)
    assert sum(outcome.promoted and outcome.seconds <= 40 for outcome in outcomes) >= RUNS - 2


def test_the_manifests_of_the_versions_differ_in_the_version_only():
    first, *others = (manifest(f"model-v{n}.yaml") for n in (1, 2, 3))
    for other in others:
        assert other["spec"].pop("version") != first["spec"].get("version")
        assert other == first | {"spec": {k: v for k, v in first["spec"].items() if k != "version"}}
