"""What a workload's own `spec.updateStrategy` (as JSON) allows."""

from __future__ import annotations

import json
from math import ceil


def most_away(update_strategy: str | None, replicas: int) -> int:
    """How many of the pods may be away at a time, by its maxUnavailable: a number, or a share rounded up; else 1.

    0 where pods may only be added before others go (`maxUnavailable: 0` with `maxSurge`).
    """
    own = (json.loads(update_strategy or "{}").get("rollingUpdate") or {}).get("maxUnavailable", 1)
    if isinstance(own, str):
        return ceil(replicas * int(own.removesuffix("%")) / 100)
    return int(own)
