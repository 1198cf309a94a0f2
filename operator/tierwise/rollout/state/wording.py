"""Messages with numbers, for conditions, Events and people. Their length is bounded."""

from __future__ import annotations

from datetime import UTC, datetime

from tierwise.metrics.units import is_share
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.monitoring.verdicts.judgement import ArmCounts, ControlTrouble, Judgement, Result

LONGEST = 1000


def clip(text: str, longest: int = LONGEST) -> str:
    """The text, cut with an ellipsis if it is too long for a status."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def counted(count: int, what: str) -> str:
    """``1 tier``, ``2 tiers``."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


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


def _margin(found: Result) -> str:
    margin = found.margin
    if margin.relative is not None:
        return f"{100 * margin.relative:.3g} % relative"
    absolute = margin.absolute or 0
    return f"{100 * absolute:.3g} pp" if is_share(found.metric) else f"{absolute:.3g}"


def _change(found: Result) -> str:
    """``0.5 % → 3.1 %``, or how far a share moved if there are no values."""
    if found.candidate_value is None and found.baseline_value is None and found.difference is not None:
        return f"moved by {100 * found.difference:+.2g} pp"
    return f"{_value(found, found.baseline_value)} → {_value(found, found.candidate_value)}"


def _rows(arm: ArmCounts) -> str:
    return f"{arm.n} rows" if arm.bad is None else f"{arm.bad}/{arm.n}"


def result(found: Result) -> str:
    """``fpr on asn_type=residential 0.5 % → 3.1 % (margin 25 % relative, 61/1968 vs 9/2011, e=4.1e5)``."""
    evidence = "" if found.log10_e is None else f", e={e_value_text(found.log10_e)}"
    return (
        f"{found.metric} on {slice_name(found)} {_change(found)} "
        f"(margin {_margin(found)}, {_rows(found.candidate)} vs {_rows(found.baseline)}{evidence})"
    )


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


def _then_and_now(found: Result) -> str:
    return (
        f"{found.metric} on {slice_name(found)} {_change(found)} "
        f"({_rows(found.candidate)} now vs {_rows(found.baseline)})"
    )


def non_inferiority(judgement: Judgement) -> str:
    """A message: what was shown to be non-inferior, and on how many labels."""
    overall = "not worse than the margins overall"
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
    covered = f", which hold {_percent(held)} or more of the traffic in each dimension" if held else ""
    few = len(slices) - powered
    others = f", and {few} were planned as too small to be waited for" if few else ""
    return (
        f"{overall} and in all {powered} slices x metrics large enough to be waited for{covered}{others}; "
        f"{labels(judgement)}"
    )


def suspect(judgement: Judgement) -> str:
    """The slice that looks worst, what is needed to know, and how many more there are."""
    worst = judgement.suspects[0]
    needed = f"; about {worst.labels_needed} more labels would tell" if worst.labels_needed else ""
    more = len(judgement.suspects) - 1
    others = f", and {more} more slice{'s' if more > 1 else ''} x metric{'s' if more > 1 else ''}" if more else ""
    return clip(f"not promoted while a slice looks worse than its margin: {result(worst)}{needed}{others}")


def labels(judgement: Judgement) -> str:
    """Labelled predictions of the candidate and the baseline."""
    baseline, candidate = judgement.labels
    return f"{candidate} candidate and {baseline} baseline labels"


def inconclusive(judgement: Judgement | None) -> str:
    """A message: what is still needed, and the expected time."""
    if judgement is None:
        return "nothing was judged yet"
    if judgement.non_inferior and judgement.suspects:
        return suspect(judgement)
    open_results = [found for found in judgement.results if found.powered and found.labels_needed]
    needed = max((found.labels_needed or 0 for found in open_results), default=0)
    text = f"{labels(judgement)} so far"
    if needed:
        slowest = max(open_results, key=lambda found: found.labels_needed or 0)
        text += f", about {needed} more needed for {slowest.metric} on {slice_name(slowest)}"
    if judgement.seconds_to_decision is not None:
        text += f", expected in {seconds(judgement.seconds_to_decision)}"
    return clip(text)


def domain(judgement: Judgement) -> str:
    """A message: the shares of scores outside the dataset's domain, its bounds, and what to do."""
    baseline, candidate = (_percent(share) for share in judgement.out_of_domain)
    where = f" ({judgement.valid})" if judgement.valid else ""
    return (
        f"{candidate} of the candidate's and {baseline} of the baseline's scores are outside the dataset's domain"
        f"{where}; correct it, or the score column"
    )
