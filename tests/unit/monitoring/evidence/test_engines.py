from dataclasses import replace

import numpy as np
import pytest

from tests.unit.monitoring.builders import a_plan, an_analysis, before_the_rollout, halves, message_of, some_cells
from tests.unit.monitoring.engines import SPEC_OF_SCORES, a_plan_of, scored
from tierwise.api.monitoringdataset import MetricThreshold
from tierwise.api.names import Verdict
from tierwise.api.reasons import Reason
from tierwise.metrics import registry
from tierwise.monitoring.counts.tallies import window_tally
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.verdicts.judge import judge
from tierwise.rollout.gate import Situation, gate
from tierwise.stats import betting

EVEN = {"carrier=HA": (0.05, 0.05), "carrier=UA": (0.02, 0.02)}
WEIGHTED = SPEC_OF_SCORES.model_copy(update={"columns": SPEC_OF_SCORES.columns.model_copy(update={"weight": "w"})})
OF_NUMBERS = SPEC_OF_SCORES.model_copy(update={"target": "Number"})
TWO_POINTS = {"absolute": 0.02}


def judged(plan, cells):
    return judge(fold(begin(plan), {"flights": cells}, halves(cells)))


def result(judgement, metric, carrier=None):
    wanted = {} if carrier is None else {"carrier": carrier}
    return next(r for r in judgement.results if r.metric == metric and r.slice == wanted)


def test_a_proportion_has_the_bits_of_its_bets_alone():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=40, per_block=30)
    plan = a_plan(an_analysis(), before_the_rollout(cells))
    evidence = fold(begin(plan), {"flights": cells}, halves(cells))
    layout, past = evidence.layout, np.zeros((4, evidence.layout.size))
    logs = np.zeros((betting.REGRESSION_ALTERNATIVES, layout.size))
    ones, half = np.ones(layout.size), np.full(layout.size, 0.005)
    for block in cells.counts:
        now = np.zeros_like(past)
        for slot, key in enumerate(evidence.slots[0]):
            c = block[cells.slices.index(key)]
            bad, n = c[:, 0, 1] + c[:, 1, 0], c[:, :2, :2].sum(axis=(1, 2))
            now[:, slot] = n[1], bad[1], n[0], bad[0]
        known = slice(0, len(evidence.slots[0]))
        null = betting.Boundary(ones[known], half[known])
        betting.add_regression(part := logs[:, known], now[:, known], past[:, known], null, layout.prior[known])
        logs[:, known] = part
        past += now
    assert evidence.bets.regression.tobytes() == logs.tobytes()


def test_a_lost_ranking_is_found_by_auc_alone_and_only_where_it_is():
    analysis = an_analysis(metrics=("auc",), margin=TWO_POINTS)
    j = judged(a_plan_of(analysis), scored(1, skill=(1.0, 0.7)))
    assert j.regressed
    assert [c.slice for c in j.culprits] == [{"carrier": "HA"}]
    found = result(j, "auc", "HA")
    assert found.test == "mixture"
    assert found.candidate.bad is None
    assert found.difference == pytest.approx(found.candidate_value - found.baseline_value)
    assert found.interval[0] < found.difference < found.interval[1] < 0


def test_an_equal_ranking_becomes_non_inferior_and_is_powered_by_the_spread_of_the_past():
    analysis = an_analysis(metrics=("auc",), margin=TWO_POINTS)
    plan = a_plan_of(analysis)
    assert plan.datasets[0].powered.all()
    assert not a_plan_of(analysis, expected_share=0.1).datasets[0].powered.any()
    j = judged(plan, scored(1, blocks=60))
    assert j.non_inferior
    assert {r.verdict for r in j.results} == {Verdict.NON_INFERIOR}


def test_late_onset_of_an_estimated_metric_does_not_pay_for_the_hours_before():
    analysis = an_analysis(metrics=("auc",), margin=TWO_POINTS)
    calm = scored(1, blocks=60, rows=200, seconds=240)
    worse = scored(2, blocks=12, rows=200, seconds=60, skill=(1.0, 0.6), start=calm.blocks[-1].end)
    found = {}
    for hours in (1, 8):
        evidence = fold(begin(a_plan_of(analysis, hours=hours)), {"flights": calm}, halves(calm))
        evidence = fold(evidence, {"flights": worse}, halves(worse))
        found[hours] = evidence.log_regression.max()
        assert (len(evidence.mixtures.late) > 0) == (hours == 8)
    assert found[8] > found[1] + 2


