"""Tests whether the counts of a dataset can be trusted: traffic split, presence of labels, invalid answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics.counts import ANSWER_INVALID, UNKNOWN
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.stats import betting, split
from tierwise.stats.split import PRESENCE_TOLERANCE

_EXPECTED_ROWS = 20  # of an arm that has none: by chance alone with probability e⁻²⁰
_SIDES = 2  # of everything that rows may lack
_PRESENCE = 3 * _SIDES  # labels of all rows, of those answered negative and of those answered positive


@dataclass(frozen=True, slots=True)
class Lacking:
    """Log e-value against "both arms lack it equally often", both sides averaged. `arm` lacks it more often."""

    log: float
    arm: int


@dataclass(frozen=True, slots=True, eq=False)
class Guards:
    """Running guards of one dataset's whole.

    `split_logs` (6,) are the bets against the pods' split. `presence_*` are block bets on "the candidate's labels are
    missing more often" and "less often", of all rows and by answer; then on "the candidate's answers are invalid more
    often" and, per metric of numbers, "the candidate's rows lack its number more often"; then the same of the
    baseline's answers and numbers. `rows`,
    `labelled`, `invalid` are int64 (2 arms,), `lacking` is (metrics of numbers, 2 arms), and `alone` the other arm's
    rows since an arm's last one; `together` are rows of blocks in which both arms had some, `apart` each
    arm's of the others, and `apart_unlabelled` those among them without a label.
    """

    rows: IntArray
    labelled: IntArray
    invalid: IntArray
    lacking: IntArray
    alone: IntArray
    together: int
    apart: IntArray
    apart_unlabelled: IntArray
    expected_candidate: float  # rows that the pods' split would have sent to the candidate
    split_rows: int  # rows of blocks whose split is known
    split_logs: FloatArray
    presence_past: FloatArray
    presence_pending: FloatArray
    presence_logs: FloatArray

    @property
    def together_share(self) -> float:
        """The share of rows in blocks in which both arms had rows; 1 without rows."""
        rows = int(self.rows.sum())
        return self.together / rows if rows else 1.0

    @property
    def gone(self) -> int | None:
        """The arm that no longer has rows: since its last row, twenty were expected by the shares so far.

        If the other arm had no rows before, twenty rows of it are enough, because arms that never met are not compared.
        """
        for arm in (BASELINE, CANDIDATE):
            own, other = int(self.rows[arm]), int(self.rows[1 - arm])
            alone = int(self.alone[arm])
            before = other - alone
            if own and (alone * own >= _EXPECTED_ROWS * before if before else alone >= _EXPECTED_ROWS):
                return arm
        return None

    @property
    def log_split(self) -> float:
        """Log e-value against the pods' traffic split."""
        return float(betting.log_mean(self.split_logs, np.full(6, -math.log(6))))

    @property
    def log_presence(self) -> float:
        """Log e-value against equal presence of labels: of all rows and by answer, both sides, averaged.

        Labels that come for errors rather than for right answers hardly change the share of all rows that have one, and
        much that of the rows answered positive.
        """
        sides = betting.log_mean(self.presence_logs[:, :_PRESENCE], betting.REGRESSION_LOG_WEIGHTS)
        return float(betting.log_mean(sides, np.full(_PRESENCE, -math.log(_PRESENCE))))

    @property
    def answers(self) -> Lacking:
        """Evidence that one arm's answers are invalid more often."""
        return self._lacking(0)

    @property
    def numbers(self) -> tuple[Lacking, ...]:
        """Evidence that one arm's rows lack a number more often, per metric of numbers."""
        return tuple(self._lacking(1 + row) for row in range(len(self.lacking)))

    def _lacking(self, row: int) -> Lacking:
        bets = self.presence_logs[:, [_PRESENCE + row, _PRESENCE + row + 1 + len(self.lacking)]]
        candidate, baseline = betting.log_mean(bets, betting.REGRESSION_LOG_WEIGHTS).tolist()
        return Lacking(
            log=float(betting.log_mean(np.array([candidate, baseline]), np.full(_SIDES, -math.log(_SIDES)))),
            arm=CANDIDATE if candidate >= baseline else BASELINE,
        )


def mean_exceeds(logs: Sequence[float], bound: float = split.SUSPECT_AT) -> bool:
    """Whether the mean of the datasets' e-values reaches the bound: one guard, however many datasets."""
    if not logs:
        return False
    mean = betting.log_mean(np.array(logs), np.full(len(logs), -math.log(len(logs))))
    return bool(mean >= math.log(bound))


