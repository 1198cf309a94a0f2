"""One look at a tier: read the newly matured blocks, fold them, judge.

After a restart the status and the log are enough to repeat everything.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from tierwise.api.common import duration_seconds
from tierwise.api.frozen import Frozen
from tierwise.arrays import FloatArray
from tierwise.errors import ReasonedError, SpecError, StoreError
from tierwise.monitoring.checks.arrivals import STALE_SECONDS, empty, stale
from tierwise.monitoring.checks.concern import Concern, concern_of
from tierwise.monitoring.checks.missing_arms import Place, detect_missing_arms
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.counts.thresholds import cells_of
from tierwise.monitoring.evidence.fold import Evidence, begin, fold
from tierwise.monitoring.planning.snapshot import pinned_hash, thaw
from tierwise.monitoring.query.stored.performance_table import Origin
from tierwise.monitoring.verdicts.control_drift import ControlEvidence, begin_control, trouble_of
from tierwise.monitoring.verdicts.judge import judge, judged_at
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.rollout.state.blocks import SharedBlock, blocks_until
from tierwise.rollout.state.flight import is_by_place
from tierwise.rollout.state.observation import DeploymentView, RecoveryLog, VerificationLook
from tierwise.runtime.judging.plan import bound_to_tier, datasets_of, plan_of
from tierwise.runtime.judging.prerelease import Examining
from tierwise.runtime.judging.protocol import Look, LookRequest, TierJudge
from tierwise.runtime.judging.unchanged import require_unchanged
from tierwise.runtime.ports import Fleet
from tierwise.runtime.reading.arrivals import arrival_concerns
from tierwise.runtime.reading.commits import read_commits
from tierwise.runtime.reading.controls import ControlPast, Followed
from tierwise.runtime.reading.datasets import BoundSource, Source, StoreOf, resolve, stores_of, writer_of
from tierwise.runtime.reading.missing_times import untimed_rows
from tierwise.runtime.reading.recovery import read_recovery
from tierwise.runtime.reading.request import RolloutRequest
from tierwise.runtime.reading.runs import BLOCKS_AT_ONCE, blocks_at_once, read_run
from tierwise.runtime.verification.look import Verifying

__all__ = ["Judging", "Look", "LookRequest", "StoreOf", "TierJudge", "stores_of"]

logger = logging.getLogger(__name__)

_CHECKED_FOR = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class _Folded:
    """The evidence of the first `blocks` blocks of a tier with this plan. `control` is the evidence on the control."""

    frozen: Frozen
    evidence: Evidence
    control: ControlEvidence
    blocks: int


class Judging:
    """Folds incrementally. After a restart it folds all blocks again and gets the same bits.

    A block counts as complete `safety_seconds` after its end, because rows may still be on their way. A log without a
    row for five intervals, and for at least `stale_seconds`, is stale.
    """

    def __init__(self, *, safety_seconds: float = 5.0, stale_seconds: float = STALE_SECONDS) -> None:
        self._safety = timedelta(seconds=safety_seconds)
        self._stale_seconds = stale_seconds
        self._folded: dict[tuple[str, str], dict[tuple[str, str], _Folded]] = {}
        self._judged: dict[tuple[str, str], tuple[Evidence, Judgement]] = {}
        self._verifying = Verifying(self._safety)
        self._past: dict[tuple[str, str], ControlPast] = {}
        self._checked: dict[tuple[str, str, str], datetime] = {}
        self._examining = Examining()
        self._at_once: dict[tuple[str, str], int] = {}

    def preflight(self, deployment: DeploymentView, fleet: Fleet, stores: StoreOf, now: datetime) -> Concern | None:
        """Check datasets, metrics, dimensions and columns. A store that cannot be reached does not prevent a start."""
        try:
            sources = resolve(deployment.namespace, deployment.spec.analysis, fleet, stores)
            for source in sources.values():
                self._check(deployment.namespace, source, now)
        except SpecError as error:
            return concern_of(error)
        except StoreError:
            return None
        return None

    def pre_release(
        self, deployment: DeploymentView, fleet: Fleet, stores: StoreOf, now: datetime
    ) -> Judgement | Concern | None:
        """Judge the spec's version on the validation table, before a rollout."""
        return self._examining.examine(deployment, fleet, stores, now)

    def look(self, request: LookRequest) -> Look:
        """Take one look at a tier that is probed or judged."""
        try:
            sources = resolve(
                request.deployment.namespace, request.rollout.spec.strategy.analysis, request.fleet, request.stores
            )
            if request.tier.frozen is None:
                return Look(frozen=plan_of(request, sources))
            if request.tier.judging_since is None or request.now < request.tier.judging_since:
                return Look()
            return Look(self._judge(request, sources, request.tier.frozen))
        except ReasonedError as error:
            return Look(concern_of(error))

    def recovery(self, request: RolloutRequest) -> RecoveryLog | Concern | None:
        """Read the counts of both versions since a rollback."""
        return read_recovery(request, self._safety)

    def commits(self, request: LookRequest) -> Mapping[str, int]:
        """Count rows by commit since the delivery began."""
        return read_commits(
            request.deployment, request.rollout, request.tier, request.fleet, request.stores, request.now
        )

    def verification(self, request: RolloutRequest) -> VerificationLook | Concern | None:
        """Take one look at delivered tiers."""
        return self._verifying.look(request)

    def forget(self, namespace: str, name: str) -> None:
        """Drop the cached evidence of the object."""
        self._verifying.forget(namespace, name)
        self._folded.pop((namespace, name), None)
        self._judged.pop((namespace, name), None)
        self._examining.forget(namespace, name)
        self._past.pop((namespace, name), None)
        self._at_once.pop((namespace, name), None)

    def _check(self, namespace: str, source: Source, now: datetime) -> None:
        key = (namespace, source.dataset.name, pinned_hash(source.dataset))
        checked = self._checked.get(key)
        if checked is None or now - checked > _CHECKED_FOR:
            source.store.check(source.dataset)
            self._checked[key] = now

    def _judge(self, request: LookRequest, sources: Mapping[str, Source], frozen: Frozen) -> Judgement | Concern:
        require_unchanged(frozen, sources)
        bound_to = bound_to_tier(request, _with_known(sources, frozen))
        interval = duration_seconds(request.rollout.spec.strategy.analysis.interval)
        mature: dict[str, datetime] = {}
        for name, source in bound_to.items():
            newest = source.store.watermark(source.dataset, source.scope, request.now)
            if newest is None:
                return empty(source.dataset, request.rollout.spec.model)
            old = stale(source.dataset, newest, request.now, interval=interval, at_least=self._stale_seconds)
            if old is not None:
                return old
            delay = timedelta(seconds=duration_seconds(source.dataset.spec.maturity))
            mature[name] = min(newest, request.now - self._safety) - delay
        assert request.tier.judging_since is not None
        blocks = blocks_until(request.tier.judging_since, interval, request.tier.pods_changes, min(mature.values()))
        folded = self._fold(request, bound_to, frozen, blocks)
        judged = judged_at(self._judgement(request, folded.evidence), request.now)
        if frozen.history is not None:
            judged = replace(judged, control_trouble=trouble_of(folded.control, frozen.history))
        if not judged.blocks:
            return judged
        spec = request.rollout.spec
        concerns = (
            *detect_missing_arms(judged.rows, judged.gone, Place(spec.from_.name, spec.to.name)),
            *arrival_concerns(bound_to, mature, interval),
            *untimed_rows(bound_to, judged, request.now),
        )
        return replace(judged, concerns=concerns + judged.concerns)

    def _judgement(self, request: LookRequest, evidence: Evidence) -> Judgement:
        """The judgement of the evidence, computed once: most looks find no new block."""
        owner = (request.deployment.namespace, request.deployment.name)
        of, judged = self._judged.get(owner, (None, None))
        if of is not evidence or judged is None:
            judged = judge(evidence)
            self._judged[owner] = (evidence, judged)
        return judged

    def _fold(
        self,
        request: LookRequest,
        sources: Mapping[str, BoundSource],
        frozen: Frozen,
        blocks: tuple[SharedBlock, ...],
    ) -> _Folded:
        owner = (request.deployment.namespace, request.deployment.name)
        key = (request.rollout.uid, request.tier.name)
        folded = self._folded.get(owner, {}).get(key)
        if folded is None or folded.frozen != frozen or folded.blocks > len(blocks):
            plan = thaw(frozen, request.rollout.spec.strategy.analysis.datasets, datasets_of(sources))
            folded = _Folded(frozen, begin(plan), begin_control(plan, frozen.history), 0)
        past = self._past.setdefault(owner, ControlPast())
        interval = duration_seconds(request.rollout.spec.strategy.analysis.interval)
        since = request.tier.judging_since or request.now
        tier = Followed(key, frozen.history, since, interval)
        most = blocks_at_once(datasets_of(sources).values(), self._at_once.get(owner, BLOCKS_AT_ONCE))
        while folded.blocks < len(blocks):
            at = folded.blocks

            def read(run: Sequence[SharedBlock], at: int = at) -> dict[str, Cells]:
                return self._keep(request, sources, run, at) or _read_cells(sources, run)

            chosen, cells = read_run(blocks[at:], most, read)
            if len(chosen) < len(blocks[at : at + most]):
                self._at_once[owner] = most = len(chosen)  # a limit allowed no more: the next look asks for no more
            shares = _shares(request, chosen)
            pods = np.array([shared.pods for shared in chosen], dtype=np.int64)
            control = past.watch(folded.control, tier, chosen, cells, sources)
            folded = _Folded(frozen, fold(folded.evidence, cells, shares, pods), control, folded.blocks + len(chosen))
            self._folded[owner] = {key: folded}  # a ModelDeployment has one tier in flight
        return folded

    def _keep(
        self,
        request: LookRequest,
        sources: Mapping[str, BoundSource],
        chosen: Sequence[SharedBlock],
        first: int,
    ) -> dict[str, Cells] | None:
        """Write the distributions of blocks that the status does not count yet. After a crash it may write them twice.

        Returns the cells of a single block, so that a look sends one query per dataset. None if they must be read.
        """
        cells: dict[str, Cells] = {}
        for index, shared in enumerate(chosen, start=first):
            if index < request.tier.look:
                continue
            for name, source in sources.items():
                found = source.store.read_distributions(source.dataset, source.scope, shared.block)
                counted = cells_of(found, source.dataset.spec, source.dataset.reads)
                if counted is not None:
                    cells[name] = counted
                try:
                    origin = Origin(request.rollout.name, request.tier.name, index)
                    writer = writer_of(request.stores, source.store)
                    writer.write_performance(origin, source.dataset, source.scope, found)
                except ReasonedError as error:
                    # The evidence does not depend on this table, so the judgement must not wait for it.
                    logger.warning(
                        "%s: block %d of %s is not in ml_performance: %s", request.rollout.name, index, name, error
                    )
        return cells if len(chosen) == 1 and cells.keys() == sources.keys() else None


def _shares(request: LookRequest, chosen: Sequence[SharedBlock]) -> FloatArray:
    """The candidate's share of the ready pods per block (blocks,); NaN where pods are tied to places.

    A node or a shard has its own traffic, so the number of pods does not say which share of the requests to expect.
    """
    if is_by_place(request.tier):
        return np.full(len(chosen), np.nan)
    return np.array([shared.candidate_share for shared in chosen])


def _read_cells(sources: Mapping[str, BoundSource], chosen: Sequence[SharedBlock]) -> dict[str, Cells]:
    wanted = tuple(shared.block for shared in chosen)
    return {name: source.store.read_cells(source.dataset, source.scope, wanted) for name, source in sources.items()}


def _with_known(sources: Mapping[str, Source], frozen: Frozen) -> dict[str, Source]:
    """The sources in which slices of the plan have counts of their own, also if a dimension exceeds its maxValues."""
    slices = {dataset.name: tuple(key for key in dataset.slices if key) for dataset in frozen.datasets}
    return {
        name: replace(source, dataset=replace(source.dataset, known=slices.get(name, ())))
        for name, source in sources.items()
    }
