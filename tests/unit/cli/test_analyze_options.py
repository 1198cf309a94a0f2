"""Options of `analyze` that do not fit are told before anything is opened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from tierwise.cli.commands.offline.analyze import AnalyzeOptions
from tierwise.cli.main import cli
from tierwise.cli.options.analysis_request import request_of_data
from tierwise.cli.options.types import Margins, Moment, Span

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
VERSIONS = ["--baseline", "v1", "--candidate", "v2"]
METRIC = ["--metric", "accuracy:0.05"]
FILE = ["--data", "log.parquet"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([*FILE, *VERSIONS, "--metric", "acuracy:0.01"], "metric 'acuracy' is unknown; did you mean accuracy"),
        ([*FILE, *VERSIONS, "--metric", "accuracy:lots"], "margin 'lots' of accuracy is neither absolute"),
        ([*FILE, *VERSIONS, "--metric", "accuracy:1.5"], "margin '1.5' of accuracy is more than 1"),
        ([*FILE, *VERSIONS], "which metric? give --metric NAME:MARGIN"),
        ([*FILE, *METRIC, "--baseline", "v1", "--candidate", "v1"], "--baseline and --candidate are both 'v1'"),
        ([*FILE, *VERSIONS, *METRIC, "--since", "yesterday"], "'yesterday' is neither a time such as"),
        ([*FILE, *VERSIONS, *METRIC, "--since", "99999999999h"], "is more than a hundred years"),
        ([*FILE, *VERSIONS, *METRIC, "--block", "99999999999h"], "is more than a hundred years"),
        ([*FILE, *VERSIONS, *METRIC, "--until", "9999-12-31T23:59:59-12:00"], "not within the years 1 to 9999"),
        ([*FILE, *VERSIONS, *METRIC, "--since", "2h"], "--since and --until need --time"),
        ([*FILE, *VERSIONS, *METRIC, "--block", "1m"], "without --time a block is a number of rows"),
        ([*FILE, *VERSIONS, *METRIC, "--time", "ts", "--block", "500"], "--block 500 has no unit"),
        ([*FILE, *VERSIONS, *METRIC, "--tier", "tier-3"], "--tier needs --tier-column"),
        ([*FILE, *VERSIONS, *METRIC, "--deployment", "mdep.yaml"], "describe the file with --dataset too"),
        ([*FILE, *VERSIONS, *METRIC, "--dataset", "a.yaml", "--dataset", "b.yaml"], "so give one --dataset"),
        (
            [*FILE, *VERSIONS, *METRIC, "--dataset", "a.yaml", "--score", "p"],
            "leave --score away and set spec.columns.sc",
        ),
        ([*FILE, *VERSIONS, *METRIC, "--label-data", "labels.csv"], "is not NAME=FILE"),
        ([*FILE, *VERSIONS, *METRIC, "--label-data", "x=labels.csv"], "--label-data needs --data, and --dataset"),
        ([*VERSIONS, *METRIC], "nothing to read; give --store DSN"),
        ([*VERSIONS, *METRIC, "--store", "chdb:///x"], "--store needs --dataset"),
        ([*FILE, "--candidate", "v2"], "Missing option '--baseline'"),
    ],
)
def test_wrong_usage_exits_2_and_says_what_to_give(arguments, expected):
    result = CliRunner().invoke(cli, ["analyze", *arguments], env={"TIERWISE_STORE": None})
    assert result.exit_code == 2, result.output
    assert expected in " ".join(result.output.split())


def test_a_metric_alone_has_its_own_margin():
    assert Margins().convert("accuracy", None, None).margin.absolute == 0.01
    assert Margins().convert("false-positive-rate:30%", None, None).margin.relative == pytest.approx(0.3)


def test_times_are_moments_in_utc_or_durations_before_now():
    assert Moment().convert("2026-03-01T12:00:00", None, None) == NOW
    assert Moment().convert("2026-03-01T13:00:00+01:00", None, None) == NOW
    assert Moment().convert("90m", None, None) == timedelta(minutes=90)


def test_blocks_are_seconds_or_rows():
    assert Span().convert("1m", None, None) == 60.0
    rows = Span().convert("500", None, None)
    assert (rows, type(rows)) == (500, int)


def options(**given):
    plain = dict.fromkeys(AnalyzeOptions.__dataclass_fields__)
    metric = Margins().convert("accuracy:0.05", None, None)
    defaults = {
        "dataset_files": (), "tiers": (), "slices": ("Carrier Code", "b,a"), "metrics": (metric,), "data": "log.csv",
        "baseline": "v1", "candidate": "v2", "version_column": "model_version", "score_column": "score",
        "label_column": "label", "threshold": 0.5, "positive": "AtOrAbove", "alpha": 0.05,
    }  # fmt: skip
    return AnalyzeOptions(**{**plain, **defaults, **given})


def test_a_file_without_time_is_folded_by_a_thousand_rows():
    request = request_of_data(options(), NOW)
    assert request.in_file_order
    assert request.block_seconds == 1000
    assert request.tiers[0].alpha == pytest.approx(0.045)


def test_columns_of_a_file_may_have_any_name():
    spec = request_of_data(options(time_column="ts"), NOW).datasets["data"]
    assert [(d.name, d.expression) for d in spec.dimensions] == [
        ("Carrier Code", "`Carrier Code`"),
        ("b", "`b`"),
        ("a", "`a`"),
    ]
