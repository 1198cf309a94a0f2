"""Metrics of the service without labels: latency, errors, invalid scores."""

from __future__ import annotations

from tierwise.api.common import Margin
from tierwise.arrays import IntArray
from tierwise.metrics.family import Family, number
from tierwise.metrics.metric import ANY_KIND, Metric, Needs, Proportion
from tierwise.metrics.tally import Sum, Tally

_QUARTER = Margin(relative=0.25)
_INVALID = 2


def _counted(name: str) -> Proportion:
    """A proportion whose numbers the store counts as the sums `name:n` and `name:bad`."""

    def count(tally: Tally) -> tuple[IntArray, IntArray]:
        return tally.sums[f"{name}:n"], tally.sums[f"{name}:bad"]  # type: ignore[return-value]  # whole numbers

    return Proportion(count)


def _sums(name: str, *, known: str, bad: str) -> tuple[Sum, ...]:
    return Sum(f"{name}:n", f"toUInt8({known})"), Sum(f"{name}:bad", f"toUInt8({known} AND {bad})")


def _latency_over(parameter: str) -> Metric:
    limit = number(parameter, "a number of milliseconds above 0", low=0.0, high=float("inf"))
    name = f"latency-over@{parameter}"
    return Metric(
        name,
        "LowerIsBetter",
        _counted(name),
        _QUARTER,
        Needs(
            labels=False,
            sums=_sums(
                name, known="ifNull(NOT isNaN(toFloat64({latency})), 0)", bad=f"ifNull({{latency}} > {limit!r}, 0)"
            ),
            columns=("latency",),
        ),
        f"Requests that took longer than {limit:g} ms, out of all requests with a latency.",
        unit="share of requests",
        not_for="Mean latency, which it does not see; and requests without a response, which have no latency: use "
        "server-error-rate.",
        kinds=ANY_KIND,
        scale="None",
    )


def _out_of_domain(tally: Tally) -> tuple[IntArray, IntArray]:
    return tally.counts.sum(axis=(-2, -1)), tally.counts[..., _INVALID].sum(axis=-1)


_STATUS = "toInt32OrZero(toString({status}))"
_HAS_STATUS = "ifNull(toString({status}) != '', 0)"

METRICS = (
    Metric(
        "server-error-rate",
        "LowerIsBetter",
        _counted("server-error-rate"),
        _QUARTER,
        Needs(
            labels=False,
            sums=_sums("server-error-rate", known=_HAS_STATUS, bad=f"ifNull({_STATUS} >= 500, 0)"),
            columns=("status",),
        ),
        "Requests with a status of 500 or more, out of all requests with a status.",
        unit="share of requests",
        not_for="Requests that were never logged: a pod that crashes writes no row. Tierwise sees this from the pods "
        "and the split of traffic.",
        kinds=ANY_KIND,
        scale="None",
    ),
    Metric(
        "not-computed",
        "LowerIsBetter",
        _counted("not-computed"),
        _QUARTER,
        Needs(labels=False, sums=_sums("not-computed", known="1", bad="{excluded}"), excluded=True),
        "Rows whose score means that there is no score (domain.exclude), out of all rows. Example: a bot score where 0 "
        "is not computed, 1–29 a bot, 30–99 a human: domain {min: 1, max: 99, exclude: [0]}, threshold 30, positive "
        "Below.",
        unit="share of rows",
        not_for="A dataset whose domain.exclude is empty: then it is always 0.",
        kinds=("Binary", "Number"),
        scale="None",
    ),
    Metric(
        "out-of-domain",
        "LowerIsBetter",
        Proportion(_out_of_domain),
        _QUARTER,
        Needs(labels=False),
        "Rows whose score or class is invalid (NaN, outside the domain, excluded, none of the classes), out of all "
        "rows.",
        unit="share of rows",
        not_for="A domain that is wider than the model's real range: wrong scores within it are valid. Use "
        "score-shift.",
        kinds=ANY_KIND,
        scale="None",
    ),
    Metric(
        "challenge-solve-rate",
        "HigherIsBetter",
        _counted("challenge-solve-rate"),
        Margin(relative=0.25),
        Needs(
            labels=False,
            sums=_sums(
                "challenge-solve-rate",
                known="ifNull({value:issued} > 0, 0)",
                bad="NOT ifNull({value:solved} > 0, 0)",
            ),
            values=("issued", "solved"),
            some_rows=True,
        ),
        "Challenges that were solved, out of those issued (rows whose value `issued` is above 0). Solved challenges "
        "among rows that the model calls a bot are people it disturbed. The margin is of the share not solved.",
        unit="share of challenges",
        not_for="Fresh rows: solving takes time, so give the dataset a maturity. If solving is bad (by "
        "bots), name a value `solved` that is 1 for challenges that were not solved.",
        kinds=ANY_KIND,
        scale="None",
    ),
)
FAMILIES = (Family("latency-over", "MS", "200", _latency_over),)
