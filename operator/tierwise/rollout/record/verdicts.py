"""The verdicts of a rollout as the store keeps them: every slice and metric at each decision. Pure.

They outlive the object, whose status has room for the worst slices only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tierwise.api.common import Margin
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus, SliceVerdict, TierStatus
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import GateDecision
from tierwise.api.reasons import Reason
from tierwise.monitoring.verdicts.judgement import Judgement, Result
from tierwise.rollout.record.evidence import of_place, slice_verdict
from tierwise.rollout.state.flight import FINISHED, is_by_place, tier_status
from tierwise.rollout.state.observation import DeploymentView, Observation, RolloutView

COMMAND = "Command"
DELETED = "Deleted"
_LONGEST_KEY = 253


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision: of a tier, of the whole rollout (`tier` ""), or a person's command (`verb` and its value)."""

    tier: str
    decision: str
    reason: str
    message: str
    at: datetime
    verb: str = ""
    by: str = ""

    @property
    def key(self) -> str:
        """What it is remembered by in the rollout's status."""
        text = f"{self.verb} {self.message}" if self.verb else self.decision
        return f"{self.tier}/{text}"[:_LONGEST_KEY]


@dataclass(frozen=True, slots=True)
class StoredVerdict:
    """One slice and metric. What a status does not keep is None where the numbers are taken from one."""

    found: SliceVerdict
    margin: Margin
    culprit: bool
    powered: bool | None = None
    alpha: float | None = None
    traffic: float | None = None
    log10_e_non_inferior: float | None = None
    log10_e_improved: float | None = None


@dataclass(frozen=True, slots=True)
class VerdictRecord:
    """A decision with what it was made on, and the rollout as it was then.

    `missing`: how many slices x metrics were judged and are not here; -1: some, and nobody knows how many.
    """

    namespace: str
    rollout: str
    uid: str
    spec: ModelRolloutSpec
    status: ModelRolloutStatus
    decided: Decided
    verdicts: tuple[StoredVerdict, ...] = ()
    missing: int = 0
    datasets: Mapping[str, MonitoringDatasetSpec] = field(default_factory=dict)


def due_records(
    observation: Observation, after: Mapping[str, ModelRolloutStatus], now: datetime
) -> tuple[VerdictRecord, ...]:
    """What is decided and neither stored nor on its way, with the evidence of this tick.

    `after` are the statuses that this tick writes, by the rollout's name. A decision of an earlier tick is made up from
    the status: the operator was started anew before the store took it.
    """
    if observation.writing is None:
        return ()
    records = []
    for rollout in observation.rollouts:
        status = after.get(rollout.name, rollout.status)
        writing = observation.writing.get(rollout.uid)
        done = set(status.evidence.written) if status.evidence is not None else set()
        if writing is not None:
            done |= writing.written | writing.waiting
        earlier = {each.key for each in due_decisions(observation.deployment, rollout, rollout.status, now)}
        for decided in due_decisions(observation.deployment, rollout, status, now):
            # What the object does not say yet is written also when it was before: that decision was never recorded.
            is_new = decided.key not in earlier
            if is_new or decided.key not in done:
                records.append(_record(observation, rollout, status, decided, is_new=is_new))
    return tuple(records)


def due_decisions(
    deployment: DeploymentView, rollout: RolloutView, status: ModelRolloutStatus, now: datetime
) -> tuple[Decided, ...]:
    """Everything that the store should have of a rollout now: decisions and commands."""
    if deployment.deleting and status.result not in FINISHED:
        return (*decisions(status), *_deleted(status, now))
    return (*decisions(status), *_commands(deployment, rollout, status, now))


def decisions(status: ModelRolloutStatus) -> tuple[Decided, ...]:
    """What a rollout's status says was decided, each once."""
    return tuple(_decisions(status))


def _decisions(status: ModelRolloutStatus) -> Iterator[Decided]:
    if status.started_at is not None:
        yield Decided("", "Start", str(Reason.PROBING), "", status.started_at)
    for tier in status.tiers:
        gate = tier.gate
        if tier.delivering_since is not None:
            is_gates = gate is not None and gate.decision is GateDecision.PROMOTE
            reason, message = (str(gate.reason), gate.message) if gate is not None and is_gates else ("", "")
            yield Decided(tier.name, "Promote", reason, message, tier.delivering_since)
        elif status.rolling_back_since is not None and tier.started_at is not None:
            is_gates = gate is not None and gate.decision is GateDecision.ROLL_BACK
            reason, message = (str(gate.reason), gate.message) if gate is not None and is_gates else _why(status)
            decision = "RollBack" if status.superseded_by is None else "Supersede"
            yield Decided(tier.name, decision, reason, message, status.rolling_back_since)
    found = status.verification
    if found is not None and found.finished_at is not None:
        yield Decided("", f"Verification{found.stage}", found.verdict, found.message, found.finished_at)
    if status.finished_at is not None:
        yield Decided("", str(status.result), *_why(status), status.finished_at)
    recovery = status.recovery
    if recovery is not None and recovery.verified_at is not None:
        yield Decided("", "Recovery", str(Reason.RECOVERY_VERIFIED), recovery.message, recovery.verified_at)
    elif recovery is not None and recovery.failed_at is not None:
        yield Decided("", "Recovery", str(Reason.RECOVERY_FAILED), recovery.message, recovery.failed_at)


