"""The loop of one ModelDeployment: observe, decide, act, write each status once, then emit Events."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from tierwise.api.modelrollout import TierStatus
from tierwise.errors import ConflictError, SpecError
from tierwise.rollout.decide import decide, statuses_after
from tierwise.rollout.delivery.recovery import recovering
from tierwise.rollout.delivery.verification import verifying
from tierwise.rollout.deployment import in_flight
from tierwise.rollout.record.verdicts import due_records
from tierwise.rollout.state.actions import Decision, Deliver, RestoreStrategy
from tierwise.rollout.state.conditions import current_tier
from tierwise.rollout.state.flight import FINISHED
from tierwise.rollout.state.observation import DeploymentView, Observation, RolloutView
from tierwise.runtime.control_loop.keeper import VerdictKeeper
from tierwise.runtime.judging.look import Look, LookRequest, StoreOf, TierJudge, stores_of
from tierwise.runtime.ports import Clock, Fleet, PredictionStore
from tierwise.runtime.reading.request import RolloutRequest

logger = logging.getLogger(__name__)

_CONFLICT_ATTEMPTS = 4
_INVALID_SECONDS = 60.0


def reconcile(
    namespace: str,
    name: str,
    fleet: Fleet,
    store: PredictionStore | StoreOf,
    clock: Clock,
    judge: TierJudge,
) -> float | None:
    """Run one tick of one ModelDeployment and its rollouts.

    Returns the seconds to the next tick: 0 for at once, None if the next tick comes only after a change. `store` is the
    default store, or a function from a DSN (None: the default) to a store. See `Ticking`.

    Raises:
        ConflictError: other writers were first in every attempt.
    """
    return Ticking(fleet, stores_of(store), clock, judge).tick(namespace, name)


@dataclass(frozen=True, slots=True)
class Ticking:
    """What ticks need. Without a `keeper` no verdicts are stored."""

    fleet: Fleet
    stores: StoreOf
    clock: Clock
    judge: TierJudge
    keeper: VerdictKeeper | None = None

    def tick(self, namespace: str, name: str) -> float | None:
        """Run one tick of one ModelDeployment and its rollouts.

        Returns the seconds to the next tick: 0 for at once, None if the next tick comes only after a change.

        Never run two ticks of one object at once. A conflict means that another writer was first; then the tick
        observes and decides anew.

        Raises:
            ConflictError: other writers were first in every attempt.
        """
        for _ in range(_CONFLICT_ATTEMPTS - 1):
            try:
                return _tick(namespace, name, self)
            except ConflictError as conflict:
                logger.debug("%s/%s: %s; observing again", namespace, name, conflict)
        return _tick(namespace, name, self)


def _tick(namespace: str, name: str, using: Ticking) -> float | None:
    fleet, judge, keeper = using.fleet, using.judge, using.keeper
    try:
        view = fleet.get_deployment(namespace, name)
    except SpecError as error:
        # The object cannot be parsed. Without this only the operator's log would say so.
        fleet.report_invalid(namespace, name, error.reason, str(error))
        return _INVALID_SECONDS
    if view is None:
        judge.forget(namespace, name)
        if keeper is not None:
            keeper.forget(namespace, name)
        return None
    now = using.clock.now()
    observation = _observe(view, fleet, using.stores, using.clock, judge)
    if keeper is not None:
        observation = keeper.observe(observation)
    rollout = in_flight(observation) or recovering(observation) or verifying(observation)
    decision = decide(observation, now)
    refused = _apply(view, decision, fleet)
    if refused is not None:
        decision = decide(replace(observation, refused=refused), now)
        _apply(view, decision, fleet)
    if keeper is not None:  # before the status: a process that ends in between decides again, and writes it again
        keeper.keep((namespace, name), due_records(observation, statuses_after(rollout, decision), now))
    _write(observation, rollout, fleet, decision)
    if decision.events:
        for event in decision.events:
            logger.info("%s/%s: %s: %s", namespace, name, event.reason, event.message)
        fleet.emit(view, rollout, decision.events)
    return decision.requeue_after_seconds


def _apply(view: DeploymentView, decision: Decision, fleet: Fleet) -> str | None:
    """Carry out the actions. Returns why the API server refused a delivery, else None; the status reports it.

    After a refusal the other actions are still carried out: a rollback restores what it can.
    """
    refused = None
    for action in decision.actions:
        logger.info("%s/%s: %s", view.namespace, view.name, _describe(action))
        try:
            fleet.apply(view, action)
        except SpecError as error:
            if not isinstance(action, Deliver | RestoreStrategy):
                raise
            logger.warning("%s/%s: %s", view.namespace, view.name, error)
            refused = refused or str(error)
    return refused


def _describe(action: object) -> str:
    names = ("workload_name", "twin_name", "rollout_name", "name")
    where = next((str(getattr(action, field)) for field in names if getattr(action, field, None)), "")
    return f"{type(action).__name__} {where}".rstrip()


def _write(observation: Observation, rollout: RolloutView | None, fleet: Fleet, decision: Decision) -> None:
    """Write the statuses of rollouts first, then that of the ModelDeployment.

    After a crash between the two, the status of the ModelDeployment is derived from that of the rollout.
    """
    view, wanted = observation.deployment, statuses_after(rollout, decision)
    for each in observation.rollouts:
        if each.name in wanted and wanted[each.name] != each.status:
            fleet.replace_rollout_status(each, view.namespace, wanted[each.name])
    if decision.deployment_status != view.status:
        fleet.replace_deployment_status(view, decision.deployment_status)


def _observe(view: DeploymentView, fleet: Fleet, stores: StoreOf, clock: Clock, judge: TierJudge) -> Observation:
    rollouts = fleet.list_rollouts(view)
    bare = Observation(deployment=view, rollouts=rollouts, created_at=view.created_at)
    rollout = in_flight(bare)
    observation = replace(bare, tiers=fleet.list_tiers(_in_force(view, rollout)), claims=fleet.list_claims(view))
    observation = replace(observation, namesakes=fleet.list_namesakes(view))
    if view.deleting or view.status.first_seen_at is None:
        return observation
    if rollout is None:
        recovered, watched = recovering(observation), verifying(observation)
        return replace(
            observation,
            judgement=judge.preflight(view, fleet, stores, clock.now()),
            pre_release=judge.pre_release(view, fleet, stores, clock.now()),
            recovery=None
            if recovered is None
            else judge.recovery(RolloutRequest(view, recovered, fleet, stores, clock.now())),
            verification=None
            if watched is None
            else judge.verification(RolloutRequest(view, watched, fleet, stores, clock.now())),
        )
    if rollout.status.rolling_back_since is None and rollout.status.verification is not None:
        seen = judge.verification(RolloutRequest(view, rollout, fleet, stores, clock.now()))
        observation = replace(observation, verification=seen)
    delivered = current_tier(rollout.status)
    if rollout.status.rolling_back_since is None and delivered is not None and delivered.phase == "Delivering":
        commits = judge.commits(LookRequest(view, rollout, fleet, stores, clock.now(), delivered))
        return replace(observation, commits=commits)
    tier = _judged_tier(rollout)
    if tier is None:
        return observation
    look: Look = judge.look(LookRequest(view, rollout, fleet, stores, clock.now(), tier))
    return replace(observation, judgement=look.judgement, frozen=look.frozen)


def _in_force(view: DeploymentView, rollout: RolloutView | None) -> DeploymentView:
    """The ModelDeployment with the tiers and the container that apply: those of the rollout while one is in flight."""
    if rollout is None or rollout.status.result in FINISHED:
        return view
    strategy = rollout.spec.strategy
    spec = view.spec.model_copy(update={"tiers": strategy.tiers, "delivery": strategy.delivery})
    return replace(view, spec=spec)


def _judged_tier(rollout: RolloutView) -> TierStatus | None:
    status = rollout.status
    if not rollout.spec.compared or status.rolling_back_since is not None or status.result in FINISHED:
        return None
    tier = current_tier(status)
    return tier if tier is not None and tier.phase in ("Probing", "Judging") else None
