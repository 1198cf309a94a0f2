"""`analyze --to-end`: the decision is that of the stop, and the values of the whole file stand beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.cli.commands.offline.analyze import command

ROWS = 24_000
BAD_UNTIL = 6_000


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """v2 errs on 40 % of the first rows and on 10 % of the others, v1 on 10 %; one carrier comes late."""
    lines = ["model_version,score,label,carrier"]
    for row in range(ROWS):
        is_candidate, turn = row % 2, row // 2 % 10
        is_wrong = turn < (4 if is_candidate and row < BAD_UNTIL else 1)
        lines.append(f"v{1 + is_candidate},0.9,{int(not is_wrong)},{'ZZ' if row > ROWS - 2_000 else 'AA'}")
    path = tmp_path_factory.mktemp("log") / "log.csv"
    path.write_text("\n".join(lines))
    return path


def analyzed(file: Path, *more: str) -> Result:
    asked = ["--data", str(file), "--baseline", "v1", "--candidate", "v2", "--metric", "accuracy:0.05"]
    done = CliRunner().invoke(command, [*asked, "--slice", "carrier", *more])
    assert done.exit_code == 4, done.output
    return done


def document(file: Path, *more: str) -> dict:
    return json.loads(analyzed(file, "-o", "json", *more).stdout)


def test_the_decision_is_the_same_and_the_values_are_of_all_rows(file: Path):
    stopped, read = document(file), document(file, "--to-end")
    assert stopped["window"]["stopped_at_row"] < BAD_UNTIL
    for key in ("window", "gate", "culprits"):
        assert read[key] == stopped[key]
    for before, after in zip(stopped["results"], read["results"], strict=True):
        assert {key: value for key, value in after.items() if key != "whole_file"} == before
        assert "whole_file" not in before
    whole = next(found["whole_file"] for found in read["results"] if not found["slice"])
    wrong = BAD_UNTIL // 2 * 0.4 + (ROWS - BAD_UNTIL) // 2 * 0.1
    assert whole["candidate"]["n"] == whole["baseline"]["n"] == ROWS // 2
    assert whole["candidate"]["bad"] == wrong
    assert whole["candidate"]["value"] == pytest.approx(1 - wrong / (ROWS // 2))
    assert whole["difference"] == pytest.approx(whole["candidate"]["value"] - whole["baseline"]["value"])


def test_a_slice_that_came_after_the_stop_has_values_and_no_verdict(file: Path):
    late = next(found for found in document(file, "--to-end")["results"] if found["slice"] == {"carrier": "ZZ"})
    assert (late["verdict"], late["candidate"]["n"]) == ("InsufficientData", 0)
    assert late["whole_file"]["candidate"]["n"] == 1_000


def test_the_table_says_which_values_are_of_the_whole_file(file: Path):
    text = analyzed(file, "--to-end").stdout
    decision, whole = text.split("Whole file: values over all rows; the decision above is of the rows until the stop")
    assert "Regressed" in decision
    assert "Regressed" not in whole
    assert "read to the end" in decision
    assert "9900/12000" in whole
    assert "Whole file" not in analyzed(file).stdout


def test_the_page_has_the_whole_file_too(file: Path):
    assert "<h3>Whole file</h3>" in analyzed(file, "--to-end", "-o", "html").stdout
    assert "<h3>Whole file</h3>" not in analyzed(file, "-o", "html").stdout


def test_too_many_blocks_are_made_longer_and_the_help_says_so(tmp_path: Path):
    lines = [f"v{1 + row % 2},0.9,1" for row in range(60_000)]
    path = tmp_path / "log.csv"
    path.write_text("\n".join(["model_version,score,label", *lines]))
    asked = ["--data", str(path), "--baseline", "v1", "--candidate", "v2", "--metric", "accuracy:0.05"]
    done = CliRunner().invoke(command, [*asked, "--block", "1", "-o", "json"])
    found = json.loads(done.stdout)
    assert found["window"]["blocks"] == 30_000
    assert any("60000 blocks of 1 row are more than 50000: blocks of 2 rows" in note for note in found["notes"])
    told = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    assert "If there would be more than 50,000 blocks, it chooses longer ones" in told
