"""The guarantees at full length: ``python -m tests.calibration`` prints the table and writes docs/calibration.md."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.calibration import naming, scenarios
from tests.calibration.table import markdown

FULL = [
    (scenarios.false_rollbacks, 1000),
    (scenarios.false_rollbacks_as_shipped, 500),
    (scenarios.false_rollbacks_with_drift, 500),
    (scenarios.at_tolerance, 500),
    (scenarios.delays, 5000),
    (scenarios.delays_with_tolerance, 2000),
    (scenarios.few_labels, 5000),
    (scenarios.non_inferiority, 10_000),
    (scenarios.just_powered, 1000),
    (scenarios.interval_coverage, 10_000),
    (naming.culprit_named, 200),
]

HEAD = """# Calibration

What [statistics.md](statistics.md) promises, simulated. Written by `make calibration` (fixed seeds); do not edit.
Shares come with their one-sided 95 % Clopper–Pearson bound in brackets, and a promise counts as kept only when that
bound keeps it. Not simulated yet, because not built yet: overdispersion, differences between pods, cross-tier and
historical controls.

"""


def main() -> int:
    """0 when every promise is kept, else 1."""
    rows = []
    for scenario, replicates in FULL:
        started = time.monotonic()
        found = scenario(replicates)
        rows += found
        for row in found:
            print(f"{'ok    ' if row.holds else 'BROKEN'} {row.scenario}: {row.promise}; seen {row.seen}", flush=True)
        print(f"       ({time.monotonic() - started:.0f} s)", flush=True)
    Path("docs/calibration.md").write_text(HEAD + markdown(rows), encoding="utf-8")
    broken = [row for row in rows if not row.holds]
    print(f"{len(rows) - len(broken)} of {len(rows)} promises kept; table in docs/calibration.md")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
