"""Writes or compares what is generated: crds/, references, the demo as an example, sections of docs and of the chart.

Run as ``python -m tierwise.tools.generate --write|--check`` in a checkout (`make generated`, `make lint`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tierwise.api.schema.crd import crd_files
from tierwise.api.schema.reference import api_reference
from tierwise.tools.cli_reference import cli_reference
from tierwise.tools.decision_docs import gate_table, reasons_reference
from tierwise.tools.metrics_reference import metrics_reference
from tierwise.tools.sections import with_section
from tierwise.tools.workload_kinds import chart_rules, kinds_table, rights_table

ROOT = Path(__file__).resolve().parents[3]
DEMO_MANIFESTS = Path(__file__).resolve().parents[1] / "demo" / "manifests"
FLIGHTS = Path("examples/01-flights")  # copies of the demo's manifests, which ship with the package
CRD_FOLDERS = ("crds", "charts/tierwise/crds")
# A file that people write -> the name of its generated section, and what makes its text.
SECTIONS = {
    Path("docs/concepts/rollout.md"): ("gate table", gate_table),
    Path("docs/concepts/operator.md"): ("rights on workloads", rights_table),
    Path("docs/how-to/stateful-workloads.md"): ("kinds of workload", kinds_table),
    Path("charts/tierwise/templates/_names.tpl"): ("rights on workloads", chart_rules),
}


def generated_files() -> dict[Path, str]:
    """Path below the repository's root -> text, of every generated file."""
    crds = {Path(folder) / name: text for folder in CRD_FOLDERS for name, text in crd_files().items()}
    demo = {FLIGHTS / path.name: path.read_text(encoding="utf-8") for path in sorted(DEMO_MANIFESTS.glob("*.yaml"))}
    sections = {
        path: with_section((ROOT / path).read_text(encoding="utf-8"), name, text(), path)
        for path, (name, text) in SECTIONS.items()
    }
    reference = {
        Path("docs/reference/reasons.md"): reasons_reference(),
        Path("docs/reference/api.md"): api_reference(),
        Path("docs/reference/cli.md"): cli_reference(),
        Path("docs/reference/metrics.md"): metrics_reference(),
    }
    return {**crds, **demo, **sections, **reference}


def write(root: Path) -> list[Path]:
    """Write what differs; returns the files written."""
    changed = {path: text for path, text in generated_files().items() if _read(root / path) != text}
    for path, text in changed.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return list(changed)


def problems(root: Path) -> list[str]:
    """One line for every generated file that is missing or differs, and for every file that has no source any more."""
    expected = generated_files()
    differing = [
        f"{path}: {'differs from its source' if (root / path).exists() else 'is missing'}; run `make generated`"
        for path, text in expected.items()
        if _read(root / path) != text
    ]
    stray = [
        f"{found.relative_to(root)}: it has no source; delete it"
        for folder in (*CRD_FOLDERS, FLIGHTS)
        for found in sorted((root / folder).glob("*.yaml"))
        if found.relative_to(root) not in expected
    ]
    return differing + stray


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(arguments: list[str] | None = None, *, root: Path = ROOT) -> int:
    """Exit code: 0 done or equal, 1 something differs (each file is named)."""
    parser = argparse.ArgumentParser(prog="python -m tierwise.tools.generate", description=__doc__)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the files that differ")
    mode.add_argument("--check", action="store_true", help="exit 1 and name every file that differs")
    if parser.parse_args(arguments).write:
        for path in write(root):
            sys.stdout.write(f"wrote {path}\n")
        return 0
    lines = problems(root)
    sys.stderr.writelines(line + "\n" for line in lines)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
