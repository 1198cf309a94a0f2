from __future__ import annotations

import pickle

import numpy as np

from tests.unit.simulation.builders import a_policy, a_stream
from tierwise.api.names import GateDecision
from tierwise.errors import MetricFailedError
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.planning.drop import Drop
from tierwise.simulation.trials.comparison import WORSE, Simulation, plans_of, simulate, tierwise_stop

DROP = Drop({"carrier": "c02"}, "error-rate", None, 0.25)


def a_simulation(policy, stream, runs=4, **extra):
    return Simulation(policy, stream, runs, seed=3, has_drop=True, **extra)


def test_equal_versions_are_promoted_through_all_tiers_and_a_drop_is_stopped_in_the_first():
    policy = a_policy(tiers=3)
    found = simulate(a_simulation(policy, a_stream(policy, rows=20_000, drop=DROP), to_the_end=False))
    assert all([tier.outcome for tier in run.tiers] == [GateDecision.PROMOTE] * 3 for run in found.same)
    assert all(len(run.tiers) == 1 for run in found.worse)
    assert all(run.tiers[0].named == (("flights", "error-rate", "carrier=c02"),) for run in found.worse)


def test_the_stop_is_that_of_folding_the_same_blocks_at_once():
    policy = a_policy()
    simulation = a_simulation(policy, a_stream(policy, drop=DROP), runs=1)
    run = simulate(simulation).worse[0]

    plan = plans_of(simulation)[0]
    looks = simulation.stream.looks(0)
    cells = simulation.stream.counts((simulation.seed, WORSE, 0), 0, range(looks), worse=True)
    evidence = fold(begin(plan), cells, np.full(looks, 0.5))

    stop = tierwise_stop(run)
    assert evidence.stopped_at is not None
    assert stop is not None
    assert cells["flights"].blocks[stop.look - 1].end == evidence.stopped_at


def test_a_tier_without_enough_rows_holds_and_is_never_promoted():
    policy = a_policy(margin=0.001)
    found = simulate(a_simulation(policy, a_stream(policy, rows=100, drop=DROP), runs=2, to_the_end=False))
    assert [run.tiers[0].outcome for run in found.same] == [GateDecision.HOLD] * 2


def test_a_late_drop_is_not_stopped_before_its_onset_unless_by_chance():
    policy = a_policy(minutes=60)
    late = Drop({"carrier": "c02"}, "error-rate", None, 0.25, onset_seconds=1200)
    found = simulate(a_simulation(policy, a_stream(policy, drop=late)))
    looks = [stop.look for run in found.worse if (stop := tierwise_stop(run)) is not None]
    assert len(looks) == 4
    assert min(looks) > 20


def test_a_metric_s_failure_comes_back_from_another_process_as_it_was():
    failed = MetricFailedError("mine", "some-package", "division by zero")
    found = pickle.loads(pickle.dumps(failed))  # as a pool of processes does
    assert (str(found), found.name, found.remedy) == (str(failed), "mine", failed.remedy)
