"""A world whose verdicts are stored, in a store of verdicts in memory that breaks or hangs when a test says so."""

from __future__ import annotations

import threading
from typing import Any

from tests.support.polling import eventually
from tests.unit.rollout.world import NAME, World
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.rollout.record.past import PastRollout, past_of
from tierwise.rollout.record.verdicts import VerdictRecord
from tierwise.runtime.control_loop.keeper import VerdictKeeper
from tierwise.runtime.control_loop.reconcile import Ticking
from tierwise.simulation.cluster.faults import CrashError
from tierwise.simulation.cluster.fleet import NAMESPACE

NO_TABLE = StoreError(
    "store ch:8123/ml: table ml_verdicts does not exist", "run `tierwise store init`", reason=Reason.UNKNOWN_TABLE
)


class VerdictStore:
    """Everything that was written, in order. `error` is raised; while `hangs` is set a write waits for `goes_on`.

    After `hangs_after` written records the next write hangs too.
    """

    def __init__(self) -> None:
        self.records: list[VerdictRecord] = []
        self.error: Exception | None = None
        self.hangs = False
        self.hangs_after: int | None = None
        self.goes_on = threading.Event()
        self.tries = 0

    def write_verdicts(self, record: VerdictRecord) -> None:
        self.tries += 1
        if self.hangs or len(self.records) == self.hangs_after:
            self.goes_on.wait(30)
        if self.error is not None:
            raise self.error
        self.records.append(record)

    def of(self, rollout: str) -> PastRollout:
        """As the table has it: of what was written twice the fuller, else the later."""
        rows: dict[tuple[str, str], VerdictRecord] = {}
        for record in self.records:
            key = (record.uid, record.decided.key)
            if record.rollout == rollout and not (record.missing and key in rows and not rows[key].missing):
                rows[key] = record
        found = past_of(list(rows.values()))
        assert found is not None
        return found


class KeptWorld(World):
    """Ticks as the operator's."""

    def __init__(self, *, patience: float = 5.0, retry: float = 0.05, **fleet: Any) -> None:
        super().__init__(**fleet)
        self.store = VerdictStore()
        self.woken = threading.Event()
        self.settings = {"patience_seconds": patience, "retry_seconds": retry}
        self.restart()

    def restart(self) -> None:
        """A new process: what waited in the old one's memory is lost."""
        self.keeper = VerdictKeeper(
            lambda _dsn: self.store,  # type: ignore[arg-type, return-value]
            self.fleet,
            self.clock,
            lambda *_: self.woken.set(),
            **self.settings,
        )

    def settle(self) -> float | None:
        """Also what the keeper wakes us for."""
        after = super().settle()
        while self.woken.is_set():
            self.woken.clear()
            after = super().settle()
        return after

    def tick(self) -> float | None:
        using = Ticking(self.fleet, lambda _dsn: self.store, self.clock, self.judge, self.keeper)  # type: ignore[arg-type, return-value]
        try:
            return using.tick(NAMESPACE, NAME)
        except CrashError:
            self.restart()
            raise

    @property
    def written(self) -> list[str]:
        """Keys that the newest rollout's status names."""
        evidence = self.rollout.evidence
        return [] if evidence is None else evidence.written

    def mended(self) -> None:
        """The store takes verdicts again, and everything that waited is written and told."""
        self.store.error = None
        before = len(self.store.records)
        eventually(lambda: len(self.store.records) > before, within=20, every=0.02, what="what waited is written")
        eventually(self.is_told, within=20, every=0.02, what="the status says so")

    def is_told(self) -> bool:
        """Whether the status of the newest rollout no longer says that writing fails."""
        self.settle()
        return self.rollout.evidence is not None and self.rollout.evidence.failing_since is None
