"""Source of a module with a metric, as another package would have it."""

from __future__ import annotations

import numpy as np

COUNTS = np.arange(1, 10).reshape(3, 3) * 50
START = "from tierwise.api.common import Margin\nfrom tierwise.metrics.metric import *\nimport numpy as np\n"


def metric(name: str, measure: str) -> str:
    """A metric called `name` as Python; `measure` too is Python."""
    return f"Metric({name!r}, 'LowerIsBetter', {measure}, Margin(absolute=0.01), Needs(), 'What it is.')"
