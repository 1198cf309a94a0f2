"""Checks rows without a usable time. They are in no block, so they may hide failures of an arm. Pure."""

from __future__ import annotations

import math

from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Dataset
from tierwise.plurals import agreeing, plural
from tierwise.stats import split
from tierwise.stats.split import log_more

MOST_UNTIMED = 0.01  # share of an arm's rows without a usable time from which nothing is promoted


def untimed_text(rows: int) -> str:
    """How many rows have no usable time."""
    return f"{plural(rows, 'row')} {agreeing(rows, 'has', 'have')} no time or one in the future"


def untimed(
    dataset: Dataset, timed: tuple[int, int], without: tuple[int, int], *, of_candidate_only: bool = False
) -> Concern | None:
    """The concern if rows without a time are too many to ignore: more than 1 % of an arm's, or clearly more of one arm.

    Args:
        dataset: The dataset.
        timed: The rows that were judged, baseline and candidate.
        without: Rows of the log without a usable time.
        of_candidate_only: Ignore the baseline's rows, because they may be from any time in the past.
    """
    every = timed[BASELINE] + without[BASELINE], timed[CANDIDATE] + without[CANDIDATE]
    shares = [lost / rows if rows else 0.0 for lost, rows in zip(without, every, strict=True)]
    logs = log_more(every, without)
    arms = (CANDIDATE,) if of_candidate_only else (BASELINE, CANDIDATE)
    suspect = math.log(split.SUSPECT_AT * len(arms))  # a union bound over the arms
    if not any(shares[arm] > MOST_UNTIMED or logs[arm] >= suspect for arm in arms):
        return None
    return Concern(
        Reason.TIMES_UNUSABLE,
        f"dataset {dataset.name!r}: {untimed_text(sum(without))}, {shares[CANDIDATE]:.2%} of the "
        f"candidate's and {shares[BASELINE]:.2%} of the baseline's; they count in no verdict; mend "
        "spec.columns.time, its time zone, or the clocks that write it",
        regression_stands=True,
    )
