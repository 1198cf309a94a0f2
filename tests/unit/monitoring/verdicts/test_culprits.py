import math

import numpy as np

from tierwise.monitoring.verdicts.culprits import Named, shortest_list
from tierwise.monitoring.verdicts.strength import Strength
from tierwise.stats.delay import growth

NEEDED = math.log(4000)


def counts_of(n, rate_candidate, rate_baseline):
    return np.array([n, n * rate_candidate, n, n * rate_baseline], dtype=float)


def strength(counts):
    keys = list(counts)

    def of(_, parts):
        rows = [sum((sign * counts[keys[slot]] for sign, slot in part), np.zeros(4)) for part in parts]
        empty = [row[0] <= 0 or row[2] <= 0 for row in rows]
        grown = [0.0 if e else growth(r[:, None], np.ones(1), np.zeros(1))[0] for e, r in zip(empty, rows, strict=True)]
        return np.array(grown)

    return Strength({key: slot for slot, key in enumerate(keys)}, of)


def listed(counts, complete=()):
    evidence = strength(counts).of([], [[(1, slot)] for slot in range(len(counts))])
    every = [Named(key, float(e), needed=NEEDED) for key, e in zip(counts, evidence, strict=True)]
    return shortest_list([n for n in every if n.log_e >= NEEDED], strength(counts), complete)


def test_a_combination_that_never_occurs_is_no_unseen_overlap():
    counts = {
        "": counts_of(100_000, 0.055, 0.05),
        "carrier=HA": counts_of(1000, 0.3, 0.05),
        "origin=LGA": counts_of(1000, 0.3, 0.05),
    }
    assert listed(counts).unseen_overlaps == (("carrier=HA", "origin=LGA"),)
    found = listed(counts, complete=[("carrier", "origin")])
    assert set(found.keys) == {"carrier=HA", "origin=LGA"}
    assert found.unseen_overlaps == ()


def test_overlapping_culprits_are_subtracted_once():
    both = counts_of(500, 0.3, 0.05)
    bad, good = counts_of(1000, 0.3, 0.05), counts_of(8000, 0.05, 0.05)
    counts = {
        "": 2 * bad + both + good,
        "carrier=HA": bad + both,
        "origin=LGA": bad + both,
        "carrier=HA,origin=LGA": both,
    }
    assert set(listed(counts).keys) == {"carrier=HA", "origin=LGA"}


def test_a_uniform_regression_is_the_whole():
    parts = {f"carrier={c}": counts_of(1000, 0.08, 0.05) for c in "ABCDE"}
    assert listed({"": sum(parts.values()), **parts}).keys == ("",)


def test_late_onset_with_little_evidence_in_the_totals_is_still_listed():
    counts = {"carrier=HA": counts_of(10_000, 0.051, 0.05)}
    late = Named("carrier=HA", NEEDED + 1, needed=NEEDED)
    assert shortest_list([late], strength(counts)).keys == ("carrier=HA",)


def test_a_slice_with_less_evidence_than_the_decision_needs_is_listed():
    """Holm's later names need less evidence than the first."""
    weak = Named("carrier=HA", NEEDED - 1, needed=NEEDED)
    assert shortest_list([weak], strength({"carrier=HA": counts_of(1000, 0.09, 0.05)})).keys == ("carrier=HA",)
    assert shortest_list([], strength({})).keys == ()