def no_rows(numbers: int = 0) -> Guards:
    """Guards before the first block, of a dataset with so many metrics of numbers."""
    bets = _PRESENCE + _SIDES * (1 + numbers)
    zero = np.zeros(2, dtype=np.int64)
    return Guards(
        rows=zero,
        labelled=zero,
        invalid=zero,
        lacking=np.zeros((numbers, 2), dtype=np.int64),
        alone=zero,
        together=0,
        apart=zero,
        apart_unlabelled=zero,
        expected_candidate=0.0,
        split_rows=0,
        split_logs=np.zeros(6),
        presence_past=np.zeros((4, bets)),
        presence_pending=np.zeros((4, bets)),
        presence_logs=np.zeros((betting.REGRESSION_ALTERNATIVES, bets)),
    )


def watch(
    guards: Guards,
    whole: IntArray,
    candidate_share: float,
    phi_split: float = 1.0,
    numbers: FloatArray | None = None,
    tolerance: float = PRESENCE_TOLERANCE,
) -> Guards:
    """The guards after one more block.

    `tolerance` is how much the arms may differ in the share of rows that have a label.
    `numbers` (metrics of numbers, 2 arms) are the rows that have each metric's number.
    `phi_split` is the overdispersion of the split: requests that share a connection arrive at one pod together.
    """
    rows = whole.sum(axis=(1, 2))
    missing = whole[:, UNKNOWN].sum(axis=1)
    invalid = whole[:, :, ANSWER_INVALID].sum(axis=1)
    # A sum that is not a number counts as if no row had the number.
    known = np.zeros((0, 2)) if numbers is None else np.nan_to_num(numbers, nan=0.0, posinf=0.0, neginf=0.0)
    lacking = rows - np.clip(known, 0, rows).astype(np.int64)
    watched = replace(
        guards,
        rows=guards.rows + rows,
        labelled=guards.labelled + rows - missing,
        invalid=guards.invalid + invalid,
        lacking=guards.lacking + lacking,
        together=guards.together + (int(rows.sum()) if rows.all() else 0),
        apart=guards.apart + (0 if rows.all() else rows),
        apart_unlabelled=guards.apart_unlabelled + (0 if rows.all() else missing),
        alone=np.where(rows > 0, 0, guards.alone + rows[::-1]),
    )
    if 0 < candidate_share < 1:
        total = float(rows.sum())
        candidate = np.asarray(float(rows[CANDIDATE]))
        bets = split.split_increments(candidate, np.asarray(total), candidate_share, phi=phi_split)
        watched = replace(
            watched,
            split_logs=split.add_capped(guards.split_logs, bets),
            expected_candidate=guards.expected_candidate + total * candidate_share,
            split_rows=guards.split_rows + int(total),
        )
    return _watch_presence(watched, whole, np.stack([invalid, *lacking]), tolerance)


def _watch_presence(guards: Guards, whole: IntArray, either: IntArray, tolerance: float) -> Guards:
    """`either` (1 + metrics of numbers, 2 arms): rows whose answer is invalid, and that lack each metric's number."""
    rows = whole.sum(axis=(1, 2))
    of_answers = np.stack([rows, *np.moveaxis(whole.sum(axis=1), -1, 0)[:2]])  # (3: all, negative, positive; 2 arms)
    missing = np.stack([whole[:, UNKNOWN].sum(axis=1), *np.moveaxis(whole[:, UNKNOWN], -1, 0)[:2]])
    absent = np.concatenate([missing, of_answers - missing, either, either[:, ::-1]])  # (bets, 2 arms)
    of_rows = np.concatenate([np.broadcast_to(rows, either.shape), np.broadcast_to(rows[::-1], either.shape)])
    present = np.concatenate([of_answers, of_answers, of_rows])
    seen = [present[:, CANDIDATE], absent[:, CANDIDATE], present[:, BASELINE], absent[:, BASELINE]]
    pending = guards.presence_pending + np.array(seen, dtype=np.float64)
    ready = np.flatnonzero(betting.ready(pending))
    if not len(ready):
        return replace(guards, presence_pending=pending)
    bets = len(absent)
    prior = np.where(np.arange(bets) < _PRESENCE, 0.5, 0.05)
    allowed = np.where(np.arange(bets) < _PRESENCE, tolerance, PRESENCE_TOLERANCE)
    null = betting.Boundary(np.ones(len(ready)), allowed[ready])
    logs, past, left = guards.presence_logs.copy(), guards.presence_past.copy(), pending.copy()
    some = logs[:, ready]
    betting.add_regression(some, pending[:, ready], past[:, ready], null, prior[ready])
    logs[:, ready] = np.minimum(some, split.CAP)
    past[:, ready] += pending[:, ready]
    left[:, ready] = 0.0
    return replace(guards, presence_past=past, presence_pending=left, presence_logs=logs)
