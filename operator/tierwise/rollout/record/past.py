"""A rollout as the store has it, for people who ask when the object is gone. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.rollout.record.verdicts import COMMAND, VerdictRecord
from tierwise.rollout.state.observation import RolloutView


@dataclass(frozen=True, slots=True)
class PastRollout:
    """`rollout` is the object as it was at its last decision; `decisions` and `commands` are in order of time.

    `others`: uids of earlier rollouts of the same name, of which more is stored.
    """

    namespace: str
    rollout: RolloutView
    datasets: Mapping[str, MonitoringDatasetSpec]
    decisions: tuple[VerdictRecord, ...]
    commands: tuple[VerdictRecord, ...]
    others: tuple[str, ...] = ()

    @property
    def missing(self) -> bool:
        """Whether slices were judged whose numbers were never stored."""
        return any(record.missing for record in self.decisions)


def past_of(records: Sequence[VerdictRecord]) -> PastRollout | None:
    """The newest rollout of these records; None without any.

    Of two decisions of a tier the later counts: a process that ended before it wrote the first to the object decided
    anew.
    """
    if not records:
        return None
    newest = max(records, key=_time)
    own = sorted((record for record in records if record.uid == newest.uid), key=_time)
    decided = [record for record in own if record.decided.decision != COMMAND]
    of_tier = {record.decided.tier: record for record in decided if record.decided.tier}
    decisions = [record for record in decided if not record.decided.tier or of_tier[record.decided.tier] is record]
    last = max(own, key=_progress)
    view = RolloutView(
        name=last.rollout,
        uid=last.uid,
        generation=1,
        resource_version="",
        created_at=min(record.status.started_at or record.decided.at for record in own),
        spec=last.spec,
        status=last.status,
    )
    others = {record.uid: record for record in records if record.uid != newest.uid}
    commands = tuple(record for record in own if record.decided.decision == COMMAND)
    return PastRollout(newest.namespace, view, last.datasets, tuple(decisions), commands, tuple(others))


def _time(record: VerdictRecord) -> tuple[float, bool]:
    """A decision of the whole rollout comes after those of its tiers at the same time."""
    return record.decided.at.timestamp(), not record.decided.tier


def _progress(record: VerdictRecord) -> tuple[bool, float]:
    """A status that has ended is newer than any other, also than one of a command that tells an odd time."""
    return record.status.finished_at is not None, _time(record)[0]
