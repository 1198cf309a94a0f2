from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from tierwise.errors import ConflictError, LeadershipLostError
from tierwise.runtime.control_loop.leadership import Elector, LeaseRecord, LeaseTimes


@dataclass
class FakeClock:
    seconds: float = 100.0

    def __call__(self) -> float:
        return self.seconds


class FakeLease:
    """A Lease in memory with the API server's optimistic locking; each request may take time or fail."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.record: LeaseRecord | None = None
        self.request_seconds = 0.0
        self.fails = False
        self.writes = 0

    def _answer(self) -> None:
        self.clock.seconds += self.request_seconds
        if self.fails:
            raise TimeoutError("no answer")

    def read(self) -> LeaseRecord | None:
        self._answer()
        return self.record

    def write(self, record: LeaseRecord, duration_seconds: float) -> LeaseRecord:
        self._answer()
        if (self.record.version if self.record else "") != record.version:
            raise ConflictError("somebody wrote first")
        self.writes += 1
        self.record = replace(record, version=str(self.writes))
        return self.record


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def lease(clock: FakeClock) -> FakeLease:
    return FakeLease(clock)


def elector(lease: FakeLease, identity: str = "a") -> Elector:
    return Elector(lease, identity, lease.clock, LeaseTimes(duration=15, renew_deadline=10, retry=2))


def test_a_lease_that_does_not_exist_is_taken(lease: FakeLease):
    one = elector(lease)
    assert one.try_lead()
    one.guard()
    assert lease.record is not None
    assert lease.record.holder == "a"


def test_a_renewing_leader_keeps_others_out_for_ever(lease: FakeLease, clock: FakeClock):
    one, other = elector(lease, "a"), elector(lease, "b")
    assert one.try_lead()
    for _ in range(50):
        clock.seconds += 9
        assert one.try_lead()
        assert not other.try_lead()


def test_another_takes_over_only_after_the_whole_duration_without_a_renewal(lease: FakeLease, clock: FakeClock):
    one, other = elector(lease, "a"), elector(lease, "b")
    assert one.try_lead()
    assert not other.try_lead()
    clock.seconds += 14.9
    assert not other.try_lead()
    clock.seconds += 0.2
    assert other.try_lead()
    assert lease.record is not None
    assert lease.record.transitions == 1


def test_a_candidate_that_just_started_waits_the_whole_duration_however_old_the_lease_looks(lease, clock):
    assert elector(lease, "a").try_lead()
    clock.seconds += 1000  # nobody renewed, but a newcomer cannot know: it trusts only its own clock
    newcomer = elector(lease, "b")
    assert not newcomer.try_lead()
    clock.seconds += 15
    assert newcomer.try_lead()


def test_writes_stop_before_another_may_lead(lease: FakeLease, clock: FakeClock):
    one, other = elector(lease, "a"), elector(lease, "b")
    assert one.try_lead()
    assert not other.try_lead()
    clock.seconds += 10
    with pytest.raises(LeadershipLostError):
        one.guard()
    assert not other.try_lead()


def test_the_deadline_counts_from_before_a_slow_renewal(lease: FakeLease, clock: FakeClock):
    one = elector(lease)
    assert one.try_lead()
    lease.request_seconds = 4
    assert one.try_lead()  # read 4 s, write 4 s: only the write's 4 s are gone of the 10
    clock.seconds += 5.9
    one.guard()
    clock.seconds += 0.2
    assert not one.is_leading()


def test_a_renewal_that_took_longer_than_the_deadline_is_not_leading(lease: FakeLease):
    one = elector(lease)
    lease.request_seconds = 11
    assert not one.try_lead()
    with pytest.raises(LeadershipLostError):
        one.guard()


def test_of_two_that_see_a_free_lease_one_gets_it(lease: FakeLease):
    one, other = elector(lease, "a"), elector(lease, "b")

    class Slow:
        def read(self) -> None:
            return None

        def write(self, record: LeaseRecord, duration_seconds: float) -> LeaseRecord:
            return lease.write(record, duration_seconds)

    one.store = other.store = Slow()
    assert one.try_lead()
    with pytest.raises(ConflictError):
        other.try_lead()
    assert not other.is_leading()


def test_a_released_lease_is_taken_at_once(lease: FakeLease):
    one, other = elector(lease, "a"), elector(lease, "b")
    assert one.try_lead()
    assert not other.try_lead()
    one.release()
    assert not one.is_leading()
    assert other.try_lead()


def test_an_unanswered_renewal_does_not_prolong_leadership(lease: FakeLease, clock: FakeClock):
    one = elector(lease)
    assert one.try_lead()
    lease.fails = True
    clock.seconds += 9
    with pytest.raises(TimeoutError):
        one.try_lead()
    assert one.is_leading()
    clock.seconds += 1
    assert not one.is_leading()


def test_a_leader_that_sees_another_holder_stops_at_once(lease: FakeLease):
    one = elector(lease)
    assert one.try_lead()
    lease.record = LeaseRecord("b", "99", 1)
    assert not one.try_lead()
    assert not one.is_leading()


def test_a_hung_request_leaves_time_for_another_try():
    times = LeaseTimes()
    assert times.request_timeout * 2 + times.retry <= times.renew_deadline


@pytest.mark.parametrize("times", [(10, 10, 2), (15, 2, 2), (15, 10, 0)])
def test_times_that_cannot_hold_are_refused(times: tuple[float, float, float]):
    with pytest.raises(ValueError, match="must hold"):
        LeaseTimes(*times)
