"""Messages with numbers, for conditions, Events and people. Their length is bounded."""

from __future__ import annotations

from datetime import UTC, datetime

from tierwise.api.common import Margin
from tierwise.metrics.units import is_share, rows_of_value
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.monitoring.verdicts.judgement import ArmCounts, ControlTrouble, Judgement, Result
from tierwise.monitoring.verdicts.waiting import waited_for
from tierwise.plurals import plural
from tierwise.stats.days import MIN_DAYS

LONGEST = 1000
YEAR_SECONDS = 365 * 86_400
_MOST_MARGINS = 3


def clip(text: str, longest: int = LONGEST) -> str:
    """The text, cut with an ellipsis if it is too long for a status."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def seconds(value: float) -> str:
    """A duration such as ``1h05m``, ``4m10s`` or ``12s``."""
    whole = max(0, round(value))
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    if hours:
        return f"{hours}h{minutes:02d}m"
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def clock_time(moment: datetime) -> str:
    """``12:00:30Z``, for use where the day is clear."""
    return moment.astimezone(UTC).strftime("%H:%M:%SZ")


def slice_name(result: Result) -> str:
    """``carrier=HA`` or ``all traffic``."""
    return ",".join(f"{key}={value}" for key, value in sorted(result.slice.items())) or "all traffic"


def _percent(value: float | None) -> str:
    if value is None:
        return "n/a"
    return f"{100 * value:.2g} %" if 0 < value < 0.1 else f"{100 * value:.3g} %"


def _value(found: Result, value: float | None) -> str:
    if value is None or is_share(found.metric):
        return _percent(value)
    return f"{value:.4g}"


def _bound(bound: Margin, metric: str) -> str:
    if bound.relative is not None:
        return f"{100 * bound.relative:.3g} % relative"
    absolute = bound.absolute or 0
    return f"{100 * absolute:.3g} pp" if is_share(metric) else f"{absolute:.3g}"


def _change(found: Result) -> str:
    """``0.5 % → 3.1 %``, or how far a share moved if there are no values."""
    if found.candidate_value is None and found.baseline_value is None and found.difference is not None:
        return f"moved by {100 * found.difference:+.2g} pp"
    return f"{_value(found, found.baseline_value)} → {_value(found, found.candidate_value)}"


def _rows(value: float | None, arm: ArmCounts) -> str:
    """The rows that make up the value beside it, out of all."""
    rows = rows_of_value(value, arm.n, arm.bad)
    return plural(arm.n, "row") if rows is None else f"{rows}/{arm.n}"


def _arms(found: Result) -> tuple[str, str]:
    """Baseline and candidate."""
    return _rows(found.baseline_value, found.baseline), _rows(found.candidate_value, found.candidate)


def result(found: Result) -> str:
    """``fpr on asn_type=residential 0.5 % → 3.1 % (tolerance 12.5 % relative, 9/2011 → 61/1968, e=4.1e5)``."""
    return _numbers(found, f"tolerance {_bound(found.tolerance, found.metric)}")


def _numbers(found: Result, bound: str) -> str:
    evidence = "" if found.log10_e is None else f", e={e_value_text(found.log10_e)}"
    return f"{found.metric} on {slice_name(found)} {_change(found)} ({bound}, {' → '.join(_arms(found))}{evidence})"


def regression(judgement: Judgement) -> str:
    """The named culprits, the first with all its numbers; and the control, if it got worse itself."""
    named = judgement.culprits or judgement.results[:1]
    if not named:
        return "the evidence of regression reached its bound"
    others = f" and {len(named) - 1} more" if len(named) > 1 else ""
    trouble = judgement.control_trouble
    if trouble is None:
        return clip(result(named[0]) + others)
    control = (
        f"; compared with the {named[0].control} control, which is itself worse than {trouble.past} "
        f"({_then_and_now(trouble.result)})"
    )
    return clip(clip(result(named[0]) + others, LONGEST - len(control)) + control)


def external_cause(trouble: ControlTrouble) -> str:
    """A message: what got worse for the untouched pods, compared with which past, and since when."""
    return clip(
        f"the untouched pods are themselves worse than {trouble.past}: {_then_and_now(trouble.result)}, found at "
        f"{clock_time(trouble.since)}; the candidate is not worse than they are"
    )


def unsure_cause(trouble: ControlTrouble) -> str:
    """What got worse for the untouched pods against a past of too few days to hold for it."""
    return (
        f"the untouched pods are themselves worse than {trouble.past} ({_then_and_now(trouble.result)}), for which "
        f"nothing is held: how much days differ is known from {MIN_DAYS} days on"
    )


def with_note(message: str, note: str) -> str:
    """A message and a note, of which the message gives way."""
    return f"{clip(message, LONGEST - len(note) - 2)}; {note}"


def _then_and_now(found: Result) -> str:
    then, now = _arms(found)
    return f"{found.metric} on {slice_name(found)} {_change(found)} ({then} then, {now} now)"


def non_inferiority(judgement: Judgement) -> str:
    """A message: what was shown to be non-inferior, and on how many labels."""
    overall = f"not worse than the margins{_margins(judgement)} overall"
    slices = [found for found in judgement.results if found.slice]
    powered = sum(1 for found in slices if found.powered)
    if not slices:
        return f"{overall}; {labels(judgement)}"
    if not powered:
        return (
            f"{overall}, and of nothing smaller: no single slice was large enough to be waited for; {labels(judgement)}"
        )
    held = judgement.coverage_traffic
    # 0 if one dimension has no such slice; other dimensions may still have some.
    covered = (
        f", which {'holds' if powered == 1 else 'hold'} {_percent(held)} or more of the traffic in each dimension"
        if held
        else ""
    )
    few = len(slices) - powered
    others = f", and {few} {'was' if few == 1 else 'were'} planned as too small to be waited for" if few else ""
    return f"{overall} and in {_all(powered)} large enough to be waited for{covered}{others}; {labels(judgement)}"


def _all(powered: int) -> str:
    return "the one slice x metric" if powered == 1 else f"all {powered} slices x metrics"


def _margins(judgement: Judgement) -> str:
    """``(accuracy 5 pp, mae 0.5)``: each metric's, as it is for all traffic."""
    whole = {found.metric: _bound(found.margin, found.metric) for found in judgement.results if not found.slice}
    shown = [f"{metric} {margin}" for metric, margin in list(whole.items())[:_MOST_MARGINS]]
    more = f" and {len(whole) - _MOST_MARGINS} more" if len(whole) > _MOST_MARGINS else ""
    return f" ({', '.join(shown)}{more})" if shown else ""


