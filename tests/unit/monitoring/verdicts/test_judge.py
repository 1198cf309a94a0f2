from datetime import timedelta

import numpy as np
import pytest

from tests.unit.monitoring.builders import (
    a_plan,
    an_analysis,
    before_the_rollout,
    halves,
    message_of,
    some_cells,
    without_slices,
)
from tierwise.api.names import Verdict
from tierwise.api.reasons import Reason
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.verdicts.judge import judge, judged_at
from tierwise.monitoring.verdicts.verdict import verdict_of

EVEN = {"carrier=HA": (0.05, 0.05), "carrier=UA": (0.02, 0.02), "carrier=DL": (0.1, 0.1)}
PAIRS = ("carrier", "origin", "carrier,origin")


def judged(rates, *, analysis=None, history=None, share=None, known=True, seed=4, **kwargs):
    analysis = analysis or an_analysis()
    cells = some_cells(np.random.default_rng(seed), rates, **kwargs)
    wanted = {tuple(g.split(",")) for g in analysis.slices} | {()}
    cells = without_slices(
        cells, {k for k in cells.slices if tuple(p.split("=")[0] for p in k.split(",") if p) not in wanted}
    )
    plan = a_plan(analysis, before_the_rollout(cells) if known else None)
    shares = halves(cells) if share is None else np.full(len(cells.blocks), share)
    return judge(fold(begin(plan), {"flights": cells}, shares))


def by_carrier(judgement):
    return {r.slice.get("carrier", ""): r for r in judgement.results}


def test_a_bad_slice_that_the_whole_hides_is_named_alone():
    j = judged(EVEN | {"carrier=HA": (0.05, 0.25)})
    assert j.regressed
    assert not j.non_inferior
    assert [c.slice for c in j.culprits] == [{"carrier": "HA"}]
    assert j.results[0].verdict is Verdict.REGRESSED
    assert j.stopped_at is not None


def test_evidence_falls_from_row_to_row_and_known_changes_come_last():
    known = {"slice": {"carrier": "UA"}, "metric": "error-rate", "change": "Ignore"}
    rates = EVEN | {"carrier=HA": (0.05, 0.12), "carrier=UA": (0.02, 0.4)}
    *judged_rows, ignored = judged(rates, analysis=an_analysis(expect=[known])).results
    assert ignored.slice["carrier"] == "UA"
    rows = [row.log10_e for row in judged_rows if row.slice.get("carrier") != "UA"]
    assert rows == sorted(rows, reverse=True)
    assert len(set(rows)) == 3
    assert ignored.log10_e > rows[-1]


def test_equal_models_become_non_inferior_everywhere():
    j = judged(EVEN, per_block=1500, blocks=60)
    assert j.non_inferior
    assert not j.regressed
    assert {r.verdict for r in j.results} == {Verdict.NON_INFERIOR}
    assert j.coverage_traffic == 1.0
    assert j.seconds_to_decision is None


def test_a_better_model_improves_and_counts_as_non_inferior():
    j = judged({"carrier=HA": (0.2, 0.1), "carrier=UA": (0.2, 0.1)}, blocks=40)
    assert j.non_inferior
    assert {r.verdict for r in j.results} <= {Verdict.IMPROVED}


def test_too_few_labels_stay_open_and_say_what_is_missing():
    j = judged(EVEN, blocks=10)
    assert not j.non_inferior
    assert not j.regressed
    assert j.seconds_to_decision is not None
    assert j.seconds_to_decision > 0
    whole = by_carrier(j)[""]
    assert whole.verdict is Verdict.INCONCLUSIVE
    assert whole.labels_needed is not None
    assert whole.labels_needed > 0


def test_no_rows_are_never_a_pass():
    plan = a_plan(an_analysis(), before_the_rollout(some_cells(np.random.default_rng(1), EVEN)))
    j = judge(begin(plan))
    assert not j.non_inferior
    assert not j.regressed
    assert j.rows == j.labels == (0, 0)
    assert {r.verdict for r in j.results} == {Verdict.INSUFFICIENT_DATA}
    assert all(r.difference is None and r.interval is None and r.candidate_value is None for r in j.results)


def test_rows_without_labels_are_never_a_pass():
    j = judged(EVEN, labelled=(0.0, 0.0), blocks=50, per_block=2000)
    assert not j.non_inferior
    assert j.labels == (0, 0)
    assert min(j.rows) > 0


def test_one_empty_arm_is_never_a_pass():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=50, per_block=2000)
    plan = a_plan(an_analysis(), before_the_rollout(cells))
    j = judge(fold(begin(plan), {"flights": before_the_rollout(cells)}, halves(cells)))
    assert not j.non_inferior
    assert not j.regressed


