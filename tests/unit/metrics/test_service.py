"""Shares that need no label: latency, server errors, scores that are none, challenges."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.errors import UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally

COUNTS = np.arange(9).reshape(3, 3)


def value(name, **sums):
    metric = registry.get(name)
    tally = Tally(COUNTS, sums={f"{name}:{part}": np.array(float(x)) for part, x in sums.items()})
    n, bad = metric.n_bad_of(tally)
    return metric.value(int(n), int(bad))


@pytest.mark.parametrize("name", ["latency-over@200", "latency-over@0.5", "server-error-rate", "not-computed"])
def test_a_share_that_the_store_counts_is_bad_out_of_n(name):
    assert value(name, n=8, bad=2) == 0.25
    assert value(name, n=0, bad=0) is None
    assert not registry.get(name).needs_labels


def test_solved_challenges_are_out_of_those_issued():
    assert value("challenge-solve-rate", n=8, bad=2) == 0.75
    assert registry.get("challenge-solve-rate").needs.values == ("issued", "solved")


def test_invalid_answers_are_out_of_the_domain_whatever_the_label():
    n, bad = registry.get("out-of-domain").n_bad(COUNTS)
    assert (int(n), int(bad)) == (COUNTS.sum(), COUNTS[:, 2].sum())


@pytest.mark.parametrize("parameter", ["0", "-5", "nan", "inf", "fast"])
def test_a_limit_is_a_number_of_milliseconds(parameter):
    with pytest.raises(UnknownMetricError, match=r"milliseconds above 0; write latency-over@MS, for instance"):
        registry.get(f"latency-over@{parameter}")


def test_each_limit_has_sums_of_its_own():
    names = [s.name for p in ("200", "500") for s in registry.get(f"latency-over@{p}").needs.sums]
    assert len(set(names)) == 4
