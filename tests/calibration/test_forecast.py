"""What a plan promises, held against simulated rollouts of the same traffic."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.simulation.builders import a_policy, a_stream
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.planning.forecast import forecast_tier
from tierwise.monitoring.planning.promotion import Course
from tierwise.simulation.trials.comparison import Simulation, plans_of, simulate, tierwise_stop

RUNS = 12
# Both answers are wrong alike and half of the labels are positive, so that MCC is 1 − 2 times the error rate.
CASES = [("error-rate", 0.05, 0.09), ("accuracy", 0.95, 0.9), ("mcc", 0.9, 0.8)]


@pytest.mark.parametrize(("metric", "before", "after"), CASES)
def test_the_planned_time_is_the_median_of_simulated_rollbacks_within_its_range(metric, before, after):
    policy = a_policy(metric, margin=0.02, hours=2.0, minutes=30, exposure=0.25)
    injected = Drop({"carrier": "c02"}, "error-rate", None, 0.09 if metric == "error-rate" else 0.1)
    stream = a_stream(policy, rows=800, drop=injected)
    simulation = Simulation(policy, stream, RUNS, seed=11, has_drop=True, to_the_end=False)

    history, covered = stream.history(0)
    asked = Drop({"carrier": "c02"}, metric, before, after)
    forecast = forecast_tier(plans_of(simulation)[0], history, covered, Course(0.25, 1800.0, 7200.0), [asked])
    stops = [tierwise_stop(run) for run in simulate(simulation).worse]

    planned = forecast.drops[0]
    assert planned.fits
    seen = float(np.median([60 * stop.look if stop else np.inf for stop in stops]))
    assert planned.seconds is not None
    assert 0.6 <= seen / planned.seconds <= 1.5
