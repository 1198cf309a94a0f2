from __future__ import annotations

import pytest

from tierwise.runtime.control_loop.workqueue import BACK_OFF_SECONDS, WorkQueue

A, B = ("ns", "a"), ("ns", "b")


def a_queue(**settings: float) -> WorkQueue:
    return WorkQueue(jitter=lambda: 0.5, **settings)


def test_an_object_is_not_given_out_twice():
    queue = a_queue()
    queue.wake(A, 0)
    queue.wake(A, 0)
    assert queue.take(0) == A
    assert queue.take(100) is None


def test_a_wake_during_a_tick_makes_another_one_right_after():
    queue = a_queue(gap_seconds=0.1)
    queue.wake(A, 0)
    queue.take(0)
    queue.wake(A, 1)
    queue.finish(A, 2, after_seconds=None)
    assert queue.take(2) == A


def test_a_burst_of_wakes_is_one_tick():
    queue = a_queue(gap_seconds=1)
    queue.wake(A, 0)
    queue.take(0)
    queue.finish(A, 0.1, None)
    for step in range(5):
        queue.wake(A, 0.2 + step / 100)
    assert queue.take(0.9) is None
    assert queue.take(1.0) == A
    queue.finish(A, 1.1, None)
    assert queue.take(5) is None


def test_requeue_comes_when_it_was_asked_for_and_a_wake_brings_it_forward():
    queue = a_queue()
    queue.wake(A, 0)
    queue.take(0)
    queue.finish(A, 0, 30)
    assert queue.wait_seconds(0) == 30
    assert queue.take(29) is None
    queue.wake(A, 29)
    assert queue.take(29) == A
    queue.finish(A, 29, 30)
    assert queue.take(30) is None  # the old due time does not count any more


def test_an_object_at_rest_is_looked_at_after_the_resync():
    queue = a_queue(resync_seconds=600)
    queue.wake(A, 0)
    queue.take(0)
    queue.finish(A, 0, None)
    assert queue.take(599) is None
    assert queue.take(600) == A


def test_failures_back_off_and_a_success_forgets_them():
    queue = a_queue()
    queue.wake(A, 0)
    now, pauses = 0.0, []
    for _ in range(10):
        assert queue.take(now) == A
        pauses.append(queue.fail(A, now))
        now += pauses[-1]
    assert pauses == [*BACK_OFF_SECONDS, 60.0, 60.0]
    assert queue.take(now) == A
    queue.finish(A, now, 0)
    assert queue.take(now + 0.1) == A
    assert queue.fail(A, now + 0.1) == BACK_OFF_SECONDS[0]


def test_conflicts_are_tried_again_at_once_and_slower_when_they_go_on():
    queue = a_queue(gap_seconds=0)
    queue.wake(A, 0)
    queue.take(0)
    queue.conflict(A, 0)
    assert queue.take(0.05) == A
    queue.conflict(A, 0.05)
    assert queue.take(0.1) is None
    assert queue.take(0.16) == A


def test_a_forgotten_object_does_not_come_back_after_its_tick():
    queue = a_queue()
    queue.wake(A, 0)
    queue.take(0)
    queue.forget(A)
    queue.finish(A, 1, 5)
    assert queue.take(1000) is None
    assert len(queue) == 0


@pytest.mark.parametrize("end", ["finish", "fail", "conflict"])
def test_an_object_made_anew_during_the_tick_of_the_old_one_waits_for_its_end(end: str):
    queue = a_queue()
    queue.wake(A, 0)
    queue.take(0)
    queue.forget(A)
    queue.wake(A, 1)
    assert queue.take(2) is None
    getattr(queue, end)(A, 3, *([5] if end == "finish" else []))
    assert queue.take(3) == A
    assert queue.fail(A, 3) == BACK_OFF_SECONDS[0]  # it has no failures of the old one


def test_the_one_that_waits_longest_goes_first():
    queue = a_queue()
    queue.wake(B, 0)
    queue.wake(A, 1)
    assert (queue.take(2), queue.take(2)) == (B, A)


def test_the_watchdog_sees_a_hung_tick_and_an_object_nobody_takes():
    queue = a_queue()
    assert queue.overdue_seconds(0) == 0
    queue.wake(A, 0)
    queue.take(0)
    assert queue.overdue_seconds(50) == 50
    queue.finish(A, 50, None)
    queue.wake(B, 60)
    assert queue.overdue_seconds(61) == 1
