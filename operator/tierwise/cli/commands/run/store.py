"""`tierwise store`: create the tables of a prediction log, or serve a local one."""

from __future__ import annotations

import os
import re
import signal
import threading
from pathlib import Path

import click

from tierwise.api.reasons import Reason
from tierwise.errors import StoreError

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class Retention(click.ParamType[int]):
    """Days, as ``400d`` or ``400``; ``never`` deletes nothing (0)."""

    name = "days"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of days."""
        if isinstance(value, int):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,4})d?", str(value).strip())
        if found is None and value != "never":
            self.fail(f"{value!r} is no number of days; give for instance 400d, or never", param, ctx)
        return 0 if found is None else int(found[1])


@click.group("store")
def command() -> None:
    """The prediction log: init creates its tables, serve runs a local one."""


@command.command("init", short_help="Create or migrate the tables of the log.")
@click.option(
    "--store", "dsn", required=True, envvar="TIERWISE_STORE", help="DSN, e.g. clickhouse://127.0.0.1:8123/default."
)
@click.option(
    "--dimension", "dimensions", multiple=True, help="Add this dimension as a column of predictions; may be repeated."
)
@click.option(
    "--ttl",
    type=Retention(),
    help="How long rows of ml_performance are kept, such as 90d, or never. Default: 400d for new tables; existing "
    "tables keep their setting.",
)
def init(dsn: str, dimensions: tuple[str, ...], ttl: int | None) -> None:
    """Create or migrate the tables predictions, ml_performance, ml_verdicts and those that explain them.

    Running it again changes nothing. Run it before an operator is started for the first time, and before every upgrade.
    Every step only adds tables or columns, so that an older release works beside a newer one. Several processes may run
    this command at once.

    \b
      tierwise store init --store clickhouse://writer@ch:8123/ml --dimension carrier --dimension origin --ttl 90d
    """
    from tierwise.adapters.clickhouse.store import open_store

    store = open_store(dsn)
    try:
        version = store.init(dimensions, ttl)
    finally:
        store.close()
    click.echo(f"predictions, ml_performance and ml_verdicts are at version {version}")


@command.command("serve", short_help="Serve a directory over HTTP, until Ctrl-C.")
@click.option("--path", required=True, type=click.Path(file_okay=False, path_type=Path), help="Directory of the data.")
@click.option("--port", default=0, show_default="a free one", type=click.IntRange(0, 65535), help="TCP port.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--user", default="default", show_default=True, help="The user of --password.")
@click.option(
    "--password",
    default="",
    help="Clients need this password if it is set; other addresses than loopback need one. Better set "
    "TIERWISE_STORE_SERVE_PASSWORD.",
)
def serve(path: Path, port: int, host: str, user: str, password: str) -> None:
    """Serve a ClickHouse store in DIR over HTTP, until SIGTERM or Ctrl-C.

    The last line printed, when it is ready, is the DSN for --store.
    """
    if host not in _LOOPBACK and not password:
        raise click.UsageError(f"--host {host} is reachable from elsewhere: set TIERWISE_STORE_SERVE_PASSWORD.")
    # Set the handlers first: a signal that comes while the engine opens must end the process, too.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        from tierwise.local.clickhouse_server.engine import DirectoryTakenError, EngineError
        from tierwise.local.clickhouse_server.server import StoreServer
    except ModuleNotFoundError as error:
        raise StoreError(
            f"the embedded engine needs the Python package {error.name!r}",
            "install the extra tierwise[embedded]",
            reason=Reason.NOT_SUPPORTED,
        ) from None
    try:
        server = StoreServer(path, host=host, port=port, user=user, password=password)
    except DirectoryTakenError as error:
        raise StoreError(
            f"cannot serve {path}: {error}",
            "use the DSN that it printed, end it, or give another --path",
            reason=Reason.STORE_UNREACHABLE,
        ) from None
    except (EngineError, OSError, OverflowError) as error:
        raise StoreError(
            f"cannot serve {path} on {host}:{port}: {error}",
            "another process may have the directory or the port; give other ones",
            reason=Reason.STORE_UNREACHABLE,
        ) from None
    click.echo(f"serving {path} (process {os.getpid()})", err=True)
    click.echo(server.dsn)
    # wait() with a time-out returns to Python code, where signal handlers run
    while not stop.wait(1.0):
        pass
    server.close()
