"""`make bench`: every bench_*.py of this folder, each with its ratios. `--quick` runs all of them small."""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from pathlib import Path


def main() -> int:
    """Run the benchmarks; 0 when every goal was met, or with --quick when they ran."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    names = sorted(path.stem.removeprefix("bench_") for path in Path(__file__).parent.glob("bench_*.py"))
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"which: {', '.join(names)}; default: all")
    parser.add_argument("--rows", type=int, default=None, help="rows of the prediction log (10,000,000)")
    parser.add_argument("--quick", action="store_true", help="small sizes; goals are shown but not required")
    options = parser.parse_args()
    if unknown := sorted(set(options.only) - set(names)):
        parser.error(f"no benchmark {unknown[0]!r}; there are {', '.join(names)}")
    rows = options.rows or (200_000 if options.quick else 10_000_000)
    met = True
    for name in options.only or names:
        module = importlib.import_module(f"tests.bench.bench_{name}")
        # A benchmark takes what it has a use for, and returns False when it missed a goal.
        wanted = inspect.signature(module.main).parameters
        given = {name: value for name, value in (("rows", rows), ("quick", options.quick)) if name in wanted}
        met = module.main(**given) is not False and met
        sys.stdout.flush()
    if not met:
        print("\nnot every goal was met" + (" (small sizes: that means little)" if options.quick else ""))
    return 0 if met or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
