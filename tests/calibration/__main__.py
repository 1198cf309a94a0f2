"""The guarantees at full length: ``python -m tests.calibration`` writes docs/calibration.md; progress on stderr.

Every scenario has its own fixed seed, so the table does not depend on the number of processes. Exit codes: 0 when
every promise is kept, 1 when one is broken, 2 for wrong arguments.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from tests.calibration import figures
from tests.calibration.subjects import SUBJECTS, Scenario
from tests.calibration.table import Row, markdown

HEAD = """# Calibration

What [statistics.md](statistics.md) promises, simulated with the production code. Written by `make calibration` (fixed
seeds, the same table for any number of processes); do not edit.

Shares come with their one-sided 95 % Clopper–Pearson bound in brackets, and a promise counts as kept only when that
bound keeps it. *fails* rows leave out a rule (of the row above, or the peers leave out all of ours): they show why it
is there, and that the simulation can break a bound. *none* rows promise nothing. Each bound is 95 % on its own: of a
hundred true promises a few may miss theirs by chance, and none may miss it by much. *Reference* is the figure of an
earlier, independent simulation with streams of its own (other rates, noise and slices), so only its size compares:
where a bound is promised, both must keep it.

Not on this page: delivered tiers judged by estimates, weighted shares and numbers, which have tests of their own
(`tests/calibration/test_verifying.py`; [figures](concepts/controls.md#the-past-of-a-place)), and how often a tier is
held without cause, but for the traffic split and the labels at the end.

Unless a row says otherwise: 200 slices, 500 looks of a minute, 2,000 labels a minute and arm, spread as 1/rank^.8; base
rates between .001 and .3 drawn per slice; α = 5 %; the bad slice has 100 labels a minute and arm.
"""


def main(arguments: list[str] | None = None) -> int:
    """0 when every promise is kept, else 1."""
    parser = argparse.ArgumentParser(prog="python -m tests.calibration", description=__doc__)
    parser.add_argument("--only", metavar="TEXT", help="scenarios whose name has TEXT; prints, writes no docs")
    parser.add_argument("--reduced", action="store_true", help="as in the test suite; prints, writes no docs")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="default: one per core")
    options = parser.parse_args(arguments)
    chosen = [s for scenarios in SUBJECTS.values() for s in scenarios if not options.only or options.only in s.name]
    if not chosen:
        parser.error(f"no scenario has {options.only!r} in its name")
    found = _run(chosen, reduced=options.reduced, processes=options.processes)
    rows = [row for scenario in chosen for row in found.get(scenario.name, [])]
    for row in rows:
        print(f"{'ok    ' if row.holds else 'BROKEN'} {row.scenario}: {row.promise}; seen {row.seen} [{row.reference}]")
    if not options.only and not options.reduced:
        Path("docs/calibration.md").write_text(_document(found), encoding="utf-8")
        figures.write()
    kept = sum(row.holds for row in rows)
    print(f"{kept} of {len(rows)} promises kept")
    return 0 if kept == len(rows) else 1


def _run(scenarios: list[Scenario], *, reduced: bool, processes: int) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    started = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        waiting = {}
        for scenario in scenarios:
            replicates = scenario.reduced if reduced else scenario.full
            if replicates:
                waiting[pool.submit(scenario.run, replicates)] = scenario.name
        for done, future in enumerate(as_completed(waiting), start=1):
            name = waiting[future]
            found[name] = future.result()
            broken = sum(not row.holds for row in found[name])
            state = f", {broken} BROKEN" if broken else ""
            print(
                f"{done}/{len(waiting)} {time.monotonic() - started:5.0f} s  {name}{state}", file=sys.stderr, flush=True
            )
    return found


def _document(found: dict[str, list[Row]]) -> str:
    parts = [HEAD]
    for subject, scenarios in SUBJECTS.items():
        parts.append(f"\n## {subject}\n\n" + markdown([row for s in scenarios for row in found[s.name]]))
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main())
