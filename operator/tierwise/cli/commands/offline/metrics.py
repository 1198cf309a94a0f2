"""`tierwise metrics`: what can be measured, how it is tested, and what it needs."""

from __future__ import annotations

from typing import Any

import click
from rich.text import Text

from tierwise.cli.output.formats import console_for, print_facts
from tierwise.errors import UnknownMetricError
from tierwise.metrics.family import Family
from tierwise.metrics.metric import Metric, Shift
from tierwise.metrics.registry import Registry, installed
from tierwise.report.columns import NAME, Column, FittedTable

BETTER = {"HigherIsBetter": "higher", "LowerIsBetter": "lower", "Either": "unchanged"}
WEIGHTS = {True: "yes", False: "no: refused in a dataset with columns.weight"}


@click.command(name="metrics")
@click.argument("name", required=False, metavar="[NAME]")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="Output format.",
)
def command(name: str | None, output: str) -> None:
    """List all metrics, also those of installed plug-ins. With NAME, describe one metric.

    A name with @ takes a parameter: latency-over@MS is written latency-over@200. A margin is how much worse than the
    baseline is still acceptable. It is of the share of bad rows if the test is block-betting, else of the value.

    Exit code: 0, 2 for a metric that does not exist.

    \b
    Examples:
      tierwise metrics
      tierwise metrics auc
      tierwise metrics latency-over@200 -o json
    """
    registry = installed()
    entries = list(registry.entries) if name is None else [_entry(registry, name)]
    if output == "table" and name is None:
        _print_list(entries)
    elif output == "table":
        _print_entry(registry, entries[0])
    else:
        facts = {
            "schema": "tierwise.io/metrics/v1",
            "metrics": [facts_of(entry) | _origin(registry, entry) for entry in entries],
        }
        unavailable = [{"name": b.name, "package": b.distribution, "cause": b.cause} for b in registry.broken]
        print_facts(facts | {"unavailable": unavailable}, output)
    for broken in registry.broken:
        click.echo(f"warning: plug-in {broken}", err=True)


def facts_of(entry: Metric | Family) -> dict[str, Any]:
    """All facts about a metric, or about the example of a family with the family's name; for programs."""
    metric = entry if isinstance(entry, Metric) else entry.instance
    return {
        "name": entry.name if isinstance(entry, Metric) else entry.usage,
        "example": metric.name,
        "description": metric.description,
        "unit": metric.unit,
        "direction": metric.direction,
        "test": test_of(metric),
        "default_margin": metric.default_margin.model_dump(exclude_none=True),
        "needs": needs_of(metric),
        "answers": list(metric.kinds),
        "scale": metric.scale,
        "weights": metric.takes_weights,
        "not_for": metric.not_for,
    }


def rows_of(entry: Metric | Family) -> dict[str, str]:
    """The facts for people, by the head of each row, without the name and the description."""
    metric = entry if isinstance(entry, Metric) else entry.instance
    return {
        "unit": metric.unit,
        "better": BETTER[metric.direction],
        "test": test_of(metric),
        "default margin": margin_of(metric),
        "needs": ", ".join(needs_of(metric)) or "scores only",
        "answers": ", ".join(metric.kinds),
        "scale": metric.scale,
        "sample weights": WEIGHTS[metric.takes_weights],
        "not for": metric.not_for,
    }


def test_of(metric: Metric) -> str:
    """How the metric is tested, in words."""
    if isinstance(metric.measure, Shift):
        return f"block-betting at {metric.measure.points} scores"
    return metric.test


def needs_of(metric: Metric) -> list[str]:
    """What a dataset must have beyond scores, versions and times."""
    needs = metric.needs
    return [
        *(["labels"] if needs.labels and metric.kinds != ("Number",) else []),
        *(["distribution"] if needs.bins else []),
        *(["probabilities"] if needs.probability else []),
        *(["domain.exclude"] if needs.excluded else []),
        *(["classes"] if metric.kinds == ("Classes",) else []),
        *(["labels that are numbers"] if metric.kinds == ("Number",) else []),
        *(f"columns.{role}" for role in needs.columns),
        *(f"value {value}" for value in needs.values),
    ]


def margin_of(metric: Metric) -> str:
    """The default margin: ``0.01`` or ``25%``."""
    margin = metric.default_margin
    return f"{margin.absolute:g}" if margin.relative is None else f"{100 * margin.relative:g}%"


def _entry(registry: Registry, name: str) -> Metric | Family:
    """The metric or family of this name. A family may be named with or without a parameter."""
    for entry in registry.entries:
        if isinstance(entry, Family) and name == entry.usage:
            return entry
    families = {entry.name: entry for entry in registry.entries if isinstance(entry, Family)}
    try:
        return registry.get(name)
    except UnknownMetricError as error:
        if name in families:
            return families[name]
        raise click.UsageError(str(error)) from None


def _origin(registry: Registry, entry: Metric | Family) -> dict[str, str | None]:
    return {"package": registry.distributions.get(entry.name.partition("@")[0])}


def _print_list(entries: list[Metric | Family]) -> None:
    table = FittedTable(
        [
            Column("NAME", NAME),
            Column("BETTER", 2),
            Column("MARGIN", is_number=True),
            Column("TEST", 5),
            Column("NEEDS", 3, wraps=True),
            Column("UNIT", 4, wraps=True),
        ]
    )
    for entry in entries:
        metric = entry if isinstance(entry, Metric) else entry.instance
        name = entry.name if isinstance(entry, Metric) else entry.usage
        better, needs = BETTER[metric.direction], ", ".join(needs_of(metric)) or "–"
        table.add_row(name, better, margin_of(metric), test_of(metric), needs, metric.unit.partition(";")[0])
    console_for().print(table)


def _print_entry(registry: Registry, entry: Metric | Family) -> None:
    facts = facts_of(entry)
    rows = {
        "name": facts["name"] if isinstance(entry, Metric) else f"{facts['name']}, for instance {facts['example']}",
        "what": facts["description"],
        **rows_of(entry),
        "package": _origin(registry, entry)["package"] or "built in",
    }
    table = FittedTable([Column("", NAME), Column("", wraps=True)])
    for key, text in rows.items():
        table.add_row(Text(key, style="bold"), text)
    console_for().print(table)
