"""A look does not promote while the candidate's rows lack a time: no block holds what it may fail by."""

from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import JudgedWorld
from tierwise.api.reasons import Reason


def test_a_candidate_whose_rows_lack_a_time_is_not_promoted():
    log = PredictionLog()
    log.untimed = (0, 400)
    world = JudgedWorld(log).judged()
    world.run(120)
    assert world.condition("Reconciling").reason == Reason.TIMES_UNUSABLE
    assert world.tier(3).phase == "Judging"
    world.run(700)
    assert world.health == ("Stalled", Reason.TIMES_UNUSABLE)


def test_a_regression_is_rolled_back_all_the_same():
    log = PredictionLog(error_rates=(0.1, 0.4))
    log.untimed = (0, 400)
    world = JudgedWorld(log).judged()
    world.run_until(lambda w: w.rollout.result == "RolledBack", 600)
    assert world.rollout.reason == Reason.REGRESSED
