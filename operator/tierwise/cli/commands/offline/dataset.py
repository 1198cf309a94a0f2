"""`tierwise dataset`: makes a MonitoringDataset from the description of a training or validation dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from tierwise.api.reasons import Reason
from tierwise.cli.options.decorators import gathered
from tierwise.cli.output.formats import print_facts
from tierwise.errors import SpecError


@click.group("dataset")
def command() -> None:
    """Datasets: import makes a MonitoringDataset from a dataset's own description."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options as they were given."""

    file: Path
    name: str | None
    table: str | None
    label: str | None
    score: str | None
    time_: str | None
    version: str | None
    slices: tuple[str, ...]
    output: str


@command.command("import", short_help="Print a MonitoringDataset from a dataset's description.")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the MonitoringDataset. Default: the dataset's.")
@click.option("--table", help="The store's table with the predictions. Default: from the name.")
@click.option("--label", help="Column of the true label.")
@click.option("--score", help="Column of the model's score or answer.")
@click.option("--time", "time_", help="Column of the time of prediction.")
@click.option("--version", "version", help="Column of the model's version.")
@click.option("--slice", "slices", multiple=True, metavar="COLUMN", help="Slice by this column; may be repeated.")
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="Output format.")
@gathered(ImportOptions)
def import_(given: ImportOptions) -> None:
    """Print a MonitoringDataset for a training or validation dataset. Says on stderr what could not be found out.

    FILE is a description (YAML or JSON with columns, label, score and slices), a Hugging Face README.md or
    dataset_info.json, or a Parquet, CSV or TSV file. Categorical columns of pandas are columns of their values, and its
    index is left out.

    \b
    Example:
      tierwise dataset import README.md --score score --slice language > dataset.yaml
      tierwise lint dataset.yaml
    """
    from dataclasses import replace

    from tierwise.adapters.files.definition_file import load_definition
    from tierwise.api.schema.check import check_object
    from tierwise.api.supported import path_text
    from tierwise.errors import RefusedError
    from tierwise.monitoring.definitions.importer import resource_name, to_manifest, with_roles

    definition = load_definition(given.file)
    roles = {"label": given.label, "score": given.score, "time": given.time_, "version": given.version}
    definition = with_roles(definition, roles, given.slices)
    definition = replace(
        definition,
        name=definition.name if given.name is None else resource_name(given.name),
        table=definition.table if given.table is None else given.table,
    )
    try:
        made = to_manifest(definition)
    except RefusedError as refusal:
        raise SpecError(f"{given.file}: {refusal.message}", refusal.remedy, reason=Reason.DATASET_INVALID) from None
    problems = check_object(made.data)
    if problems:
        first = problems[0]
        raise SpecError(f"{given.file}: {path_text(first.path)}: {first.message}", reason=Reason.DATASET_INVALID)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    print_facts(made.data, given.output)
