"""Waiting for what happens elsewhere: polls with a deadline, and says what it saw last."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(look: Callable[[], T], *, within: float, every: float = 0.1, what: str = "") -> T:
    """The first true value of `look`; an AssertionError after `within` seconds, with the last value or error seen."""
    deadline = time.monotonic() + within
    while True:
        last: object
        try:
            value = look()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {what or look}; last: {last}")
        time.sleep(every)
