"""Peak memory of a look above what the process had before it, each in a child process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.bench.measure import Line
from tests.bench.prediction_log import SCOPE, BenchLog, a_dataset, filled_log

TITLE = "Memory"
MEBIBYTE = 1 << 20
_STATUS = Path("/proc/self/status")


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """The log and one of a tenth of its rows: the peak must not depend on them."""
    del quick
    with filled_log(max(log.rows // 10, 1000)) as small:
        found = [(one.rows, *measured(one)) for one in (small, log)]
    return [
        Line(
            f"peak memory of a look at {rows:,} rows, 743 slices",
            "the process with the store open, before its first look",
            f"{before / MEBIBYTE:.0f} MiB and {peak / MEBIBYTE:.0f} MiB",
            (peak - before) / MEBIBYTE,
            at_most=150,
            goal=7,
            unit="MiB",
        )
        for rows, before, peak in found
    ]


def measured(log: BenchLog) -> tuple[int, int]:
    """Bytes resident before the first look and at its peak, in a new process. Nobody else may have the log open."""
    command = [sys.executable, "-m", "tests.bench.bench_memory", str(log.directory), str(log.rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return int(found["before"]), int(found["peak"])


def look(log: BenchLog) -> dict[str, int]:
    """What the child measures: its first look, with the question for wide dimensions and the decoding."""
    with log.opened() as store:
        store.query("SELECT count() FROM predictions")
        # The kernel's own high-water mark, set back to what is resident now: no sampling can miss a short peak.
        Path("/proc/self/clear_refs").write_text("5")
        before = _kilobytes("VmRSS")
        store.read_distributions(a_dataset(), SCOPE, log.window())
        return {"before": 1024 * before, "peak": 1024 * _kilobytes("VmHWM")}


def _kilobytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1])


if __name__ == "__main__":
    print(json.dumps(look(BenchLog(Path(sys.argv[1]), int(sys.argv[2])))))
