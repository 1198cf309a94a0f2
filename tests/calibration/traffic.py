"""The guards: is the traffic split as the pods are, and are labels present alike in both arms?"""

from __future__ import annotations

import math

import numpy as np

from tests.calibration.streams import LOOKS, BettingTest
from tests.calibration.table import Row, at_least, at_most, contrast
from tierwise.monitoring.checks.detectors import DOUBTED_AT
from tierwise.monitoring.evidence import guards
from tierwise.stats import betting, split
from tierwise.stats.overdispersion import phi_split

_SUSPECT = math.log(split.SUSPECT_AT)
_BOUND = 0.005  # the promise is 1/1000; more cannot be resolved with so few replicates
_REQUESTS = 1000.0  # per look, both arms
_BUNDLE = 20  # requests of a connection
_DECIDED = math.log(100 / 0.015)  # of 100 hypotheses


def even_split(replicates: int) -> list[Row]:
    """Independent requests, the odds off by all that is tolerated."""
    held = _ever_held(42, replicates, share=0.2, odds_factor=1.1)
    about = "A fifth of the pods are candidates and the odds are off by the tolerated 10 %: held in 500 looks."
    return [at_most("Split as the pods", int(held.sum()), replicates, _BOUND, about=about)]


def lost_rows(replicates: int) -> list[Row]:
    """30 % of the candidate's rows never arrive."""
    held = _ever_held(43, replicates, share=0.2, odds_factor=0.7)
    about = "30 % of the candidate's rows are lost: held within 500 looks."
    return [at_least("Rows lost", int(held.sum()), replicates, 0.995, "100 %", about=about)]


def kept_connections(replicates: int) -> list[Row]:
    """Clients keep their connections: 20 requests go to the same pod."""
    held = {phi: _ever_held(46, replicates, share=0.2, bundle=_BUNDLE, with_phi=phi) for phi in (True, False)}
    about = f"{_BUNDLE} requests share a connection, split as the pods; φ from a day of A/A history: held in 500 looks."
    rows = [at_most("Keep-alive, φ", int(held[True].sum()), replicates, _BOUND, about=about)]
    about = "The same without φ."
    rows.append(contrast("Keep-alive, no φ", int(held[False].sum()), replicates, 0.3, "71 %", about=about))
    lost = _ever_held(47, replicates, share=0.2, odds_factor=0.7, bundle=_BUNDLE, with_phi=True)
    about = "The same with φ, 30 % of the candidate's rows lost: held."
    return [*rows, at_least("Keep-alive, rows lost", int(lost.sum()), replicates, 0.995, "100 %", about=about)]


def _ever_held(
    seed: int, replicates: int, *, share: float, odds_factor: float = 1.0, bundle: int = 1, with_phi: bool = False
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    odds = share / (1 - share) * odds_factor
    logs, held = np.zeros((6, replicates)), np.zeros(replicates, dtype=bool)

    def requests(minutes: float, chance: float) -> tuple[np.ndarray, np.ndarray]:
        """Of the candidate, and of both arms."""
        connections = rng.poisson(minutes * _REQUESTS / bundle, replicates)
        return bundle * rng.binomial(connections, chance).astype(float), bundle * connections.astype(float)

    phi = np.ones(replicates)
    if with_phi:
        past = np.stack([requests(30, 0.5) for _ in range(48)])  # the halves of the baseline's pods
        phi = np.array([phi_split(past[:, 0, i], past[:, 1, i]) for i in range(replicates)])
    for _ in range(LOOKS):
        candidate, total = requests(1, odds / (1 + odds))
        logs = split.add_capped(logs, split.split_increments(candidate, total, share) / phi)
        held |= betting.log_mean(logs, np.full(6, -math.log(6))) >= _SUSPECT
    return held


def labels_present(replicates: int) -> list[Row]:
    """Presence of labels differs by the tolerated half point, and by five points."""
    at_the_edge = _ever_differs(44, replicates, (0.6, 0.605), LOOKS)
    about = "60 % of the baseline's and 60.5 % of the candidate's rows get a label, the tolerated difference: held."
    rows = [at_most("Labels present alike", at_the_edge, replicates, 0.02, about=about)]
    apart = _ever_differs(45, replicates, (0.6, 0.55), LOOKS)
    about = "60 % of the baseline's and 55 % of the candidate's rows get a label: held within 500 looks."
    return [*rows, at_least("Labels missing in an arm", apart, replicates, 0.98, about=about)]


def labels_of_errors(replicates: int) -> list[Row]:
    """Errors get labels more often in one arm: what looks like a regression is held."""
    rng = np.random.default_rng(78)
    held = sum(_is_held(rng) for _ in range(replicates))
    about = (
        "Equal versions, 1 % false alarms, labelled 95 % of the candidate's and 60 % of the baseline's, 60 % of all "
        "other rows; 1,000 requests a minute: held before, or when, the difference would roll back."
    )
    return [at_least("Labels of errors", held, replicates, 0.9, about=about)]


def _is_held(rng: np.random.Generator) -> bool:
    state, test = guards.no_rows(), BettingTest("regression", np.full(1, 0.01), ratio=1.125)
    for _ in range(500):
        whole, counts = np.zeros((2, 3, 3), dtype=np.int64), []
        for arm, share in enumerate((0.6, 0.95)):
            n = rng.poisson(_REQUESTS / 2)
            wrong, positive = rng.multinomial(n, [0.01, 0.02, 0.97])[:2]
            alarms, found, rest = rng.binomial([wrong, positive, n - wrong - positive], [share, 0.6, 0.6])
            whole[arm, 0, 1], whole[arm, 1, 1], whole[arm, 0, 0] = alarms, found, rest
            whole[arm, 2, 1], whole[arm, 2, 0] = wrong + positive - alarms - found, n - wrong - positive - rest
            counts.append((alarms + found + rest, alarms))
        state = guards.watch(state, whole, math.nan, tolerance=0.0006)
        if state.log_presence >= _SUSPECT:
            return True
        if (
            test.add(np.array([[counts[1][0]], [counts[1][1]], [counts[0][0]], [counts[0][1]]], dtype=float))
            >= _DECIDED
        ):
            return state.log_presence >= math.log(DOUBTED_AT)
    return True


def _ever_differs(seed: int, replicates: int, labelled: tuple[float, float], looks: int) -> int:
    """In how many replicates the guard over whole looks (baseline, candidate) ever speaks."""
    rng = np.random.default_rng(seed)
    hits = 0
    for _ in range(replicates):
        state = guards.no_rows()
        for _ in range(looks):
            whole = np.zeros((2, 3, 3), dtype=np.int64)
            for arm, share in enumerate(labelled):
                n = rng.poisson(_REQUESTS / 2)
                known = rng.binomial(n, share)
                whole[arm, 0, 0], whole[arm, 2, 0] = known, n - known
            state = guards.watch(state, whole, math.nan)
            if state.log_presence >= _SUSPECT:
                hits += 1
                break
    return hits


SCENARIOS = [
    (even_split, 4000, 800),
    (lost_rows, 4000, 1000),
    (kept_connections, 4000, 1000),
    (labels_present, 400, 0),
    (labels_of_errors, 400, 0),
]
