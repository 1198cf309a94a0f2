"""`ml_verdicts` on a real ClickHouse engine: created, written, written twice, read back by `explain` and `query`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.unit.rollout.world import T0, a_judgement, a_result
from tests.unit.runtime.keeping import KeptWorld
from tests.unit.runtime.test_keeping import WORSE, completed, judged, rolled_back
from tierwise.adapters.clickhouse.schema import MIGRATIONS
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.clickhouse.verdict_table import read_rollout
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import Verdict
from tierwise.api.reasons import Reason
from tierwise.cli.main import cli
from tierwise.errors import StoreError
from tierwise.rollout.record.verdicts import VerdictRecord

HOSTILE = "a,b='x'\\\n%\x1b"
DATASET = MonitoringDatasetSpec.model_validate({"table": "predictions", "columns": {"tier": "tier", "model": "model"}})


@pytest.fixture
def dsn(tmp_path: Path) -> str:
    return f"chdb://{tmp_path / 'data'}"


@pytest.fixture
def store(dsn: str) -> Iterator[ClickHouseStore]:
    store = open_store(dsn)
    yield store
    store.close()


def records(world: KeptWorld) -> list[VerdictRecord]:
    return world.store.records


@pytest.fixture(scope="module")
def bad() -> list[VerdictRecord]:
    """What an operator wrote of a rollout that was rolled back in its first tier."""
    world = KeptWorld()
    world.fleet.datasets["humans"] = DATASET
    nothing = {"interval": None, "candidate_value": None, "log10_e": None, "log10_e_improved": -math.inf}
    hostile = a_result(Verdict.INCONCLUSIVE, slice={"carrier": HOSTILE}, **nothing)
    world.judge.answer = replace(WORSE, results=(*WORSE.results, hostile))
    rolled_back(world.adopted().apply("v2")).settle()
    return records(world)


def written(store: ClickHouseStore, written: list[VerdictRecord]) -> None:
    for record in written:
        store.write_verdicts(record)


def test_what_is_written_is_read_back(store, bad):
    store.init()
    written(store, bad)
    past = read_rollout(store, "bot-score-1")
    assert past is not None
    by_key = {record.decided.key: record for record in bad}
    assert [record.decided for record in past.decisions] == [by_key[r.decided.key].decided for r in past.decisions]
    back = next(record for record in past.decisions if record.decided.tier == "tier-3")

    def by_slice(record: VerdictRecord) -> dict[str, object]:
        return {json.dumps(dict(each.found.slice)): each for each in record.verdicts}

    expected = by_slice(by_key["tier-3/RollBack"])
    hostile = json.dumps({"carrier": HOSTILE})
    expected[hostile] = replace(expected[hostile], log10_e_improved=None)  # what is not finite is no number
    assert by_slice(back) == expected
    assert len(back.verdicts) == 52
    assert (past.rollout.spec, past.rollout.status) == (bad[-1].spec, bad[-1].status)
    assert past.datasets == {"humans": DATASET}
    assert not past.missing


def test_a_decision_that_is_written_twice_is_there_once(store, bad):
    store.init()
    written(store, [*bad, *bad])
    rows = store.query("SELECT count() AS n FROM ml_verdicts FINAL").column("n")[0].as_py()
    assert rows == sum(1 + len(record.verdicts) for record in bad)


def test_what_lacks_slices_does_not_replace_what_is_whole_whichever_comes_later(store, bad):
    store.init()
    whole = next(record for record in bad if record.decided.tier == "tier-3")
    lacking = replace(whole, verdicts=whole.verdicts[:3], missing=49)
    written(store, [lacking, whole, lacking])
    past = read_rollout(store, "bot-score-1")
    assert past is not None
    assert [(len(record.verdicts), record.missing) for record in past.decisions] == [(52, 0)]


def test_of_two_decisions_of_a_tier_the_later_one_counts(store, bad):
    """The process ended before the first was in the object, and the next one saw another block."""
    store.init()
    back = next(record for record in bad if record.decided.tier == "tier-3")
    before = replace(back, decided=replace(back.decided, decision="Promote", at=back.decided.at - timedelta(seconds=5)))
    written(store, [before, *bad])
    past = read_rollout(store, "bot-score-1")
    assert past is not None
    assert [r.decided.decision for r in past.decisions] == ["Start", "RollBack", "RolledBack"]


def test_a_rollout_of_the_same_name_made_anew_is_another_one(store, bad):
    store.init()
    later = [
        replace(record, uid="anew", decided=replace(record.decided, at=record.decided.at + timedelta(days=1)))
        for record in bad
    ]
    written(store, [*bad, *later])
    past = read_rollout(store, "bot-score-1")
    assert past is not None
    assert past.rollout.uid == "anew"
    assert past.others == (bad[0].uid,)
    assert read_rollout(store, "bot-score-1", "elsewhere") is None


def test_tables_of_the_release_before_get_it_by_init_and_without_it_the_error_says_so(store, bad):
    store.execute("DROP TABLE IF EXISTS ml_verdicts")
    with pytest.raises(StoreError, match="ml_verdicts") as error:
        store.write_verdicts(bad[0])
    assert error.value.reason is Reason.UNKNOWN_TABLE
    assert "tierwise store init" in str(error.value)
    store.init()
    before = len(MIGRATIONS) - 1
    store.execute(f"ALTER TABLE tierwise_migrations DELETE WHERE version > {before} SETTINGS mutations_sync = 2")
    store.execute("DROP TABLE ml_verdicts")
    assert store.init() == len(MIGRATIONS)
    store.write_verdicts(bad[0])
    assert read_rollout(store, "bot-score-1") is not None


def test_explain_of_a_rollout_that_is_gone_says_where_it_is_from(store, dsn, bad, tmp_path):
    store.init()
    written(store, bad)
    store.close()
    nowhere = {"KUBECONFIG": str(tmp_path / "none"), "TIERWISE_KUBECONFIG": str(tmp_path / "none")}
    shown = CliRunner().invoke(cli, ["explain", "bot-score-1", "--store", dsn], env=nowhere)
    assert shown.exit_code == 0, shown.output
    assert f"this is what store {dsn} has of bot-score-1" in " ".join(shown.output.split())
    assert "tier-3: RollBack (Regressed)" in shown.output
    assert "52 slices x metrics" in shown.output
    assert "42 more, with less evidence" in shown.output
    assert "\x1b" not in shown.output
    facts = json.loads(
        CliRunner().invoke(cli, ["explain", "rollout/bot-score-1", "--store", dsn, "-o", "json"], env=nowhere).stdout
    )
    assert facts["source"] == {"object": False, "store": dsn}
    assert facts["rollout"]["result"] == "RolledBack"
    (back,) = [each for each in facts["decisions"] if each["tier"] == "tier-3"]
    assert len(back["verdicts"]) == 52
    assert back["verdicts"][0]["slice"] == {"carrier": "HA"}
    assert back["verdicts"][0]["culprit"]
    missing = CliRunner().invoke(cli, ["explain", "bot-score-7", "--store", dsn], env=nowhere)
    assert missing.exit_code == 1
    assert "has no rollout 'bot-score-7'" in missing.output


def test_explain_of_a_store_without_the_table_says_what_to_run(store, dsn, tmp_path):
    store.execute("SELECT 1")
    store.close()
    shown = CliRunner().invoke(
        cli, ["explain", "bot-score-1", "--store", dsn], env={"TIERWISE_KUBECONFIG": str(tmp_path / "none")}
    )
    assert shown.exit_code == 1
    assert "tierwise store init" in shown.output


def test_the_query_of_a_rollout_gives_its_verdicts_and_its_looks(store, dsn):
    world = KeptWorld()
    world.fleet.datasets["humans"] = DATASET
    world.judge.answer = a_judgement(non_inferior=True, results=(a_result(),), until=T0 + timedelta(hours=1))
    completed(world.adopted().apply("v2")).settle()
    store.init(["carrier"])
    written(store, records(world))
    store.close()
    shown = CliRunner().invoke(cli, ["query", "--rollout", "bot-score-1", "--store", dsn, "-o", "json"])
    assert shown.exit_code == 0, shown.output
    (query,) = json.loads(shown.stdout)["queries"]
    reader = open_store(dsn, read_only=True)
    rows = reader.query(query["sql"]).to_pylist()
    reader.close()
    assert [(row["tier"], row["decision"]) for row in rows if row["metric"]] == [
        ("tier-3", "Promote"), ("tier-2", "Promote"), ("tier-1", "Promote"),
    ]  # fmt: skip
    looks = CliRunner().invoke(
        cli, ["query", "--rollout", "bot-score-1", "--store", dsn, "--show", "look", "--tier", "tier-2"]
    )
    assert looks.exit_code == 0, looks.output
    assert "-- tier-2, humans" in looks.output
    assert "'tier-2'" in looks.output
    assert "13:00:00" in looks.output, "until the last block that was folded"
    wrong = CliRunner().invoke(cli, ["query", "--rollout", "bot-score-1", "--store", dsn, "--baseline", "v1"])
    assert wrong.exit_code == 2


def test_commands_are_read_back(store):
    world = KeptWorld()
    world.judge.answer = a_judgement()
    judged(world.adopted().apply("v2"))
    world.fleet.annotate("bot-score", rollback="it's bad\n'; DROP TABLE x")
    rolled_back(world).settle()
    store.init()
    written(store, records(world))
    past = read_rollout(store, "bot-score-1")
    assert past is not None
    assert [(record.decided.verb, record.decided.message) for record in past.commands] == [
        ("rollback", "it's bad\n'; DROP TABLE x")
    ]
