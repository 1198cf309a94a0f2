"""One simulated tier. The code that judges real tiers folds its blocks, judges and gates it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.names import GateDecision
from tierwise.api.reasons import Reason
from tierwise.api.slices import slice_key
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.evidence.fold import Evidence, begin, fold
from tierwise.monitoring.planning.tier_plan import TierPlan
from tierwise.monitoring.verdicts.judge import judge
from tierwise.rollout.gate import Situation, gate
from tierwise.simulation.policy import Policy

Named = tuple[str, str, str]  # dataset, metric, slice key


@dataclass(frozen=True, slots=True)
class TierTrial:
    """The outcome of a tier. Looks count from 1. None: it had not happened by the last look.

    `stopped_at` is the look of the rollback, also if the tier had been promoted before (`promoted_at`).
    """

    promoted_at: int | None
    stopped_at: int | None
    reason: Reason
    named: tuple[Named, ...] = ()

    @property
    def outcome(self) -> GateDecision:
        """What the rollout decided first; Hold if it neither promoted nor rolled back."""
        if self.promoted_at is not None and (self.stopped_at is None or self.promoted_at < self.stopped_at):
            return GateDecision.PROMOTE
        return GateDecision.HOLD if self.stopped_at is None else GateDecision.ROLL_BACK


def run_tier(
    policy: Policy, tier: int, plan: TierPlan, blocks: Iterator[Mapping[str, Cells]], *, to_the_end: bool
) -> TierTrial:
    """Fold, judge and gate block by block.

    With `to_the_end` continue after the promotion, to see whether the tier would ever have been rolled back.
    """
    evidence = begin(plan)
    share, pods = np.array([policy.tiers[tier].exposure]), policy.pods(tier)
    served = None if pods is None else np.array([pods], dtype=np.int64)
    state = _Gating(policy, tier)
    for look, cells in enumerate(blocks, start=1):
        evidence = fold(evidence, cells, share, served)
        state.see(evidence, look)
        if state.stopped_at is not None or (state.promoted_at is not None and not to_the_end):
            break
    return state.trial(evidence)


class _Gating:
    """The gate's decisions so far. The gate is called only when its decision can have changed."""

    def __init__(self, policy: Policy, tier: int) -> None:
        self._policy = policy
        self._tier = policy.tiers[tier]
        self.promoted_at: int | None = None
        self.stopped_at: int | None = None
        self._passed = -1
        self._waits = False
        self._reason = Reason.INCONCLUSIVE

    def see(self, evidence: Evidence, look: int) -> None:
        elapsed = look * self._policy.block_seconds
        if evidence.stopped_at is not None:
            self.stopped_at = look
            return
        soaking = elapsed < self._tier.min_duration
        if self.promoted_at is not None or soaking:
            return
        over = elapsed >= self._tier.max_duration
        # The judgement can become non-inferior only if one more hypothesis passes. Then the gate may still hold, for
        # example because a small slice looks worse. So the gate is asked again at each look.
        passed = int((evidence.was_non_inferior | evidence.was_improved).sum())
        if passed == self._passed and not self._waits and not over:
            return
        self._passed = passed
        judgement = judge(evidence, exact=0)
        self._waits = judgement.non_inferior
        outcome = gate(
            Situation(judgement=judgement, max_duration_passed=over, on_inconclusive=self._policy.on_inconclusive)
        )
        self._reason = outcome.reason
        if outcome.decision is GateDecision.PROMOTE:
            self.promoted_at = look
        elif outcome.decision is GateDecision.ROLL_BACK:
            self.stopped_at = look

    def trial(self, evidence: Evidence) -> TierTrial:
        named: Sequence[Named] = ()
        reason = self._reason
        if evidence.stopped_at is not None:
            judgement = judge(evidence, exact=0)
            reason = Reason.REGRESSED
            named = [(c.dataset, c.metric, slice_key(c.slice)) for c in judgement.culprits]
        return TierTrial(self.promoted_at, self.stopped_at, reason, tuple(named))