@pytest.mark.parametrize("shift", [0.5, -0.5])
def test_a_shift_of_the_score_is_found_either_way_and_counts_once(shift):
    analysis = an_analysis(metrics=("score-shift",), margin={"absolute": 0.05})
    plan = a_plan_of(analysis, spread=a_spread())
    assert plan.hypotheses == 4  # the whole, two carriers, one reserved
    j = judged(plan, scored(1, shift=shift))
    assert [c.slice for c in j.culprits] == [{"carrier": "HA"}]
    moved = result(j, "score-shift", "HA")
    assert np.sign(moved.difference) == -np.sign(shift)  # fewer rows below an edge when scores rise
    assert moved.log10_e_non_inferior is None
    unsure = judged(a_plan_of(analysis), scored(1, shift=shift))
    assert not unsure.regressed, "how much scores scatter by themselves is not known"
    assert message_of(unsure, Reason.REGRESSION_OBSERVED) is not None


def test_promotion_does_not_wait_for_a_shift():
    analysis = an_analysis(metrics=("auc", "score-shift"), margin=TWO_POINTS)
    j = judged(a_plan_of(analysis), scored(1, blocks=60))
    assert j.non_inferior
    assert result(j, "score-shift").verdict is Verdict.INCONCLUSIVE
    alone = judged(a_plan_of(an_analysis(metrics=("score-shift",))), scored(1, blocks=60))
    assert not alone.non_inferior
    assert any("only shifts are judged" in note for note in alone.notes)


def test_sample_weights_are_judged_by_the_mixture_with_the_rows_shown():
    analysis = an_analysis(metrics=("error-rate",), margin=TWO_POINTS)
    plan = a_plan_of(analysis, spec=WEIGHTED, weighted=True)
    cells = scored(1, blocks=60, weighted=True)
    j = judged(plan, cells)
    whole = result(j, "error-rate")
    assert whole.test == "mixture"
    assert j.non_inferior
    assert whole.candidate.n == cells.counts[:, 0, 1].sum()
    w = cells.weights[0, :, 0, 1].sum(axis=0)
    assert whole.candidate_value == pytest.approx((w[0, 1] + w[1, 0]) / w.sum())
    worse = judged(plan, scored(1, blocks=60, weighted=True, skill=(1.0, 0.5)))
    assert [c.slice for c in worse.culprits] == [{"carrier": "HA"}]


def test_a_ranking_of_rows_with_sample_weights_is_judged_by_them():
    analysis = an_analysis(metrics=("auc",), margin=TWO_POINTS)
    plan = a_plan_of(analysis, spec=WEIGHTED, weighted=True)
    cells = scored(1, blocks=120, weighted=True)
    j = judged(plan, cells)
    found = result(j, "auc")
    one = window_tally(plan.datasets[0].dataset, cells)
    expected = registry.get("auc").measure.estimate(one).value
    assert (found.baseline_value, found.candidate_value) == pytest.approx(tuple(expected[0]), rel=1e-12)
    assert j.non_inferior
    worse = judged(plan, scored(1, blocks=60, weighted=True, skill=(1.0, 0.5)))
    assert [c.slice for c in worse.culprits] == [{"carrier": "HA"}]


def a_spread(metrics=1, *, phi=1.0, sigma=float("nan"), phi_split=1.0, pods=6, degrees=10_000, apart=0.0):
    slices = ("", "carrier=HA", "carrier=UA")
    every, known = np.full((metrics, 3), phi), np.full(metrics, sigma)
    return Spread(slices, every, known, phi_split, pods, np.full(metrics, degrees), np.full((metrics, 3), apart))


@pytest.mark.parametrize("metric", ["error-rate", "auc"])
def test_overdispersion_weakens_evidence_and_is_shown(metric):
    analysis = an_analysis(metrics=(metric,), margin=TWO_POINTS)
    cells = scored(1, blocks=4, skill=(1.0, 0.8))
    plain = judged(a_plan_of(analysis), cells)
    calmer = judged(a_plan_of(analysis, spread=a_spread(phi=4.0)), cells)
    assert 0 < result(calmer, metric, "HA").log10_e < result(plain, metric, "HA").log10_e
    assert result(calmer, metric, "HA").phi == 4.0
    few = a_plan_of(analysis, spread=a_spread(phi=4.0), expected_share=4.0).datasets[0].powered.sum()
    assert few < a_plan_of(analysis, expected_share=4.0).datasets[0].powered.sum()


