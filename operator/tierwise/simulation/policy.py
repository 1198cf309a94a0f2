"""The policy of a simulation: how a candidate is judged tier by tier, from a ModelDeployment or the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.monitoring.counts.model import Block, Cells, Dataset
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.scatter import candidate_pods
from tierwise.monitoring.planning.tier_plan import TierPlan, TierTerms, plan_tier

START = datetime(2026, 1, 1, tzinfo=UTC)  # start of generated blocks; no result depends on it


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """How one tier is judged. `exposure` is the candidate's share of the tier's rows; times are seconds."""

    name: str | None
    alpha: float
    exposure: float
    min_duration: float
    max_duration: float


@dataclass(frozen=True, slots=True)
class Policy:
    """The tiers in their order, and what is judged in each. Blocks are `block_seconds` long.

    `spread` by tier and dataset: how much pods differed before; without it φ is 1 and σ_pod is not known.
    """

    analysis: tuple[DatasetAnalysis, ...]
    datasets: Mapping[str, Dataset]
    tiers: tuple[TierPolicy, ...]
    block_seconds: float
    alpha: float
    on_inconclusive: Literal["Hold", "Promote", "RollBack"] = "Hold"
    spread: tuple[Mapping[str, Spread], ...] = ()

    def looks(self, tier: int) -> int:
        """The number of blocks of a tier until its maxDuration."""
        return max(1, int(self.tiers[tier].max_duration // self.block_seconds))

    def pods(self, tier: int) -> tuple[int, int] | None:
        """Baseline and candidate pods of a tier, as many as its exposure asks for; None where the log names none."""
        found = [spread.pods for spread in (self.spread[tier] if self.spread else {}).values() if spread.pods]
        if not found:
            return None
        return min(found), candidate_pods(min(found), self.tiers[tier].exposure)

    def plan(self, tier: int, history: Mapping[str, Cells], covered_seconds: float) -> TierPlan:
        """The tier's plan, made by the operator's function. `history` covers `covered_seconds`."""
        policy = self.tiers[tier]
        return plan_tier(
            self.analysis,
            self.datasets,
            history,
            TierTerms(
                alpha=policy.alpha,
                expected_share=policy.max_duration / covered_seconds,
                candidate_share=policy.exposure,
                max_duration_seconds=policy.max_duration,
            ),
            spread=self.spread[tier] if self.spread else {},
        )


def blocks_of(seconds: float, looks: Sequence[int]) -> tuple[Block, ...]:
    """The blocks with these numbers, from `START` on."""
    width = timedelta(seconds=seconds)
    return tuple(Block(START + look * width, START + (look + 1) * width) for look in looks)
