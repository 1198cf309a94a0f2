"""`make bench`: every bench_*.py of this folder, with its peers in the same run. `--quick` runs all of them small."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path

from tests.bench.measure import Line
from tests.bench.prediction_log import filled_log
from tests.bench.report import Section, show, write

DEFAULT_ROWS, QUICK_ROWS = 10_000_000, 200_000
FIRST = ("memory", "look_query", "pulling", "per_slice", "looks")  # the rest follows by name
LAST = ("operator",)


def names() -> list[str]:
    """All benchmarks, in the order of their goals."""
    found = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    middle = [name for name in found if name not in FIRST and name not in LAST]
    return [*(name for name in FIRST if name in found), *middle, *(name for name in LAST if name in found)]


def main() -> int:
    """Run the benchmarks; 0 when every goal was met, or with --quick when they ran."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"which: {', '.join(names())}; default: all")
    parser.add_argument("--rows", type=int, default=None, help=f"rows of the prediction log ({DEFAULT_ROWS:,})")
    parser.add_argument("--quick", action="store_true", help="small sizes; goals are shown but not required")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md from this run")
    options = parser.parse_args()
    if unknown := sorted(set(options.only) - set(names())):
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(names())}")
    rows = options.rows or (QUICK_ROWS if options.quick else DEFAULT_ROWS)
    sections: list[Section] = []
    with filled_log(rows) as log:
        for name in options.only or names():
            module = importlib.import_module(f"tests.bench.bench_{name}")
            lines: list[Line] = module.run(log, quick=options.quick)
            sections.append(Section(module.TITLE, tuple(lines)))
            show(sections[-1])
            if options.write:  # after each: hours of another benchmark are not lost with the last
                print(f"  written: {write(sections, rows)}")
            sys.stdout.flush()
    missed = [line for section in sections for line in section.lines if line.met is False]
    for line in missed:
        print(f"MISSED: {line.what} against {line.peer}: {line.shown} ({line.wanted})")
    if missed and options.quick:
        print("(small sizes: that means little)")
    return 0 if not missed or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