@pytest.mark.parametrize("margin", [TWO_POINTS, {"relative": 0.2}])
def test_a_difference_that_pods_alone_may_make_is_no_regression(margin):
    analysis = an_analysis(metrics=("error-rate",), margin=margin)
    cells = scored(1, blocks=40, skill=(1.0, 0.8))
    plan = a_plan_of(analysis, spread=a_spread(sigma=0.2))
    pods = np.full((40, 2), 3)
    evidence = fold(begin(plan), {"flights": cells}, halves(cells), pods)
    assert evidence.stopped_at is None
    assert result(judge(evidence), "error-rate", "HA").sigma_pod == 0.2
    assert any("3 and 3 pods" in note for note in judge(evidence).notes)
    many = fold(begin(plan), {"flights": cells}, halves(cells), np.full((40, 2), 300))
    assert many.stopped_at is not None
    # Three degrees of freedom say less of the same spread than very many do.
    unsure = a_plan_of(analysis, spread=a_spread(sigma=0.02, degrees=2))
    sure = a_plan_of(analysis, spread=a_spread(sigma=0.02))
    logs = [fold(begin(p), {"flights": cells}, halves(cells), pods).log_sup.max() for p in (unsure, sure)]
    assert logs[0] < logs[1]


SPEC_WITH_PODS = SPEC_OF_SCORES.model_copy(update={"columns": SPEC_OF_SCORES.columns.model_copy(update={"pod": "pod"})})


def test_pods_of_unknown_spread_tell_and_never_roll_back():
    analysis = an_analysis(metrics=("error-rate",))
    cells = scored(1, blocks=40, skill=(1.0, 0.5))
    plan = a_plan_of(analysis, spec=SPEC_WITH_PODS, spread=a_spread(degrees=1))
    evidence = fold(begin(plan), {"flights": cells}, halves(cells), np.full((40, 2), 2))
    judgement = judge(evidence)
    assert not judgement.regressed
    assert "too few pods served before" in message_of(judgement, Reason.REGRESSION_OBSERVED)
    assert gate(Situation(judgement, max_duration_passed=True)).reason is Reason.REGRESSION_OBSERVED
    known = a_plan_of(analysis, spec=SPEC_WITH_PODS, spread=a_spread(sigma=0.0))
    assert fold(begin(known), {"flights": cells}, halves(cells), np.full((40, 2), 2)).stopped_at is not None


def test_a_margin_that_pods_use_up_holds_and_says_how_many_pods_are_needed():
    analysis = an_analysis(metrics=("error-rate",), margin={"relative": 0.2})
    cells = scored(1, blocks=40)
    history = scored(5, blocks=60)
    plan = a_plan_of(analysis, history=history, spread=a_spread(sigma=0.2))
    few = judge(fold(begin(plan), {"flights": cells}, halves(cells), np.tile([6, 2], (40, 1))))
    assert not few.non_inferior
    message = message_of(few, Reason.PODS_DIFFER)
    assert "2 candidate and 6 baseline pods" in message
    needed = int(message.split("about ")[1].split(" pods")[0])
    assert 90 <= needed <= 105
    enough = judge(fold(begin(plan), {"flights": cells}, halves(cells), np.full((40, 2), needed)))
    assert message_of(enough, Reason.PODS_DIFFER) is None


def test_fewer_than_three_pods_are_said_and_the_fewest_count():
    cells = scored(1, blocks=3)
    plan = a_plan_of(an_analysis(metrics=("error-rate",)), spread=a_spread(sigma=0.2))
    pods = np.array([[8, 4], [8, 2], [8, 4]])
    evidence = fold(begin(plan), {"flights": cells}, halves(cells), pods)
    assert evidence.fewest_pods == (8, 2)
    assert any("only 2 candidate and 8 baseline pods" in note for note in judge(evidence).notes)


def test_bundled_requests_are_no_mismatch_of_the_split():
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=30, candidate_share=0.5)
    history = before_the_rollout(cells)
    plan = a_plan(an_analysis(), history)
    loose = replace(plan, datasets=(replace(plan.datasets[0], phi_split=1e6),))
    share = np.full(30, 0.3)
    assert message_of(judge(fold(begin(plan), {"flights": cells}, share)), Reason.SAMPLE_RATIO_MISMATCH) is not None
    assert message_of(judge(fold(begin(loose), {"flights": cells}, share)), Reason.SAMPLE_RATIO_MISMATCH) is None


