"""A look with all its metrics against scikit-learn slice by slice and fairlearn's MetricFrame, on a million rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame
from sklearn import metrics as sk

from tests.bench.bench_metrics import numbers_of
from tests.bench.bench_pulling import pull
from tests.bench.measure import Line, compare, faster
from tests.bench.prediction_log import MATURITY_SECONDS, NAMES, SCOPE, BenchLog, a_dataset
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import Block
from tierwise.monitoring.counts.thresholds import cells_of

TITLE = "Metrics per slice on a million rows"
ROWS = 1_000_000
SAMPLE, QUICK_SAMPLE = 16, 3
FRAMES, QUICK_FRAMES = ("d0", "d4"), ("d0",)  # the fewest and the most values


def _negative(metric: Callable[..., float]) -> Callable[..., float]:
    def of_negatives(truth: object, answer: object) -> float:
        return metric(truth, answer, pos_label=0)

    return of_negatives


def _rate(of: int) -> Callable[..., float]:
    def rate(truth: object, answer: object) -> float:
        table = sk.confusion_matrix(truth, answer, labels=[0, 1])
        return float(table[of, 1 - of] / table[of].sum())

    return rate


# The same metrics by name, as each library has them.
ANSWERS: dict[str, Callable[..., float]] = {
    "accuracy": sk.accuracy_score,
    "error-rate": sk.zero_one_loss,
    "balanced-accuracy": sk.balanced_accuracy_score,
    "precision": sk.precision_score,
    "npv": _negative(sk.precision_score),
    "recall": sk.recall_score,
    "specificity": _negative(sk.recall_score),
    "false-positive-rate": _rate(0),
    "false-negative-rate": _rate(1),
    "f1": sk.f1_score,
    "mcc": sk.matthews_corrcoef,
}
SCORES: dict[str, Callable[..., float]] = {"auc": sk.roc_auc_score, "average-precision": sk.average_precision_score}


def rows_of(store: ClickHouseStore, window: Block) -> pd.DataFrame:
    """The labelled rows with their answers."""
    frame = pull(store, window, dictionaries=False).to_pandas()
    in_time = frame.labelled_at <= frame.ts + pd.Timedelta(seconds=MATURITY_SECONDS)
    frame = frame[frame.label.notna() & in_time]
    return frame.assign(label=frame.label.astype("int8"), answer=(frame.score >= 0.5).astype("int8"))


def slice_by_slice(frame: pd.DataFrame, slices: list[tuple[str, str]]) -> list[list[float]]:
    """Every metric of each slice and version."""
    found = []
    for name, value in slices:
        for version in (SCOPE.baseline, SCOPE.candidate):
            part = frame[(frame[name] == value) & (frame.model_version == version)]
            found.append(
                [metric(part.label, part.answer) for metric in ANSWERS.values()]
                + [metric(part.label, part.score) for metric in SCORES.values()]
            )
    return found


def metric_frame(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    """fairlearn's table of one dimension by version. It has metrics of answers only."""
    made = MetricFrame(
        metrics=dict(ANSWERS),
        y_true=frame.label,
        y_pred=frame.answer,
        sensitive_features=frame[[name]],
        control_features=frame[["model_version"]],
    )
    return pd.DataFrame(made.by_group)


def a_look(store: ClickHouseStore, window: Block) -> dict[str, np.ndarray]:
    """The look and all metrics of all slices and both versions, with variances."""
    dataset = a_dataset()
    found = store.read_distributions(dataset, SCOPE, window)
    cells = cells_of(found, dataset.spec)
    assert cells is not None
    tally = Tally(cells.counts[0], bins=found.counts, edges=found.edges)
    return {name: np.stack(numbers_of(registry.get(name), tally)) for name in (*ANSWERS, *SCORES)}


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """CPU time; the peers' slices are sampled and the rest extrapolated."""
    warnings.filterwarnings("ignore", module="sklearn")
    window = log.window(ROWS)
    with log.opened() as store:
        keys = [key.split("=") for key in store.read_distributions(a_dataset(), SCOPE, window).slices if key]
        slices = [(name, value) for name, value in keys]
        chosen = slices[:: max(1, len(slices) // (QUICK_SAMPLE if quick else SAMPLE))]
        frames = QUICK_FRAMES if quick else FRAMES
        kept: list[pd.DataFrame] = []

        def pulled() -> None:
            kept[:] = [rows_of(store, window)]

        timings = compare(
            {
                "look": lambda: a_look(store, window),
                "pull": pulled,
                "slices": lambda: slice_by_slice(kept[0], chosen),
            },
            rounds=2 if quick else 3,
        )
        timings |= compare({name: lambda name=name: metric_frame(kept[0], name) for name in frames}, rounds=1)
        _agree(a_look(store, window), slice_by_slice(kept[0], chosen[:1])[0], slices.index(chosen[0]) + 1)
    cpu = {name: timing.cpu_seconds for name, timing in timings.items()}
    one_by_one = cpu["pull"] + cpu["slices"] * len(slices) / len(chosen)
    fairlearn = cpu["pull"] + sum(cpu[name] for name in frames) * len(NAMES) / len(frames)
    rows = f"{min(log.rows, ROWS):,} rows"
    what = f"look and {len(ANSWERS) + len(SCORES)} metrics, {len(slices)} slices"
    return [
        faster(
            what,
            cpu["look"],
            f"{rows} pulled, scikit-learn per slice and version (extrapolated from {len(chosen)} slices)",
            one_by_one,
            at_least=250,
            goal=3,
        ),
        faster(
            what,
            cpu["look"],
            f"the same, fairlearn MetricFrame per dimension, {len(ANSWERS)} metrics "
            f"(extrapolated from {len(frames)} of {len(NAMES)} dimensions)",
            fairlearn,
            at_least=800,
            goal=3,
        ),
    ]


def _agree(look: dict[str, np.ndarray], one_by_one: list[float], index: int) -> None:
    """A slice's baseline accuracy is the same number either way."""
    n, bad = look["accuracy"][:, index, 0]
    assert abs(1 - bad / n - one_by_one[0]) < 1e-12
