from __future__ import annotations

import numpy as np
import pytest

from tests.unit.simulation.builders import a_policy, a_stream
from tierwise.metrics import registry
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.planning.drop import Drop
from tierwise.simulation.streams.harm import ImpossibleDropError, can_be_simulated, flip_share, flips_of

SIMULATED = [name for name in registry.names() if "@" not in name and can_be_simulated(name)]
_NEGATIVES, _POSITIVES = (0, 0), (1, 1)  # right answers, as (label, answer)


def rates(cells, key, metric):
    """Value of the metric by arm."""
    counts = cells.counts.sum(axis=0)[cells.slices.index(key)]
    found = registry.get(metric)
    return [found.value(*(int(x) for x in found.n_bad(counts[arm]))) for arm in (BASELINE, CANDIDATE)]


def test_slices_add_up_to_the_whole_and_pairs_to_their_dimensions():
    policy = a_policy(slices=("carrier", "origin", "carrier,origin"))
    cells = a_stream(policy, {"carrier": 3, "origin": 2}).counts((0,), 0, range(5), worse=False)["flights"]

    place = {key: i for i, key in enumerate(cells.slices)}
    whole = cells.counts[:, place[""]]
    assert len(cells.slices) == 1 + 3 + 2 + 6
    assert whole.sum() > 0
    for prefix in ("carrier=", "origin="):
        alone = [i for key, i in place.items() if key.startswith(prefix) and "," not in key]
        assert (cells.counts[:, alone].sum(axis=1) == whole).all()
    pairs = [i for key, i in place.items() if key.startswith("carrier=c01,")]
    assert (cells.counts[:, pairs].sum(axis=1) == cells.counts[:, place["carrier=c01"]]).all()


def test_the_same_seed_gives_the_same_counts_and_another_run_others():
    stream = a_stream(a_policy())
    first, again, other = (stream.counts((0, 0, run), 0, range(3), worse=False)["flights"].counts for run in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("metric", SIMULATED)
def test_a_drop_moves_the_candidate_in_its_slice_to_the_value_asked_for(metric):
    policy = a_policy(metric)
    usual = rates(a_stream(policy, rows=200_000).counts((0,), 0, range(3), worse=False)["flights"], "", metric)[0]
    after = usual - 0.1 if registry.get(metric).direction == "HigherIsBetter" else usual + 0.1
    stream = a_stream(policy, rows=200_000, drop=Drop({"carrier": "c02"}, metric, None, after))

    cells = stream.counts((0,), 0, range(3), worse=True)["flights"]

    baseline, candidate = rates(cells, "carrier=c02", metric)
    assert baseline == pytest.approx(usual, abs=0.01)
    assert candidate == pytest.approx(after, abs=0.01)
    assert rates(cells, "carrier=c01", metric)[CANDIDATE] == pytest.approx(usual, abs=0.01)


@pytest.mark.parametrize(
    ("metric", "flips"),
    [
        ("accuracy", {_NEGATIVES, _POSITIVES}),
        ("recall", {_POSITIVES}),
        ("npv", {_POSITIVES}),
        ("precision", {_NEGATIVES}),
        ("f1", {_NEGATIVES, _POSITIVES}),
        ("positive-rate", {(0, 0), (1, 0), (2, 0)}),
        ("out-of-domain", set()),
    ],
)
def test_only_answers_whose_inverse_is_bad_for_the_metric_are_inverted(metric, flips):
    assert set(flips_of(metric)) == flips
    assert can_be_simulated(metric) == bool(flips)


@pytest.mark.parametrize("metric", SIMULATED)
def test_what_was_before_the_drop_is_the_rate_of_both_arms(metric):
    before, after = (0.8, 0.6) if registry.get(metric).direction == "HigherIsBetter" else (0.2, 0.4)
    policy = a_policy(metric)
    stream = a_stream(policy, rows=200_000, drop=Drop({"carrier": "c01"}, metric, before, after))
    same = stream.counts((0,), 0, range(3), worse=False)["flights"]
    assert rates(same, "carrier=c01", metric) == [pytest.approx(before, abs=0.01)] * 2
    worse = stream.counts((0,), 0, range(3), worse=True)["flights"]
    assert rates(worse, "carrier=c01", metric) == [pytest.approx(before, abs=0.01), pytest.approx(after, abs=0.01)]
    assert rates(worse, "carrier=c02", metric)[CANDIDATE] == pytest.approx(
        rates(same, "carrier=c02", metric)[0], abs=0.01
    )


def test_a_value_before_the_drop_that_no_answers_can_have_is_refused():
    drop = Drop({"carrier": "c01"}, "precision", 0.01, 0.005)
    with pytest.raises(ImpossibleDropError, match=r"precision 0\.01 before the drop"):
        a_stream(a_policy("precision"), drop=drop)


def test_a_drop_begins_at_its_onset():
    policy = a_policy("error-rate")
    drop = Drop({"carrier": "c01"}, "error-rate", None, 0.5, onset_seconds=180)
    cells = a_stream(policy, rows=100_000, drop=drop).counts((0,), 0, range(6), worse=True)["flights"]
    wrong = cells.counts[:, 1, CANDIDATE]
    rate = (wrong[:, 0, 1] + wrong[:, 1, 0]) / wrong.sum(axis=(1, 2))
    assert (rate[:3] < 0.1).all()
    assert (rate[3:] > 0.4).all()


def test_rows_without_a_label_are_counted_as_unknown():
    policy = a_policy()
    cells = a_stream(policy, rows=100_000, labelled=0.25).counts((0,), 0, range(2), worse=False)["flights"]
    by_label = cells.counts[:, 0].sum(axis=(0, 1, 3))
    assert by_label[2] / by_label.sum() == pytest.approx(0.75, abs=0.01)


def test_a_drop_that_is_no_drop_or_that_no_flips_can_bring_is_refused():
    counts = np.array([[90.0, 10, 0], [10, 90, 0], [0, 0, 0]])
    with pytest.raises(ImpossibleDropError, match=r"0\.1 "):
        flip_share("error-rate", counts, 0.05)
    with pytest.raises(ImpossibleDropError, match="no rows"):
        flip_share("recall", np.zeros((3, 3)), 0.5)
