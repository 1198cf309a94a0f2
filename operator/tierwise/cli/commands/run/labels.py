"""`tierwise labels`: copies labels from a database of labels to the store of the log."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click

from tierwise.api.common import duration_seconds
from tierwise.cli.options.decorators import gathered
from tierwise.cli.output.formats import QUIET_SECONDS, print_facts
from tierwise.plurals import plural


@click.group("labels")
def command() -> None:
    """Labels: import copies labels from PostgreSQL into the store."""


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """The options as they were given."""

    postgres: str
    dsn: str
    table: str
    key: str
    label: str
    labelled_at: str
    where: str | None
    into: str
    source: str | None
    since: datetime | None
    overlap: str
    output: str


@command.command("import", short_help="Copy new labels from PostgreSQL into the store.")
@click.option(
    "--postgres",
    required=True,
    metavar="DSN",
    envvar="TIERWISE_POSTGRES",
    help="postgresql://USER@HOST:PORT/DATABASE; the password from PGPASSWORD, TLS from PGSSLMODE.",
)
@click.option("--store", "dsn", required=True, envvar="TIERWISE_STORE", help="DSN of the prediction log's store.")
@click.option("--table", required=True, help="PostgreSQL's label table, or schema.table.")
@click.option("--key", default="request_id", show_default=True, help="Its column with the request's id.")
@click.option("--label", default="label", show_default=True, help="Its column with the label.")
@click.option("--labelled-at", default="labelled_at", show_default=True, help="Its column with the label's time.")
@click.option("--where", help="SQL condition over the label table's columns, checked before it is used.")
@click.option("--into", default="labels", show_default=True, help="The store's table; created if it does not exist.")
@click.option("--source", help="Name of the source in the store's table. Default: the table's name.")
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]),
    help="Read labels from this UTC time on. Default: from --overlap before the newest one of the source.",
)
@click.option("--overlap", default="1h", show_default=True, help="How late a label may be committed after its time.")
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", help="Output format.")
@gathered(LabelOptions)
def import_(given: LabelOptions) -> None:
    """Copy labels from PostgreSQL into a table of the store. You can repeat it: no label is stored twice.

    A MonitoringDataset names this table under spec.labels.sources, with kind Table.

    \b
    Example:
      PGPASSWORD=… tierwise labels import --postgres postgresql://reader@db/research --table public.labels \\
        --store clickhouse://127.0.0.1:8123/default
    """
    from tierwise.adapters.clickhouse.connection import Connection
    from tierwise.adapters.postgres.labels import Columns, Target, import_labels, parse_address

    try:
        late = timedelta(seconds=duration_seconds(given.overlap))
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--overlap") from None
    address = parse_address(given.postgres, os.environ.get("PGPASSWORD"))
    started = time.monotonic()

    def told(rows: int) -> None:
        if time.monotonic() - started > QUIET_SECONDS:
            click.echo(plural(rows, "label"), err=True)

    store = Connection(given.dsn)
    try:
        done = import_labels(
            store,
            Target(given.into, given.source or given.table.rpartition(".")[2], late),
            address,
            Columns(given.table, given.key, given.label, given.labelled_at, given.where),
            since=None if given.since is None else given.since.replace(tzinfo=UTC),
            told=told,
        )
    finally:
        store.close()
    if given.output == "text":
        newest = "no label yet" if done.until is None else f"the newest is of {_text(done.until)}"
        click.echo(f"{plural(done.rows, 'label')} read from {address} into {given.into}; {newest}")
        return
    times = {"since": done.since, "until": done.until}
    print_facts({"rows": done.rows, **{k: None if v is None else _text(v) for k, v in times.items()}}, given.output)


def _text(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"