def _why(status: ModelRolloutStatus) -> tuple[str, str]:
    return status.reason, status.message


def _deleted(status: ModelRolloutStatus, now: datetime) -> Iterator[Decided]:
    """The ModelDeployment goes while a rollout is in flight: nothing was decided of what is judged."""
    for tier in status.tiers:
        if tier.phase in ("Probing", "Judging"):
            yield Decided(tier.name, DELETED, *_why(status), now)
    yield Decided("", DELETED, *_why(status), now)


def _commands(
    deployment: DeploymentView, rollout: RolloutView, status: ModelRolloutStatus, now: datetime
) -> Iterator[Decided]:
    """What people asked of this rollout: annotations that it carried out, and a pause."""
    for verb, value in status.handled.items():
        given = deployment.given.get(verb)
        if verb == "retry" and (given is None or given.at is None or given.at < rollout.created_at):
            continue  # it asked for this rollout, or is of before it
        yield _command(deployment, verb, value, now)
    if status.result in FINISHED:
        return
    written = status.evidence.written if status.evidence is not None else []
    paused = [key for key in written if key.startswith("/pause ")]
    was_paused = bool(paused) and paused[-1].startswith("/pause true")
    if deployment.spec.paused != was_paused:
        given = deployment.given.get("pause")
        since = "" if given is None or given.at is None else f" since {given.at:%Y-%m-%dT%H:%M:%SZ}"
        yield _command(deployment, "pause", f"{str(deployment.spec.paused).lower()}{since}", now)


def _command(deployment: DeploymentView, verb: str, value: str, now: datetime) -> Decided:
    given = deployment.given.get(verb)
    by = given.by if given is not None else ""
    return Decided("", COMMAND, "", value, _given_at(deployment, verb, now), verb=verb, by=by)


def _given_at(deployment: DeploymentView, verb: str, now: datetime) -> datetime:
    given = deployment.given.get(verb)
    return now if given is None or given.at is None else given.at


def _record(
    observation: Observation, rollout: RolloutView, status: ModelRolloutStatus, decided: Decided, *, is_new: bool
) -> VerdictRecord:
    verdicts: tuple[StoredVerdict, ...] = ()
    missing = 0
    judged, seen = observation.judgement, observation.verification
    if decided.tier:
        tier = tier_status(status, decided.tier)
        if is_new and isinstance(judged, Judgement) and _is_judged(rollout.status, decided.tier):
            verdicts = _of_results(judged.results, judged.culprits, by_place=is_by_place(tier))
        else:
            verdicts, missing = _of_status(rollout.spec, tier)
    elif decided.decision.startswith("Verification") and status.verification is not None:
        results = getattr(seen, "results", ()) if is_new else ()
        worst = status.verification.worst
        verdicts = _of_results(results, (), by_place=False) or tuple(
            StoredVerdict(found, _margin(rollout.spec, found), culprit=False) for found in worst
        )
        missing = 0 if results else -1 if worst else 0
    return VerdictRecord(
        namespace=observation.deployment.namespace,
        rollout=rollout.name,
        uid=rollout.uid,
        spec=rollout.spec,
        status=status,
        decided=decided,
        verdicts=verdicts,
        missing=missing,
    )


def _is_judged(before: ModelRolloutStatus, tier: str) -> bool:
    """Whether the tick's judgement is of this tier: the one in flight when it was observed."""
    found = [each.name for each in before.tiers if each.phase in ("Probing", "Judging")]
    return found[:1] == [tier]


def _of_results(results: Sequence[Result], culprits: Sequence[Result], *, by_place: bool) -> tuple[StoredVerdict, ...]:
    named = {_place(result) for result in culprits}
    rows = []
    for result in results:
        # The status shortens long values, and says what is needed only where promotion waits for it; here is all.
        whole = slice_verdict(result, is_waited_for=True).model_copy(update={"slice": dict(result.slice)})
        rows.append(
            StoredVerdict(
                of_place(whole, by_place),
                result.margin,
                culprit=_place(result) in named,
                powered=result.powered,
                alpha=result.alpha,
                traffic=result.traffic,
                log10_e_non_inferior=result.log10_e_non_inferior,
                log10_e_improved=result.log10_e_improved,
            )
        )
    return tuple(rows)


def _of_status(spec: ModelRolloutSpec, tier: TierStatus) -> tuple[tuple[StoredVerdict, ...], int]:
    """What the status still has of a tier's evidence, and how much more there was."""
    culprits = {_place(found) for found in tier.culprits}
    found = {_place(each): each for each in (*tier.culprits, *tier.worst)}
    verdicts = tuple(StoredVerdict(each, _margin(spec, each), culprit=key in culprits) for key, each in found.items())
    judged = tier.coverage.slices if tier.coverage is not None else 0
    return verdicts, max(0, judged - len(verdicts))


def _place(found: Result | SliceVerdict) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    return found.dataset, found.metric, tuple(sorted(found.slice.items()))


def _margin(spec: ModelRolloutSpec, found: SliceVerdict) -> Margin:
    for dataset in spec.strategy.analysis.datasets:
        for metric in dataset.metrics:
            if (dataset.name, metric.name) == (found.dataset, found.metric):
                return metric.margin
    return Margin(absolute=0.0)
