"""Computes the number of candidate pods from a tier's exposure."""

from __future__ import annotations

from math import floor


def exposure_fraction(exposure: int | str) -> float:
    """A share such as ``"20%"`` or ``20`` (percent) as a fraction; raises ValueError outside 1-90 %."""
    text = str(exposure).strip().removesuffix("%")
    try:
        percent = int(text)
    except ValueError:
        raise ValueError(f"exposure {exposure!r} is not a percentage; give 1-90 %") from None
    if not 1 <= percent <= 90:
        raise ValueError(f"exposure {exposure!r} is outside 1-90 %; give a share of the tier's pods in that range")
    return percent / 100


def pods_in_place(replicas: int, fraction: float) -> int:
    """How many of a workload's own pods get the candidate: max(1, round(n·e)), halves rounded up; at least one stays.

    The result is 0 with fewer than two pods, because nothing would be left to compare with.
    """
    if replicas < 2:
        return 0
    return min(max(1, floor(replicas * fraction + 0.5)), replicas - 1)


def twin_replicas(replicas: int, fraction: float) -> int:
    """Pods of the twin beside `replicas` untouched ones, so that their share of all is about `fraction`.

    max(1, round(n·e/(1−e))), halves rounded up; 0 beside none.
    """
    if replicas <= 0:
        return 0
    return max(1, floor(replicas * fraction / (1 - fraction) + 0.5))
