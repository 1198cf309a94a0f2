"""Rows of the calibration table: what was promised, what was seen, and whether it holds."""

from __future__ import annotations

from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Row:
    """One guarantee. `holds` is decided with the sampling error counted against it."""

    scenario: str
    promise: str
    seen: str
    holds: bool
    reference: str = ""


def upper_bound(hits: int, trials: int) -> float:
    """One-sided 95 % Clopper–Pearson upper bound of a share."""
    return 1.0 if hits == trials else float(stats.beta.ppf(0.95, hits + 1, trials - hits))


def lower_bound(hits: int, trials: int) -> float:
    """One-sided 95 % Clopper–Pearson lower bound of a share."""
    return 0.0 if hits == 0 else float(stats.beta.ppf(0.05, hits, trials - hits + 1))


def at_most(scenario: str, hits: int, trials: int, bound: float, reference: str = "") -> Row:
    """Holds when even the upper bound of the share is at most `bound`."""
    upper = upper_bound(hits, trials)
    seen = f"{hits / trials:.2%} of {trials:,} (≤ {upper:.2%})"
    return Row(scenario, f"≤ {bound:.0%}", seen, upper <= bound, reference)


def at_least(scenario: str, hits: int, trials: int, bound: float, reference: str = "") -> Row:
    """Holds when even the lower bound of the share is at least `bound`."""
    lower = lower_bound(hits, trials)
    seen = f"{hits / trials:.2%} of {trials:,} (≥ {lower:.2%})"
    return Row(scenario, f"≥ {bound:.0%}", seen, lower >= bound, reference)


def median_at_most(scenario: str, median: float, bound: float, unit: str, reference: str = "") -> Row:
    """Holds when the median is at most `bound`."""
    return Row(scenario, f"median ≤ {bound:.1f} {unit}", f"{median:.0f} {unit}", median <= bound, reference)


def markdown(rows: list[Row]) -> str:
    """The table for the docs."""
    lines = ["| scenario | promise | seen | design's reference |", "|---|---|---|---|"]
    lines += [
        f"| {r.scenario} | {r.promise} | {r.seen}{'' if r.holds else ' **BROKEN**'} | {r.reference} |" for r in rows
    ]
    return "\n".join(lines) + "\n"
