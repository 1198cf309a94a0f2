"""Rows of the calibration table: what was promised, what was seen, and whether it holds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import stats


@dataclass(frozen=True)
class Row:
    """One guarantee. `holds` is decided with the sampling error counted against it.

    `about` says in a sentence what was simulated; `reference` is the figure of an earlier, independent simulation.
    """

    scenario: str
    about: str
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


def at_most(scenario: str, hits: int, trials: int, bound: float, reference: str = "", *, about: str) -> Row:
    """Holds when even the upper bound of the share is at most `bound`."""
    upper = upper_bound(hits, trials)
    return Row(
        scenario,
        about,
        f"≤ {bound * 100:g} %",
        f"{_share(hits, trials)} (≤ {_percent(upper)})",
        upper <= bound,
        reference,
    )


def at_least(scenario: str, hits: int, trials: int, bound: float, reference: str = "", *, about: str) -> Row:
    """Holds when even the lower bound of the share is at least `bound`."""
    lower = lower_bound(hits, trials)
    return Row(
        scenario,
        about,
        f"≥ {bound * 100:g} %",
        f"{_share(hits, trials)} (≥ {_percent(lower)})",
        lower >= bound,
        reference,
    )


def unpromised(scenario: str, hits: int, trials: int, reference: str = "", *, about: str) -> Row:
    """A share that is shown so that nobody is surprised: nothing is promised, so nothing can break."""
    both = f"{_percent(lower_bound(hits, trials))} – {_percent(upper_bound(hits, trials))}"
    return Row(scenario, about, "none", f"{_share(hits, trials)} ({both})", True, reference)


def contrast(scenario: str, hits: int, trials: int, bound: float, reference: str = "", *, about: str) -> Row:
    """What happens without the rule of the row before: at least `bound`, or the simulation could not have failed."""
    lower = lower_bound(hits, trials)
    promise = f"fails: ≥ {bound * 100:g} %"
    return Row(scenario, about, promise, f"{_share(hits, trials)} (≥ {_percent(lower)})", lower >= bound, reference)


def median_at_most(scenario: str, median: float, bound: float, unit: str, reference: str = "", *, about: str) -> Row:
    """Holds when the median is at most `bound`; infinity promises nothing."""
    promise = "none" if math.isinf(bound) else f"median ≤ {bound:.1f} {unit}"
    seen = "never" if math.isinf(median) else f"{median:.0f} {unit}"
    return Row(scenario, about, promise, seen, median <= bound, reference)


def _share(hits: int, trials: int) -> str:
    return f"{_percent(hits / trials)} of {trials:,}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def markdown(rows: list[Row]) -> str:
    """The rows as a table of the docs."""
    lines = ["| scenario | promise | seen | reference |", "|---|---|---|---|"]
    lines += [
        f"| **{r.scenario}.** {r.about} | {r.promise} | {r.seen}{'' if r.holds else ' **BROKEN**'} | {r.reference} |"
        for r in rows
    ]
    return "\n".join(lines) + "\n"
