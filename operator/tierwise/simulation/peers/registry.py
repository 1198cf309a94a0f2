"""All rules of other tools, with a name and a line for people."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tierwise.arrays import FloatArray
from tierwise.simulation.peers.kayenta import MannWhitneyJudge
from tierwise.simulation.peers.rules import NO_VALUES, RepeatedZTest, Rule, Threshold, Values

FAILURE_LIMITS = (0, 3, 10)


@dataclass(frozen=True, slots=True)
class Peer:
    """A rule with its name, a line for people, and a function that starts it for one simulation.

    `not_judged` are the metrics that it cannot judge. `judges` is False if it can judge none.
    """

    name: str
    description: str
    begin: Callable[[], Rule]
    not_judged: tuple[str, ...] = ()
    judges: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What the peers can judge of a plan: rates (H,) with their bounds, and values (G,).

    `neither` are the metrics that no rule can judge. `estimated` are the names of metrics that are not a proportion.
    """

    usual: FloatArray
    margin: FloatArray
    tolerance: FloatArray
    values: Values = NO_VALUES
    estimated: tuple[str, ...] = ()
    neither: tuple[str, ...] = ()


def peers(judged: Judged, *, alpha: float, looks: int, judge_every: int = 30) -> Sequence[Peer]:
    """All rules for H hypotheses.

    Thresholds are the usual rate plus the margin. `alpha` is the error rate per test or, with Bonferroni's correction,
    over all H. `looks` is the number of looks of the simulation.
    """
    values, estimated, neither, tolerance = judged.values, judged.estimated, judged.neither, judged.tolerance
    hypotheses = len(judged.usual)
    limit = judged.usual + judged.margin
    corrected = alpha / max(hypotheses, 1)
    is_any = hypotheses + len(values.usual) > 0
    of_rates = (tuple(sorted({*estimated, *neither})), hypotheses > 0)
    of_values = (neither, is_any)
    judge = f"Mann–Whitney judge every {judge_every} looks"
    beside = f"p < {alpha:g}/{max(hypotheses, 1)}"
    return (
        Peer("z-test", f"z-test at every look, p < {alpha:g} in any slice", partial(RepeatedZTest, alpha), *of_rates),
        Peer("z-test-bonferroni", f"z-test at every look, {beside}", partial(RepeatedZTest, corrected), *of_rates),
        Peer(
            "z-test-tolerance",
            f"z-test at every look for worse than the tolerance, {beside}",
            partial(RepeatedZTest, corrected, tolerance),
            *of_rates,
        ),
        *(
            Peer(
                f"threshold-{allowed}",
                f"threshold per slice at the usual rate + margin, failureLimit {allowed}",
                partial(Threshold, limit, allowed, values=values),
                *of_values,
            )
            for allowed in FAILURE_LIMITS
        ),
        Peer(
            "mann-whitney",
            f"{judge}, pass 95, marginal 75",
            partial(MannWhitneyJudge, looks, every=judge_every, either=values.either),
            *of_values,
        ),
        Peer(
            "mann-whitney-critical",
            f"{judge}, any slice High fails",
            partial(MannWhitneyJudge, looks, every=judge_every, critical=True, either=values.either),
            *of_values,
        ),
    )