def test_recall_reads_in_its_own_direction():
    cells = some_cells(np.random.default_rng(4), {"carrier=HA": (0.05, 0.3)}, blocks=3)
    counts = cells.counts.copy()
    counts[..., 1, 0] = cells.counts[..., 0, 1] + cells.counts[..., 1, 0]  # all errors are misses
    counts[..., 1, 1] = cells.counts[..., 0, 0]
    counts[..., 0, :] = 0
    plan = a_plan(an_analysis(metrics=("recall",)), before_the_rollout(cells))
    result = judge(fold(begin(plan), {"flights": Cells(cells.blocks, cells.slices, counts)}, halves(cells))).results[0]
    assert result.difference is not None
    assert result.difference < -0.1
    assert result.interval is not None
    assert result.interval[0] < result.difference < result.interval[1]
    assert result.candidate_value == 1 - result.candidate.bad / result.candidate.n


def test_counts_shown_are_all_rows_also_those_that_wait():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=7, per_block=2)
    j = judge(fold(begin(a_plan(an_analysis(), before_the_rollout(cells))), {"flights": cells}, halves(cells)))
    for r in j.results:
        s = cells.slices.index(f"carrier={r.slice['carrier']}" if r.slice else "")
        assert r.candidate.n + r.baseline.n == cells.counts[:, s, :, :2].sum()


def test_traffic_split_off_is_reported_with_numbers():
    assert message_of(judged(EVEN, blocks=30, candidate_share=0.5, share=0.5), Reason.SAMPLE_RATIO_MISMATCH) is None
    message = message_of(judged(EVEN, blocks=30, candidate_share=0.5, share=0.3), Reason.SAMPLE_RATIO_MISMATCH)
    assert message is not None
    assert "30.0%" in message
    assert message_of(judged(EVEN, blocks=30, share=float("nan")), Reason.SAMPLE_RATIO_MISMATCH) is None


def test_labels_present_unequally_are_reported():
    assert message_of(judged(EVEN, blocks=30, labelled=(0.6, 0.6)), Reason.LABELING_DIFFERS) is None
    message = message_of(judged(EVEN, blocks=30, labelled=(0.6, 0.5)), Reason.LABELING_DIFFERS)
    assert message is not None
    assert "flights" in message
    assert message_of(judged(EVEN, blocks=30, labelled=(0.5, 0.6)), Reason.LABELING_DIFFERS) is not None


def test_invalid_answers_are_shares_by_arm():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=5)
    counts = cells.counts.copy()
    counts[:, :, 1, :, 2] = counts[:, :, 1].sum(axis=-1)
    counts[:, :, 1, :, :2] = 0
    plan = a_plan(an_analysis(), before_the_rollout(cells))
    j = judge(fold(begin(plan), {"flights": Cells(cells.blocks, cells.slices, counts)}, halves(cells)))
    assert j.out_of_domain == (0.0, 1.0)
    assert not j.non_inferior


JUDGED_TOO = ("error-rate", "out-of-domain")


@pytest.mark.parametrize(
    ("lost", "metrics", "margin", "whose"),
    [
        ((0.0, 0.2), ("error-rate",), 0.01, "20.0% of the candidate's rows have no valid answer"),
        ((0.2, 0.0), ("error-rate",), 0.01, "20.0% of the baseline's rows have no valid answer"),
        ((0.2, 0.2), ("error-rate",), 0.01, None),
        ((0.0, 0.2), JUDGED_TOO, 0.01, None),
        ((0.2, 0.0), JUDGED_TOO, 0.01, "20.0% of the baseline's rows have no valid answer"),
        ((0.2, 0.0), JUDGED_TOO, 0.21, None),
    ],
)
def test_an_arm_with_fewer_valid_answers_is_told_unless_the_dataset_judges_that(lost, metrics, margin, whose):
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=30)
    counts = cells.counts.copy()
    for arm, share in enumerate(lost):
        gone = (counts[:, :, arm] * share).round().astype(np.int64)  # whatever their label
        counts[:, :, arm] -= gone
        counts[:, :, arm, :, 2] += gone.sum(axis=-1)
    plan = a_plan(an_analysis(metrics=metrics, margin={"absolute": margin}), before_the_rollout(cells))
    j = judge(fold(begin(plan), {"flights": Cells(cells.blocks, cells.slices, counts)}, halves(cells)))
    assert (message_of(j, Reason.DOMAIN_SUSPECT) is None) == (whose is None)
    assert whose is None or whose in message_of(j, Reason.DOMAIN_SUSPECT)


def test_a_wanted_improvement_that_does_not_come_is_noted():
    expect = [{"slice": {"carrier": "HA"}, "metric": "error-rate"}]
    assert any("HA" in n for n in judged(EVEN, analysis=an_analysis(expect=expect)).notes)
    better = EVEN | {"carrier=HA": (0.3, 0.1)}
    assert not any("HA" in n for n in judged(better, analysis=an_analysis(expect=expect), blocks=40).notes)


