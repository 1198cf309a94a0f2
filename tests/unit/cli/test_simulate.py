from __future__ import annotations

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from tierwise.cli.main import cli

SMALL = ["--generate", "carrier=3", "--metric", "accuracy:0.03", "--max-duration", "20m", "--min-duration", "5m"]
DROP = ["--drop", "carrier=c02 accuracy 0.95->0.8"]


def run(*arguments):
    return CliRunner().invoke(cli, ["simulate", *arguments, "--processes", "1"])


def test_the_same_seed_gives_the_same_bytes_and_every_rule_has_its_shares():
    first, again = (run(*SMALL, *DROP, "--runs", "3", "--seed", "5", "-o", "json") for _ in range(2))
    assert first.stdout == again.stdout
    found = json.loads(first.stdout)
    assert found["schema"] == "tierwise.io/simulation/v1"
    assert found["rules"][0]["name"] == "tierwise"
    assert len(found["rules"]) == 9
    assert found["rollouts"]["drop"]["rolled_back"] == 3
    assert found["rollouts"]["drop"]["named"] == 3
    for rule in found["rules"]:
        low, high = rule["false_stops"]["interval"]
        assert low <= rule["false_stops"]["share"] <= high


def test_yaml_has_the_facts_of_json():
    as_yaml, as_json = (run(*SMALL, "--runs", "1", "-o", output).stdout for output in ("yaml", "json"))
    assert yaml.safe_load(as_yaml) == json.loads(as_json)


def test_the_table_says_how_rollouts_ended():
    result = run(*SMALL, *DROP, "--runs", "2")
    assert result.exit_code == 0
    assert "2 of 2 promoted through all tiers" in result.stdout
    assert "α = 0.05 of the rollout, 0.045 of the tier" in " ".join(result.stdout.split())
    assert re.search(r"threshold-3\s+\d", result.stdout)


def test_a_drop_that_the_policy_cannot_see_is_exit_3():
    result = run(*SMALL[:-4], "--max-duration", "5m", "--runs", "2", "--drop", "carrier=c03 accuracy 0.95->0.93")
    assert result.exit_code == 3


def test_a_drop_that_begins_after_the_promotion_is_exit_3_and_told():
    late = [*SMALL, "--drop", "carrier=c02 accuracy 0.95->0.5", "--onset", "10m", "--runs", "2"]
    found = run(*late, "-o", "json")
    told = json.loads(found.stdout)
    tierwise = told["rules"][0]["detected"]
    assert tierwise["share"] == 1.0  # it would have been stopped, had it not been promoted
    assert tierwise["rolled_back_before_promotion"]["stopped"] == told["rollouts"]["drop"]["rolled_back"] == 0
    assert told["rules"][1]["detected"]["rolled_back_before_promotion"] is None
    assert "minDuration is shorter (5m)" in told["warnings"][0]
    assert found.exit_code == 3

    in_time = run(*late, "--min-duration", "15m")
    assert in_time.exit_code == 0
    assert "ROLLED BACK BEFORE PROMOTION" in in_time.stdout
    assert "warning" not in in_time.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([*SMALL, "--drop", "carrier=c09 accuracy 0.9->0.8"], "carrier=c09 is not generated"),
        ([*SMALL, "--drop", "carrier=c01 accuracy 0.8->0.9"], "no change for the worse"),
        ([*SMALL, "--drop", "carrier=c01 accuracy ->0.97"], "rate of bad answers is 0.05"),
        ([*SMALL, "--drop", "carrier=c01 recall 0.9->0.8"], "recall is not judged"),
        ([*SMALL, "--drop", "carrier=c01 auc 0.9->0.8"], "auc is not a share of answers"),
        ([*SMALL, "--drop", "carrier=c01 out-of-domain ->0.3"], "out-of-domain is not a share of answers"),
        ([*SMALL, "--drop", "nonsense"], "is not 'DIM=VALUE METRIC FROM->TO'"),
        ([*SMALL, "--metric", "auc"], "auc needs more of a row; it has accuracy"),
        (["--generate", "carrier"], "is not DIM=COUNT"),
        ([*SMALL, "--onset", "30"], "--onset 30 has no unit"),
        ([*SMALL, "--candidate", "v2"], "--candidate replays a log"),
        (["--generate", "carrier=3", "--metric", "accuracy", "--max-duration", "5m", "--min-duration", "6m"], "soak"),
        (["--generate", "carrier=3", "--metric", "accuracy", "--slice", "origin"], "'origin' does not exist"),
        (["--metric", "accuracy"], "give --store"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_simulated(arguments, message):
    result = run(*arguments, "--runs", "1")
    assert result.exit_code in (1, 2)
    assert message in " ".join((result.stderr).replace("│", " ").split())


def test_estimated_metrics_are_judged_and_left_out_of_the_peers_rules():
    found = json.loads(run(*SMALL, "--metric", "mcc:0.05", "--runs", "1", "-o", "json").stdout)
    assert found["policy"]["tiers"][0]["hypotheses"] == 2 * (1 + 3 + 1)
    assert "p < 0.05/4" in next(rule["description"] for rule in found["rules"] if rule["name"] == "z-test-bonferroni")
