"""The HTML report: complete, offline, and safe against what people write."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.cli.bot_score import NOW, REASON, WORST, a_deployment, condition, judging, rolled_back
from tests.unit.rollout.world import a_result
from tierwise.api.modelrollout import Verification
from tierwise.api.names import Verdict
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.monitoring.verdicts.judgement import ArmCounts
from tierwise.report.charts import interval_marks, timeline_of
from tierwise.report.legend import COVERS_NO_DIFFERENCE, of_results
from tierwise.report.rollout.html import deployment_html, write_report
from tierwise.report.text import count_text, counts_text, coverage_text, duration_text, rate_text


def test_the_report_has_reason_timeline_verdicts_and_versions(tmp_path):
    page = write_report(tmp_path / "report.html", *rolled_back(), now=NOW).read_text(encoding="utf-8")
    for text in (REASON, "v7 → v8", "asn_type=residential", "61 of 1968", "4.1e5", "ghcr.io/acme/bot-score:v8"):
        assert text in page
    assert page.count('class="track"') == 4


@pytest.mark.parametrize(
    ("whole", "traffic", "text"),
    [
        (1.0, 0.5, "the whole and slices that hold 50.0 % of the traffic in the dimension where they hold least"),
        (0.0, 0.5, "slices that hold 50.0 % of the traffic in the dimension where they hold least, not for the whole"),
        (1.0, 0.0, "the whole, and for no slice of at least one dimension"),
        (0.0, 0.0, "neither the whole nor any slice of at least one dimension"),
        (None, 0.0, "no slice of at least one dimension"),
    ],
)
def test_what_labels_are_enough_for_names_no_slices_with_nothing_in_them(whole, traffic, text):
    assert coverage_text(whole, traffic) == text


def delivered(*worst, **changes):
    """v8 serves everywhere, and is watched on the log for a day from then on."""
    _, (rollout,), views = rolled_back()
    record = Verification.model_validate(
        {
            "stage": "AfterRollout", "since": NOW, "until": NOW + timedelta(hours=24), "alpha": 0.0025,
            "control": "history", "shiftSeconds": 86_400.0, "looks": 24, "evidenceUntil": NOW + timedelta(hours=6),
            "watched": ["verified-humans/false-positive-rate", "verified-humans/auc"],
            "notWatched": ["verified-humans/score-shift: scores move with the traffic"],
            "worst": worst, "message": "watched until 12:12:14", **changes,
        }
    )  # fmt: skip
    status = rollout.status.model_copy(update={"result": "Completed", "verification": record, "reason": ""})
    ready = a_deployment(condition("Ready", "True", "AtRest", "v8 is stable"))
    return ready, (replace(rollout, status=status),), views


def test_the_report_shows_what_a_delivered_version_is_watched_for():
    row = {**WORST, "verdict": "Inconclusive", "interval": None, "control": "history", "test": "mixture"}
    page = deployment_html(*delivered(row), now=NOW + timedelta(hours=7))
    for text in (
        "Verification after promotion",
        '<span class="badge going">Verifying</span>',
        "the same hours 1 day before (history)",
        "0.0025 of 0.05",
        "verified-humans/false-positive-rate, verified-humans/auc",
        "verified-humans/score-shift: scores move with the traffic",
        "2026-03-01 18:12:14 UTC",
    ):
        assert text in page
    assert page.count("<span>asn_type=residential</span>") == 2  # the tier's, and its own
    assert page.count("#verification-4") == page.count('id="verification-4"') == 1
    assert 'class="verify" style="left:0.0%;width:25.0%"' in page


def test_a_regression_after_promotion_is_marked_where_it_was_found():
    page = deployment_html(
        *delivered(WORST, verdict="Regressed", finishedAt=NOW + timedelta(hours=6)), now=NOW + timedelta(hours=9)
    )
    assert '<span class="badge bad">Regressed</span>' in page
    assert 'title="found at 2026-03-01 18:12:14 UTC"' in page


def test_a_rollout_that_was_not_watched_has_no_such_part():
    assert "Verification" not in deployment_html(*judging(), now=NOW)


@pytest.mark.parametrize(("interval", "said"), [([-0.003, 0.05], True), ([0.0135, 0.0395], False)])
def test_a_regression_whose_interval_covers_no_difference_is_explained_below_the_table(interval, said):
    page = deployment_html(*delivered({**WORST, "interval": interval}), now=NOW)
    line = "regressed by the e-value; the interval is for the estimate"
    assert (line in page) == said
    assert "Counts beside a value are what it is made of: 61 of 1968 rows are 3.1 %." in page


def test_below_a_table_stands_only_what_occurs_in_it():
    estimate = a_result(candidate=ArmCounts(100), baseline=ArmCounts(100))
    assert of_results([estimate]) == ()
    assert len(of_results([estimate, a_result()])) == 1
    named = a_result(Verdict.REGRESSED, candidate=ArmCounts(100), interval=(-0.03, 0.0))
    assert of_results([named]) == (COVERS_NO_DIFFERENCE,)
    assert of_results([a_result(Verdict.REGRESSED, candidate=ArmCounts(100), interval=None)]) == ()


def test_the_report_has_both_bounds_and_explains_the_evidence_once():
    page = deployment_html(*delivered(WORST), now=NOW)
    assert page.count("tolerance +12.5 %, margin +25 %") >= 2
    assert page.count('class="tolerance"') == page.count('class="margin"')
    assert page.count("means: within tolerance, evidence this strong ever appears with probability below 10^−5.6") == 1


@pytest.mark.parametrize(
    ("value", "n", "bad", "text"),
    [
        (0.031, 1968, 61, "61/1968"),
        (0.939, 1000, 61, "939/1000"),  # an accuracy: the right ones
        (0.25, 1968, 61, "1968"),  # weighted, or a function of a rate
        (None, 0, None, "0"),
    ],
)
def test_a_count_beside_a_value_is_what_the_value_is_made_of(value, n, bad, text):
    assert counts_text(value if value != 0.031 else 61 / 1968, n, bad) == text


def test_the_report_needs_no_network():
    page = deployment_html(*judging(), now=NOW)
    assert not re.search(r"""(src|href|url)\s*[=(]\s*["']?\w+:""", page)
    assert "<script" not in page


def test_a_rollout_that_is_over_keeps_its_result_after_the_next_one():
    _, (rollout,), views = rolled_back()
    ready = a_deployment(condition("Ready", "True", "AtRest", "v7 is stable"))
    page = deployment_html(ready, [rollout], views, now=NOW)
    assert '<span class="badge bad">RolledBack</span>' in page


def test_text_of_others_is_escaped():
    deployment, (rollout,), views = rolled_back()
    evil = rollout.status.model_copy(update={"message": "<script>alert(1)</script>"})
    page = deployment_html(deployment, [type(rollout)(**{**fields(rollout), "status": evil})], views, now=NOW)
    assert "<script>" not in page
    assert "&lt;script&gt;" in page


def fields(value):
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def test_the_timeline_is_in_proportion():
    timeline = timeline_of(rolled_back()[1][0], NOW)
    probe, judge, rollback = timeline.rows[0].segments
    assert (probe.kind, judge.kind, rollback.kind) == ("probe", "judge", "rollback")
    assert probe.width == pytest.approx(60 / 734 * 100, abs=0.01)
    assert judge.left == pytest.approx(probe.width, abs=0.01)
    assert timeline.rows[1].segments == ()
    assert timeline.ticks[0] == (0.0, "0s")


def test_worse_is_on_the_side_of_the_margin():
    marks = interval_marks([0.02, -0.02], [None, (-0.03, -0.01)], [(0.005, 0.01)] * 2, [True, False])
    assert 50 < marks[0].tolerance < marks[0].margin < marks[0].point
    assert marks[1].point < marks[1].margin < marks[1].tolerance < 50
    assert marks[1].point < marks[1].margin < 50
    assert marks[1].low < marks[1].point < marks[1].high


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration_text(734), "12m14s"),
        (duration_text(734, short=True), "12m"),
        (duration_text(0), "0s"),
        (duration_text(3600), "1h"),
        (duration_text(90061), "1d1h"),
        (count_text(9999), "9999"),
        (count_text(12345), "12k"),
        (count_text(2_500_000), "2.5M"),
        (rate_text(None), "–"),
        (rate_text(0.00448), "0.4 %"),
        (rate_text(0.0001), "0.010 %"),
        (e_value_text(5.61), "4.1e5"),
        (e_value_text(-0.3), "0.5"),
        (e_value_text(2.99), "980"),
        (e_value_text(2.9995), "1.0e3"),
        (e_value_text(4), "1.0e4"),
        (e_value_text(-7.1), "7.9e-8"),
        (e_value_text(2000.0), "1.0e2000"),
    ],
)
def test_numbers_read_well(text, expected):
    assert text == expected


CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser (chromium)")
@pytest.mark.parametrize("width", [1200, 480])
def test_a_browser_lays_the_report_out_without_overflow(tmp_path, width):
    page = deployment_html(*delivered(WORST), now=NOW).replace("default-src 'none'", "default-src 'unsafe-inline'")
    probe = "<script>document.title='wide '+document.documentElement.scrollWidth+' of '+innerWidth</script></body>"
    path = tmp_path / "report.html"
    path.write_text(page.replace("</body>", probe), encoding="utf-8")
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--window-size={width},1000",
        f"--user-data-dir={tmp_path}",
    ]
    done = subprocess.run([CHROMIUM, *flags, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=120)
    found = re.search(r"<title>wide (\d+) of (\d+)</title>", done.stdout)
    assert found, done.stderr[-500:]
    assert int(found[1]) <= int(found[2])
