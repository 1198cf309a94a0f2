"""The benchmarks' lines for people: on the terminal, and as docs/benchmarks.md with the machine they ran on."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tests.bench.measure import Line

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"
PACKAGES = ("chdb-core", "clickhouse-connect", "numpy", "scipy", "pyarrow")
PEERS = ("pandas", "polars", "duckdb", "scikit-learn", "fairlearn")


@dataclass(frozen=True)
class Section:
    """The lines of one benchmark."""

    title: str
    lines: tuple[Line, ...]


def show(section: Section) -> None:
    """Print a section."""
    print(f"\n{section.title}")
    for line in section.lines:
        told = "" if line.met is None else f"  {line.wanted}: {'met' if line.met else 'MISSED'}"
        print(f"  {line.what:<44} {line.shown:>10}{told}\n      {line.peer}: {line.seen}")


def machine() -> str:
    """The processor, its cores and the memory, as a reader needs them to judge the figures."""
    described = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1].strip() for line in described if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0))
    return f"{model}, {cores} cores, {memory:.0f} GiB of memory, {platform.system()}"


def versions(packages: Sequence[str]) -> str:
    """Packages with their versions; those that are not installed are left out."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(found)


def page(sections: Sequence[Section], rows: int) -> str:
    """docs/benchmarks.md."""
    lines = [line for section in sections for line in section.lines]
    told = [line for line in lines if line.goal is not None]
    head = Path(__file__).with_name("benchmarks.head.md").read_text()
    table = ["| | what | peer | this run | figure | goal | met |", "|---|---|---|---|---|---|---|"]
    for line in sorted(told, key=lambda line: line.goal or 0):
        met = "" if line.met is None else "yes" if line.met else "**no**"
        cells = (str(line.goal), line.what, line.peer, line.seen, line.shown, line.wanted, met)
        table.append("| " + " | ".join(cells) + " |")
    rest = [section for section in sections if any(line.goal is None for line in section.lines)]
    extra: list[str] = []
    for section in rest:
        extra += ["", f"## {section.title}", "", "| what | peer | this run | figure |", "|---|---|---|---|"]
        extra += [f"| {x.what} | {x.peer} | {x.seen} | {x.shown} |" for x in section.lines if x.goal is None]
    described = [
        "## The machine of these figures",
        "",
        f"{machine()}; Python {platform.python_version()}.",
        f"{versions(PACKAGES)}. Peers: {versions(PEERS)}.",
    ]
    return "\n".join([head.format(rows=f"{rows:,}").rstrip(), "", *table, *extra, "", *described, ""])


def write(sections: Sequence[Section], rows: int) -> Path:
    """Write the page; its path in the repository."""
    PAGE.write_text(page(sections, rows))
    return PAGE.relative_to(PAGE.parents[1])
