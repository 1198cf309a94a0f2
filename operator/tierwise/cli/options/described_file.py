"""A file that a MonitoringDataset describes. The file is its table, and its label tables are files, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tierwise.api.labelsources import LabelSource
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.cli.options.analysis_options import AnalyzeOptions

if TYPE_CHECKING:
    from tierwise.adapters.files.recorded_file import LabelFile

# For each field of the options: the flag, its default, and the key of a manifest that has the same meaning.
_COLUMNS = {
    "time_column": ("--time", None, "spec.columns.time"),
    "version_column": ("--version", "model_version", "spec.columns.version"),
    "score_column": ("--score", "score", "spec.columns.score"),
    "label_column": ("--label", "label", "spec.columns.label"),
    "tier_column": ("--tier-column", None, "spec.columns.tier"),
    "model_column": ("--model-column", None, "spec.columns.model"),
    "threshold": ("--threshold", 0.5, "spec.threshold"),
    "positive": ("--positive", "AtOrAbove", "spec.positive"),
}


def check_no_columns(options: AnalyzeOptions) -> None:
    """Check that no column option is given, because the manifest already describes the columns.

    Raises:
        click.UsageError: a column option is given.
    """
    for field, (flag, default, key) in _COLUMNS.items():
        if getattr(options, field) != default:
            raise click.UsageError(f"--dataset describes the file; leave {flag} away and set {key} in it")


def of_files(options: AnalyzeOptions, name: str, spec: MonitoringDatasetSpec) -> MonitoringDatasetSpec:
    """The spec in which the file of each label source replaces its table, in ClickHouse or PostgreSQL.

    Raises:
        click.UsageError: the log's table has no name, or a label table has no file.
    """
    if spec.table is None:
        raise click.UsageError(
            f"dataset {name!r}: its query reads a table that --data cannot tell; set spec.table to that name too"
        )
    given = dict(options.label_files)
    if len(given) < len(options.label_files):
        raise click.UsageError("--label-data names a source twice; give one file each")
    beside = [source.name for source in _tables(spec)]
    for wanted in given:
        if wanted not in beside:
            known = f"sources with a table: {', '.join(beside)}" if beside else "none of its label sources has a table"
            raise click.UsageError(f"--label-data {wanted}: dataset {name!r} has no such label source ({known})")
    for source in beside:
        if source not in given:
            raise click.UsageError(
                f"dataset {name!r}: the label source {source!r} is a table beside the log; give its rows with "
                f"--label-data {source}=FILE"
            )
    if not beside or spec.labels is None:
        return spec
    sources = [
        source
        if source.kind == "Column"
        else source.model_copy(update={"kind": "Table", "collection": None, "table": f"labels_{number}"})
        for number, source in enumerate(spec.labels.sources, start=1)
    ]
    return spec.model_copy(update={"labels": spec.labels.model_copy(update={"sources": sources})})


def label_files(options: AnalyzeOptions, spec: MonitoringDatasetSpec) -> list[LabelFile]:
    """The files of a spec's label tables, as `of_files` has checked them."""
    from tierwise.adapters.files.recorded_file import LabelFile

    given = dict(options.label_files)
    return [LabelFile(source, given[source.name]) for source in _tables(spec)]


def _tables(spec: MonitoringDatasetSpec) -> list[LabelSource]:
    return [] if spec.labels is None else [source for source in spec.labels.sources if source.kind != "Column"]
