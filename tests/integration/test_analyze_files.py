"""Files as people have them: what is in them is read as it is meant, wherever it is read, or told to be wrong."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from rich.console import Console

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.cli.commands.offline.analyze import command
from tierwise.cli.options.analysis_options import AnalyzeOptions
from tierwise.cli.options.analysis_request import FILE_DATASET, request_of_data
from tierwise.cli.options.types import Margins
from tierwise.errors import SpecError
from tierwise.report.analysis.json_form import analysis_json
from tierwise.report.analysis.table import render_analysis
from tierwise.runtime.offline.analysis import Analysis, analyze

NOW = datetime(2026, 4, 1, tzinfo=UTC)
START = datetime(2026, 3, 1, 6)  # noqa: DTZ001  # as files hold it
HEADER = "ts,model_version,score,label,carrier\n"


@dataclass(frozen=True)
class Row:
    ts: str = ""
    version: str = ""
    score: str = "0.6"
    label: str = "1"
    carrier: str = "AA"


def lines(rows: Iterable[Row]) -> str:
    """CSV; versions take turns and a row a second where nothing else is said."""
    text = [HEADER]
    for i, row in enumerate(rows):
        ts = row.ts or (START + timedelta(seconds=i)).isoformat(" ")
        text.append(f"{ts},{row.version or ('v1' if i % 2 else 'v2')},{row.score},{row.label},{row.carrier}\n")
    return "".join(text)


def csv(folder: Path, rows: Iterable[Row]) -> Path:
    path = folder / "log.csv"
    path.write_text(lines(rows))
    return path


def analysis(path: Path, *, max_values: int = 10_000, **given: object) -> Analysis:
    from tierwise.adapters.prediction_logs.recorded import open_recorded_file

    plain = dict.fromkeys(AnalyzeOptions.__dataclass_fields__)
    defaults = {
        "dataset_files": (), "tiers": (), "slices": (), "metrics": (Margins().convert("accuracy:0.05", None, None),),
        "data": str(path), "baseline": "v1", "candidate": "v2", "version_column": "model_version",
        "score_column": "score", "label_column": "label", "time_column": "ts", "threshold": 0.5,
        "positive": "AtOrAbove", "alpha": 0.05,
    }  # fmt: skip
    request = request_of_data(AnalyzeOptions(**{**plain, **defaults, **given}), NOW)
    spec = request.datasets[FILE_DATASET]
    spec = spec.model_copy(
        update={"dimensions": [d.model_copy(update={"max_values": max_values}) for d in spec.dimensions]}
    )
    request = replace(request, datasets={FILE_DATASET: spec})
    with open_recorded_file(str(path), spec, None) as log:
        return analyze(request, log, NOW)


def rows_by_slice(found: Analysis) -> dict[str, int]:
    return {r.slice.get("carrier", "(all)"): r.candidate.n + r.baseline.n for r in found.tiers[0].judgement.results}


def test_versions_and_slices_in_a_csv_are_what_is_written(tmp_path):
    pairs = [("1.1", "00501"), ("1.10", "501"), ("1.1", "501"), ("1.10", "1e3")]
    path = csv(tmp_path, [Row(version=v, carrier=c) for _ in range(20) for v, c in pairs])
    found = analysis(path, baseline="1.1", candidate="1.10", slices=("carrier",))
    assert rows_by_slice(found) == {"(all)": 80, "00501": 20, "501": 40, "1e3": 20}


def test_a_csv_with_the_index_of_pandas_is_read_as_one_without(tmp_path):
    pairs = [("1.1", "00501"), ("1.10", "501")]
    plain = lines([Row(version=v, carrier=c) for _ in range(20) for v, c in pairs]).splitlines()
    path = tmp_path / "log.csv"
    path.write_text("\n".join([f",{plain[0]}", *(f"{at},{line}" for at, line in enumerate(plain[1:]))]))
    found = analysis(path, baseline="1.1", candidate="1.10", slices=("carrier",))
    assert rows_by_slice(found) == {"(all)": 40, "00501": 20, "501": 20}


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_a_time_without_zone_is_utc_wherever_it_is_read(tmp_path, zone):
    # A process of its own: an engine has one time zone.

    path = csv(tmp_path, [Row()] * 20)
    options = ["--data", path, "--time", "ts", "--baseline", "v1", "--candidate", "v2", "--metric", "accuracy:0.05"]
    done = subprocess.run(
        [sys.executable, "-m", "tierwise.cli.main", "analyze", *options, "-o", "json"],
        capture_output=True, text=True, env={**os.environ, "TZ": zone}, check=False,
    )  # fmt: skip
    assert '"from": "2026-03-01T06:00:00Z"' in done.stdout, done.stderr


@pytest.mark.parametrize(
    "ts", ["2026-03-01T08:00:00+02:00", "2026-03-01 06:00:00", "2026-03-01T06:00:00.000Z", "1772344800"]
)
def test_times_in_text_are_read_in_every_usual_form(tmp_path, ts):
    table = pa.table(
        {"ts": [ts] * 20, "model_version": ["v1", "v2"] * 10, "score": [0.6] * 20, "label": ["1"] * 20},
    )
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    for path in (tmp_path / "log.parquet", csv(tmp_path, [Row(ts=ts)] * 20)):
        assert analysis(path).window.start == START.replace(tzinfo=UTC)


@pytest.mark.parametrize(("right", "wrong"), [("1", "0"), ("1.0", "0.0"), ("true", "false"), ("True", "False")])
def test_labels_in_text_are_ones_and_zeros_and_the_rest_is_counted(tmp_path, right, wrong):
    labels = [right] * 30 + [wrong] * 10 + ["", "maybe", "2", "nan"]
    found = analysis(csv(tmp_path, [Row(label=label) for label in labels]))
    whole = found.tiers[0].judgement.results[0]
    assert whole.candidate.n + whole.baseline.n == 40
    assert whole.candidate.bad + whole.baseline.bad == 10
    assert found.invalid.label == 3


def test_a_type_that_changes_late_in_a_file_loses_no_row(tmp_path):
    rows = [Row(score="1", label="0")] * 30_000 + [Row(score="0.57"), Row(score="high"), Row(score="NaN")]
    rows.append(Row(ts="2026-03-01 06:00:00.250"))
    found = analysis(csv(tmp_path, rows))
    whole = found.tiers[0].judgement.results[0]
    assert whole.candidate.n + whole.baseline.n == 30_002
    assert found.invalid.score == 2


def test_rows_without_a_version_are_counted_as_of_another(tmp_path):
    table = pa.table(
        {
            "ts": [START + timedelta(seconds=i) for i in range(30)],
            "model_version": ["v1", "v2", None] * 10,
            "score": [0.6] * 30,
            "label": [1] * 30,
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    assert analysis(tmp_path / "log.parquet").invalid.version == 9  # the last row is after both versions' last


def test_values_that_are_no_text_are_counted_and_shown(tmp_path):
    values = [b"\xff", b"\xfe", b"ok", b"[/]", b"\x1b[31mred"] * 10
    table = pa.table(
        {
            "ts": [START + timedelta(seconds=i) for i in range(50)],
            "model_version": ["v1"] * 25 + ["v2"] * 25,
            "score": [0.6] * 50,
            "label": [1] * 50,
            "carrier": pa.array(values, pa.binary()),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    found = analysis(tmp_path / "log.parquet", slices=("carrier",))
    assert rows_by_slice(found) == {"(all)": 50, "�": 20, "ok": 10, "[/]": 10, "\x1b[31mred": 10}
    console = Console(file=io.StringIO(), width=200)
    console.print(render_analysis(found))
    shown = console.file.getvalue()
    assert "carrier=[/]" in shown
    assert "\x1b" not in shown
    assert analysis_json(found)["results"]


def test_every_column_may_have_any_name(tmp_path):
    names = {"ts": "served at", "model_version": "version`s", "score": "π", "label": "was right?", "carrier": "1st; --"}
    path = csv(tmp_path, [Row()] * 20)
    path.write_text(path.read_text().replace(HEADER, ",".join(names.values()) + "\n"))
    found = analysis(
        path,
        time_column=names["ts"],
        version_column=names["model_version"],
        score_column=names["score"],
        label_column=names["label"],
        slices=(names["carrier"],),
    )
    assert {"1st; --": "AA"} in [r.slice for r in found.tiers[0].judgement.results]


@pytest.mark.parametrize(
    ("row", "given", "complaint"),
    [
        (Row(ts="yesterday"), {}, "no time in column 'ts' can be read"),
        (Row(score="high"), {}, "no score in column 'score' can be read"),
        (Row(), {"slices": ("airline",)}, "column 'airline' is not there (columns: ts, model_version, score, label"),
    ],
)
def test_what_cannot_be_read_at_all_is_an_error(tmp_path, row, given, complaint):
    with pytest.raises(SpecError) as caught:
        analysis(csv(tmp_path, [row] * 20), **given)
    assert complaint in caught.value.message


@pytest.mark.parametrize(
    ("option", "complaint"),
    [
        (["--slice", ""], "a name is empty"),
        (["--slice", "carrier,"], "a name is empty"),
        (["--score", ""], "a column has an empty name"),
        (["--threshold", "nan"], "--threshold nan is not a finite number"),
        (["--alpha", "nan"], "--alpha nan is not a rate"),
        (["--alpha", "1e-300"], "--alpha 1e-300 is not a rate"),
        (["--metric", "accuracy:0.1"], "--metric accuracy is given twice"),
    ],
)
def test_options_that_make_no_sense_are_wrong_usage(tmp_path, option, complaint):
    base = ["--data", "log.csv", "--time", "ts", "--baseline", "v1", "--candidate", "v2", "--metric", "accuracy:0.05"]
    done = CliRunner().invoke(command, [*base, *option])
    assert done.exit_code == 2
    assert complaint in done.output


@pytest.mark.parametrize("slices", [("carrier",), ("carrier,origin",)])
def test_values_beyond_the_limit_are_the_same_ones_in_every_run_of_blocks(tmp_path, slices):
    # 60 values of which 50 are counted by name; in each half hour others are the most frequent, and the last minute
    # has few. 720 blocks are three queries or more.
    rng = np.random.default_rng(3)
    n = 12_000
    half = np.arange(n) // (n // 2)
    carrier = np.where(rng.random(n) < 0.5, rng.integers(0, 60, n), half * 30 + rng.integers(0, 30, n))
    carrier[-200:] = carrier[-200:] // 10 * 10
    version = rng.choice(["v1", "v2"], n)
    table = pa.table(
        {
            "ts": [START + timedelta(seconds=i * 0.3) for i in range(n)],
            "model_version": version,
            "score": np.full(n, 0.6),
            "label": np.ones(n, dtype=np.uint8),
            "carrier": [f"c{value}" for value in carrier],
            "origin": np.full(n, "JFK"),
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    found = analysis(tmp_path / "log.parquet", slices=slices, max_values=50, block=5.0)
    counted = {r.slice["carrier"]: r.candidate.n for r in found.tiers[0].judgement.results if r.slice}
    assert len(counted) == 51
    of_candidate = carrier[version == "v2"]
    for value, rows in counted.items():
        if value != "other":
            assert rows == (of_candidate == int(value[1:])).sum(), value
    assert sum(counted.values()) == len(of_candidate)
    assert not any("reserved" in note for note in found.tiers[0].judgement.notes)


def test_one_versions_rows_after_the_others_in_the_file_are_no_pass(tmp_path):
    rows = [Row(version="v1")] * 3000 + [Row(version="v2")] * 1000 + [Row(version="v2", score="0.1")] * 2000
    path = csv(tmp_path, rows)
    asked = ["--data", str(path), "--baseline", "v1", "--candidate", "v2", "--metric", "accuracy:0.3", "-o", "json"]
    held = CliRunner().invoke(command, asked)
    assert held.exit_code == 3
    assert "mix the rows, or judge all of them as one block: --block 6000" in json.loads(held.stdout)["gate"]["message"]
    assert CliRunner().invoke(command, [*asked, "--block", "6000"]).exit_code == 4


def test_a_window_with_too_few_rows_for_any_slice_says_so_before_all_else(tmp_path):
    carriers = ["AA", "AA", "DL"]
    path = csv(tmp_path, [Row(label="1" if i // 2 % 10 else "0", carrier=carriers[i // 2 % 3]) for i in range(2400)])

    def shown(margin: str) -> tuple[list[str], list[str]]:
        metrics = (Margins().convert(f"accuracy:{margin}", None, None),)
        found = analysis(path, slices=("carrier",), metrics=metrics, block=60.0)
        console = Console(file=io.StringIO(), width=300)
        console.print(render_analysis(found))
        return console.file.getvalue().splitlines(), analysis_json(found)["unjudged"]

    (first, second, *_), told = shown("0.02")
    assert first.startswith("nothing has rows enough in this window to be judged, not even all traffic together: take")
    assert second.startswith("model: v1 → v2")
    assert told == [first.rstrip()]
    wider = re.search(r"widen the margin of accuracy to ([\d.]+) pp, for carrier=AA", first)
    assert wider is not None
    enough, none = shown(str(float(wider[1]) / 100))
    assert enough[0].startswith("model: v1 → v2")
    assert none == []
