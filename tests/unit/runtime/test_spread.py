"""What the baseline's past tells of scatter reaches the plan, the evidence and the verdicts."""

import numpy as np

from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import DATASET, JudgedWorld
from tierwise.monitoring.counts.model import Cells, PodCounts

OF_PODS = DATASET.model_copy(update={"columns": DATASET.columns.model_copy(update={"pod": "pod"})})


class LogOfPods(PredictionLog):
    """Names the pods: six of the baseline, whose error rates differ; the halves scatter more than rows alone would."""

    def read_halves(self, dataset, scope, blocks):
        rng = np.random.default_rng(5)
        counts = np.zeros((len(blocks), 3, 2, 3, 3), dtype=np.int64)
        for b in range(len(blocks)):
            for arm in (0, 1):
                rate = 1 / (1 + np.exp(2.2 + rng.normal(0, 0.3)))
                for s, n in ((1, 600), (2, 300)):
                    bad = rng.binomial(n, rate)
                    counts[b, s, arm, 0, :2] = n - bad, bad
        counts[:, 0] = counts[:, 1] + counts[:, 2]
        return Cells(tuple(blocks), ("", "carrier=AA", "carrier=HA"), counts)

    def read_pods(self, dataset, scope, window):
        counts = np.zeros((6, 3, 3), dtype=np.int64)
        for pod, bad in enumerate((40, 60, 80, 100, 130, 170)):
            counts[pod, 0, :2] = 1000 - bad, bad
        return PodCounts(tuple(f"p{i}" for i in range(6)), counts)


def test_a_tiers_plan_knows_how_rows_and_pods_scatter_and_its_verdicts_show_it():
    world = JudgedWorld(LogOfPods(error_rates=(0.1, 0.13)))
    world.fleet.datasets["humans"] = OF_PODS
    world.judged()
    frozen = world.tier(3).frozen
    assert frozen.phi > 2
    assert frozen.sigma_pod > 0.2
    assert frozen.datasets[0].pods == 6
    assert len(frozen.datasets[0].phi["accuracy"]) == len(frozen.datasets[0].slices) + 1
    world.run(300)
    shown = world.tier(3).worst[0]
    assert shown.phi == frozen.datasets[0].phi["accuracy"][frozen.datasets[0].slices.index(_key(shown.slice))]
    assert shown.sigma_pod == frozen.datasets[0].sigma_pod["accuracy"]
    assert world.rollout.result != "RolledBack"  # three points more errors is what these pods differ by


def test_without_pods_in_the_log_rows_count_as_independent():
    world = JudgedWorld(LogOfPods()).judged()
    assert (world.tier(3).frozen.phi, world.tier(3).frozen.sigma_pod) == (1.0, 0.0)
    assert world.tier(3).frozen.datasets[0].pods == 0


def _key(values):
    return ",".join(f"{name}={value}" for name, value in values.items())