def test_a_name_stays_when_the_evidence_falls_again_and_what_decides_is_named():
    worse = some_cells(np.random.default_rng(4), EVEN | {"carrier=HA": (0.05, 0.15)}, blocks=8, per_block=300)
    plan = a_plan(an_analysis(), before_the_rollout(some_cells(np.random.default_rng(1), EVEN)))
    evidence = fold(begin(plan), {"flights": worse}, halves(worse))
    assert evidence.stopped_at is not None
    assert {"carrier": "HA"} in [r.slice for r in judge(evidence).results if r.flagged]
    assert {"carrier": "UA"} not in [r.slice for r in judge(evidence).results if r.flagged]
    fallen = replace(evidence, log_regression=evidence.log_regression - 100)
    assert fallen.named.tolist() == evidence.named.tolist()


def test_a_metric_whose_bins_were_not_read_says_nothing_and_passes_nothing():
    cells = replace(scored(1, blocks=40), bins=None, edges=None)
    j = judged(a_plan_of(an_analysis(metrics=("auc", "score-shift"))), cells)
    assert not j.non_inferior
    assert {r.verdict for r in j.results} == {Verdict.INSUFFICIENT_DATA}
    assert {r.candidate_value for r in j.results} == {None}


def with_sums(cells, analysis, values):
    """Sums of a number that is `values[arm]` on average, with deviation 1, of every counted row."""
    rng = np.random.default_rng(8)
    n = cells.counts.sum(axis=(-1, -2)).astype(float)
    mean = np.array(values) + rng.normal(size=n.shape) / np.sqrt(np.maximum(n, 1))
    by_kind = {"n": n, "x": n * mean, "x2": n * (1 + mean**2)}
    names = [item.name for item in reads_of(analysis, OF_NUMBERS).sums]
    sums = {name: by_kind["n" if i == 0 else "x" if i == 1 else "x2"] for i, name in enumerate(names)}
    return replace(cells, sums=sums)


@pytest.mark.parametrize("moved", [0.6, -0.6])
def test_a_metric_that_must_not_move_either_way_regresses_on_both_sides(moved):
    analysis = an_analysis(metrics=("bias",), margin={"absolute": 0.1})
    plan = a_plan_of(analysis, history=with_sums(scored(9), analysis, (0.0, 0.0)), spec=OF_NUMBERS)
    same = judged(plan, with_sums(scored(1, blocks=60), analysis, (0.0, 0.0)))
    assert result(same, "bias").verdict is Verdict.NON_INFERIOR
    other = judged(plan, with_sums(scored(1), analysis, (0.0, moved)))
    assert result(other, "bias").verdict is Verdict.REGRESSED
    assert result(other, "bias").difference == pytest.approx(moved, abs=0.1)


def test_sums_that_are_no_numbers_are_told_and_never_pass():
    analysis = an_analysis(metrics=("bias",), margin={"absolute": 0.1})
    cells = with_sums(scored(1, blocks=60), analysis, (0.0, 0.0))
    plan = a_plan_of(analysis, history=with_sums(scored(9), analysis, (0.0, 0.0)), spec=OF_NUMBERS)
    for values in cells.sums.values():
        values[0] = np.nan
    j = judged(plan, cells)
    assert not j.non_inferior
    assert not j.regressed
    assert any("is not a number" in note for note in j.notes)
    assert {(r.log10_e, r.candidate_value) for r in j.results} == {(0.0, None)}


def test_a_threshold_of_its_own_counts_the_answers_at_it():
    own = SPEC_OF_SCORES.model_copy(update={"thresholds": [MetricThreshold(metric="recall", threshold=0.8)]})
    analysis = an_analysis(metrics=("recall", "precision"), margin=TWO_POINTS)
    cells = scored(1, blocks=20)
    j = judged(a_plan_of(analysis, spec=own), cells)
    positives = cells.bins[:, 0, 1, 1].sum(axis=0)
    edge = int(np.flatnonzero(cells.edges == 0.8)[0])
    assert result(j, "recall").candidate.bad == positives[:edge].sum()
    usual = cells.counts[:, 0, 1].sum(axis=0)
    assert result(j, "precision").candidate.n == usual[:2, 1].sum()