def suspect(judgement: Judgement) -> str:
    """The slice that looks worst, what is needed to know, and how many more there are."""
    worst = judgement.suspects[0]
    needed = f"; about {plural(worst.labels_needed, 'more label')} would tell" if worst.labels_needed else ""
    more = len(judgement.suspects) - 1
    others = f", and {plural(more, 'more slice x metric', 'more slices x metrics')}" if more else ""
    numbers = _numbers(worst, f"margin {_bound(worst.margin, worst.metric)}")
    return clip(f"not promoted while a slice looks worse than its margin: {numbers}{needed}{others}")


def labels(judgement: Judgement) -> str:
    """Labelled predictions of the candidate and the baseline."""
    baseline, candidate = judgement.labels
    return f"{candidate} candidate and {plural(baseline, 'baseline label')}"


def inconclusive(judgement: Judgement | None) -> str:
    """A message: what is still needed, and the expected time."""
    if judgement is None:
        return "nothing was judged yet"
    if judgement.non_inferior and judgement.suspects:
        return suspect(judgement)
    text = f"{labels(judgement)} so far"
    waiting = waited_for(judgement.results)
    if waiting:
        text += f", {_waits(waiting[0])}"
    if len(waiting) > 1:
        text += f", the slowest of {len(waiting)} slices x metrics that are waited for"
    if judgement.seconds_to_decision is not None:
        text += f", {_expected(judgement.seconds_to_decision)}"
    return clip(text)


def _waits(slowest: Result) -> str:
    what = f"{slowest.metric} on {slice_name(slowest)} within the margin of {_bound(slowest.margin, slowest.metric)}"
    if slowest.labels_needed:
        return f"about {slowest.labels_needed} more needed to show {what}"
    return f"and too few to say how many it takes to show {what}"


def _expected(wait: float) -> str:
    """When a verdict is expected; in words where it is due, or where nobody would wait so long."""
    if wait < 1:
        return "expected with the next labels"
    if wait > YEAR_SECONDS:
        return "which takes longer than a year with this traffic"
    return f"expected in {seconds(wait)}"


def domain(judgement: Judgement) -> str:
    """A message: the shares of scores outside the dataset's domain, its bounds, and what to do."""
    baseline, candidate = (_percent(share) for share in judgement.out_of_domain)
    where = f" ({judgement.valid})" if judgement.valid else ""
    return (
        f"{candidate} of the candidate's and {baseline} of the baseline's scores are outside the dataset's domain"
        f"{where}; correct it, or the score column"
    )
