"""What arrived in the log, asked of the store before a judgement counts: too few rows, rows logged twice."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tierwise.api.names import Reason
from tierwise.monitoring.cells import Scope
from tierwise.monitoring.freshness import received_window, withheld
from tierwise.monitoring.judgement import Judgement
from tierwise.rollout.observation import JudgementUnavailable
from tierwise.runtime.datasets import Source


def too_little(
    sources: Mapping[str, Source], scopes: Mapping[str, Scope], mature: Mapping[str, datetime], judged: Judgement
) -> JudgementUnavailable | None:
    """Why the judgement must not promote; None when all datasets have what they expect.

    A regression stands with however few rows it was proven. Rows logged twice are no proof of anything.
    """
    for name, source in sources.items():
        window = received_window(source.dataset, mature[name])
        if window is None:
            continue
        held = withheld(source.dataset, source.store.read_received(source.dataset, scopes[name], window))
        if held is not None and not (judged.regressed and held.reason is Reason.TOO_FEW_ROWS):
            return JudgementUnavailable(held.reason, held.message)
    return None
