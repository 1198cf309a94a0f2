import math

import numpy as np

from tierwise.monitoring.culprits import Named, shortest_list
from tierwise.stats.betting import growth

NEEDED = math.log(4000)


def counts_of(n, rate_candidate, rate_baseline):
    return np.array([n, n * rate_candidate, n, n * rate_baseline], dtype=float)


def named(key, counts):
    evidence = float(growth(counts[:, None], np.ones(1), np.zeros(1))[0])
    return Named(key, evidence, ratio=1.0, delta=0.0, needed=NEEDED)


def listed(counts, complete=()):
    every = [named(key, c) for key, c in counts.items()]
    return shortest_list([n for n in every if n.log_e >= NEEDED], counts, complete)


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
    late = Named("carrier=HA", NEEDED + 1, ratio=1.0, delta=0.0, needed=NEEDED)
    assert shortest_list([late], counts).keys == ("carrier=HA",)


def test_a_slice_named_by_e_bh_alone_is_listed():
    """e-BH names with less evidence than the decision needs, when another metric already has it."""
    weak = Named("carrier=HA", NEEDED - 1, ratio=1.0, delta=0.0, needed=NEEDED)
    assert shortest_list([weak], {"carrier=HA": counts_of(1000, 0.09, 0.05)}).keys == ("carrier=HA",)
    assert shortest_list([], {}).keys == ()