def test_culprit_pair_explains_its_dimensions_and_the_whole():
    atoms = {f"carrier={c},origin={o}": (0.05, 0.05) for c in ("HA", "UA", "DL") for o in ("JFK", "LGA", "EWR")}
    atoms["carrier=HA,origin=JFK"] = (0.05, 0.4)
    j = judged(atoms, analysis=an_analysis(slices=PAIRS), per_block=300)
    assert [c.slice for c in j.culprits] == [{"carrier": "HA", "origin": "JFK"}]


def test_culprit_dimension_explains_its_pairs():
    atoms = {
        f"carrier={c},origin={o}": (0.05, 0.3 if c == "HA" else 0.05) for c in ("HA", "UA", "DL") for o in ("A", "B")
    }
    j = judged(atoms, analysis=an_analysis(slices=PAIRS), per_block=300)
    assert [c.slice for c in j.culprits] == [{"carrier": "HA"}]


def test_two_culprits_are_both_named():
    rates = {f"carrier={c}": (0.05, 0.2 if c in ("HA", "UA") else 0.05) for c in ("HA", "UA", "DL", "AA", "B6")}
    analysis = an_analysis()
    cells = some_cells(np.random.default_rng(4), rates, blocks=1, per_block=2000)
    j = judge(fold(begin(a_plan(analysis, before_the_rollout(cells))), {"flights": cells}, halves(cells)))
    assert {c.slice.get("carrier") for c in j.culprits} == {"HA", "UA"}


def test_overlap_that_the_counts_do_not_tell_is_said():
    atoms = {"carrier=HA,origin=HNL": (0.05, 0.4), "carrier=UA,origin=JFK": (0.05, 0.05)}
    j = judged(atoms, analysis=an_analysis(slices=("carrier", "origin")), per_block=500)
    assert {tuple(c.slice.items()) for c in j.culprits} == {(("carrier", "HA"),), (("origin", "HNL"),)}
    assert any("may be the same rows" in n for n in j.notes)


def test_time_to_decision_shrinks_by_the_lag_already_waited():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=10, per_block=40)
    evidence = fold(begin(a_plan(an_analysis(), before_the_rollout(cells))), {"flights": cells}, halves(cells))
    now = judge(evidence).seconds_to_decision
    later = judged_at(judge(evidence), cells.blocks[-1].end + timedelta(seconds=30)).seconds_to_decision
    assert now is not None
    assert later is not None
    assert now - later == pytest.approx(30)


def test_verdict_precedence():
    flags = {"candidate_n": 100, "baseline_n": 100}
    assert verdict_of(named=True, improved=True, non_inferior=True, **flags) is Verdict.REGRESSED
    assert verdict_of(named=False, improved=True, non_inferior=True, **flags) is Verdict.IMPROVED
    assert verdict_of(named=False, improved=False, non_inferior=True, **flags) is Verdict.NON_INFERIOR
    assert verdict_of(named=False, improved=False, non_inferior=False, **flags) is Verdict.INCONCLUSIVE
    empty = {"candidate_n": 4, "baseline_n": 100}
    assert verdict_of(named=False, improved=False, non_inferior=False, **empty) is Verdict.INSUFFICIENT_DATA


def test_versions_that_were_not_served_together_are_said_to_be_compared_over_time():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=40)
    assert {r.control for r in judged(EVEN).results} == {"concurrent"}
    cells.counts[:20, :, 1] = 0
    cells.counts[20:, :, 0] = 0
    j = judge(fold(begin(a_plan(an_analysis(), before_the_rollout(cells))), {"flights": cells}, halves(cells)))
    assert {r.control for r in j.results} == {"before-after"}
    assert any("only 0% of the rows are in blocks with both versions" in note for note in j.notes)


def test_coverage_tells_the_whole_from_the_dimension_that_is_covered_worst():
    small = {f"carrier={i}": (0.05, 0.05) for i in range(8)}
    j = judged(small, per_block=60, blocks=20)
    assert (j.coverage_whole, j.coverage_traffic) == (1.0, 0.0)


def test_an_arm_that_stops_to_have_rows_is_gone_and_one_that_pauses_is_not():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=30)
    plan = a_plan(an_analysis(), before_the_rollout(cells))
    assert judge(fold(begin(plan), {"flights": cells}, halves(cells))).gone is None
    cells.counts[10:12, :, 1] = 0
    assert judge(fold(begin(plan), {"flights": cells}, halves(cells))).gone is None
    cells.counts[25:, :, 1] = 0
    assert judge(fold(begin(plan), {"flights": cells}, halves(cells))).gone == "candidate"
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=30)
    cells.counts[:15, :, 1] = 0
    cells.counts[15:, :, 0] = 0
    assert judge(fold(begin(plan), {"flights": cells}, halves(cells))).gone == "baseline"
