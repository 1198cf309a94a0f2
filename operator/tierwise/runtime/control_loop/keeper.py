"""Writes verdicts to the store beside the ticks: no decision waits for the store, and what fails is tried again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import TierwiseError
from tierwise.rollout.record.verdicts import VerdictRecord
from tierwise.rollout.state.observation import Observation, Writing
from tierwise.runtime.ports import Clock, Fleet, PredictionStore
from tierwise.runtime.reading.datasets import StoreOf, dsn_of

logger = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 5.0
LAST_RETRY_SECONDS = 60.0
MOST_WAITING = 1000  # records in memory; beyond, the oldest are given up and told in the log

Key = tuple[str, str]  # a rollout's uid, and a decision's key


@dataclass(slots=True)
class _State:
    """What is known of one rollout's verdicts."""

    owner: tuple[str, str]
    written: set[str] = field(default_factory=set)
    failing_since: datetime | None = None
    reason: str = ""
    message: str = ""


class VerdictKeeper:
    """One thread that writes what ticks hand over, in their order. Safe for several threads.

    `wake` is called with the ModelDeployment's namespace and name when there is news. `patience_seconds`: so long a
    tick waits for its own records, so that a process that is killed right after its decision has them stored.
    """

    def __init__(
        self,
        stores: StoreOf,
        fleet: Fleet,
        clock: Clock,
        wake: Callable[[str, str], None],
        *,
        patience_seconds: float = 2.0,
        retry_seconds: float = FIRST_RETRY_SECONDS,
    ) -> None:
        self._stores = stores
        self._fleet = fleet
        self._clock = clock
        self._wake = wake
        self._patience = patience_seconds
        self._changed = threading.Condition()
        self._waiting: dict[Key, tuple[tuple[str, str], VerdictRecord]] = {}
        self._states: dict[str, _State] = {}
        self._retry_at = 0.0
        self._first_retry = self._retry_seconds = retry_seconds
        self._thread: threading.Thread | None = None
        self._closing = False

    def observe(self, observation: Observation) -> Observation:
        """The observation with what became of its rollouts' verdicts."""
        found: dict[str, Writing] = {}
        owner = (observation.deployment.namespace, observation.deployment.name)
        there = {rollout.uid for rollout in observation.rollouts}
        with self._changed:
            waiting = {uid for uid, _ in self._waiting}
            for uid in [uid for uid, state in self._states.items() if state.owner == owner]:
                if uid not in there and uid not in waiting:
                    del self._states[uid]
                    continue
                found[uid] = self._writing(uid)
        return replace(observation, writing=found)

    def keep(self, owner: tuple[str, str], records: Sequence[VerdictRecord]) -> None:
        """Take the records over, and wait a little for them unless the store is known to fail."""
        if not records:
            return
        records = [replace(record, datasets=self._datasets(record)) for record in records]
        keys = {(record.uid, record.decided.key) for record in records}
        with self._changed:
            was_failing = self._retry_at > 0
            for record in records:
                self._states.setdefault(record.uid, _State(owner)).written.discard(record.decided.key)
                self._waiting[record.uid, record.decided.key] = (owner, record)
            self._give_up_oldest()
            self._start()
            self._changed.notify_all()
            if not was_failing:
                self._changed.wait_for(
                    lambda: self._retry_at > 0 or not keys & self._waiting.keys(), timeout=self._patience
                )

    def forget(self, namespace: str, name: str) -> None:
        """The ModelDeployment is gone. What waits is written nevertheless."""
        with self._changed:
            waiting = {uid for uid, _ in self._waiting}
            gone = [uid for uid, state in self._states.items() if state.owner == (namespace, name)]
            for uid in gone:
                if uid not in waiting:
                    del self._states[uid]

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Let what waits be tried once more, for so long at most; what is left is told in the log."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_seconds)
        for _, record in self._waiting.values():
            logger.warning("%s/%s: ends without storing %s", record.namespace, record.rollout, record.decided.key)

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="verdicts", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closing and not self._is_due():
                    left = self._retry_at - time.monotonic() if self._waiting else None
                    self._changed.wait(left if left is None else max(0.0, left))
                closing, batch = self._closing, list(self._waiting.items())
            down: dict[PredictionStore, TierwiseError] = {}
            written = [self._write(key, owner, record, down) for key, (owner, record) in batch]
            with self._changed:
                if all(written):
                    self._retry_at, self._retry_seconds = 0.0, self._first_retry
                else:
                    self._retry_at = time.monotonic() + self._retry_seconds
                    self._retry_seconds = min(LAST_RETRY_SECONDS, 2 * self._retry_seconds)
                self._changed.notify_all()
            if closing:
                return

    def _is_due(self) -> bool:
        return bool(self._waiting) and time.monotonic() >= self._retry_at

    def _write(
        self, key: Key, owner: tuple[str, str], record: VerdictRecord, down: dict[PredictionStore, TierwiseError]
    ) -> bool:
        """Try one record; not again a store that did not answer in this round, as that takes its time-out each time."""
        store: PredictionStore | None = None
        try:
            store = self._store_of(record)
            if store in down:
                raise down[store]
            store.write_verdicts(record)
        except TierwiseError as error:
            if store is not None and getattr(error, "reason", None) is Reason.STORE_UNREACHABLE:
                down[store] = error
            self._failed(owner, record, error)
            return False
        except Exception as error:  # whatever it is, the thread must go on for the other rollouts
            logger.exception("%s/%s: cannot store verdicts", record.namespace, record.rollout)
            self._failed(owner, record, TierwiseError(f"unexpected {type(error).__name__}"))
            return False
        self._succeeded(key, owner, record)
        return True

    def _succeeded(self, key: Key, owner: tuple[str, str], record: VerdictRecord) -> None:
        with self._changed:
            now = self._waiting.get(key)
            if now is not None and now[1] is not record:
                return  # it was decided anew meanwhile
            self._waiting.pop(key, None)
            state = self._states.setdefault(key[0], _State(owner))
            state.written.add(key[1])
            if not any(uid == key[0] for uid, _ in self._waiting):  # else a status would say that all is stored
                state.failing_since, state.reason, state.message = None, "", ""
        self._wake(*owner)
        with self._changed:  # a tick that waits for it goes on when its next one is asked for
            self._changed.notify_all()

    def _failed(self, owner: tuple[str, str], record: VerdictRecord, error: TierwiseError) -> None:
        reason = str(getattr(error, "reason", type(error).__name__))
        with self._changed:
            state = self._states.setdefault(record.uid, _State(owner))
            # The text of a failure may differ every time; a status that follows it would be written every time.
            is_news = state.reason != reason
            if is_news:
                state.reason, state.message = reason, str(error)
            state.failing_since = state.failing_since or self._clock.now()
        if is_news:
            logger.warning("%s/%s: verdicts are not stored: %s", record.namespace, record.rollout, error)
            self._wake(*owner)

    def _give_up_oldest(self) -> None:
        while len(self._waiting) > MOST_WAITING:
            key = next(iter(self._waiting))
            _, record = self._waiting.pop(key)
            logger.error("%s/%s: gives up storing %s", record.namespace, record.rollout, key[1])

    def _writing(self, uid: str) -> Writing:
        state = self._states[uid]
        waiting = frozenset(key for of, key in self._waiting if of == uid)
        since = state.failing_since if waiting else None
        return Writing(frozenset(state.written), waiting, since, state.message if since is not None else "")

    def _store_of(self, record: VerdictRecord) -> PredictionStore:
        """The operator's own store; without one, the store of the first dataset that names one."""
        try:
            return self._stores(None)
        except TierwiseError:
            for name, spec in record.datasets.items():
                if spec.store is not None:
                    return self._stores(dsn_of(record.namespace, name, spec, self._fleet))
            raise

    def _datasets(self, record: VerdictRecord) -> dict[str, MonitoringDatasetSpec]:
        """As they are now, as far as they can be read: they say what was counted, also when they are gone."""
        found = {}
        for item in record.spec.strategy.analysis.datasets:
            try:
                spec = self._fleet.get_dataset(record.namespace, item.name)
            except TierwiseError:
                continue
            if spec is not None:
                found[item.name] = spec
        return found
