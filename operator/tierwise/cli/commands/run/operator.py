"""`tierwise operator`: the process that watches ModelDeployments and brings their versions through the tiers."""

from __future__ import annotations

import re
from dataclasses import dataclass

import click

from tierwise.cli.options.decorators import gathered, with_default
from tierwise.runtime.control_loop.leadership import LeaseTimes
from tierwise.runtime.control_loop.settings import OperatorSettings

_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "": 1.0, "m": 60.0}


class Seconds(click.ParamType[float]):
    """A time such as 5, 5s or 250ms."""

    name = "seconds"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds of the text."""
        match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|)", str(value).strip())
        if match is None:
            self.fail(f"{value!r} is not a time such as 5s, 250ms or 1m", param, ctx)
        return float(match[1]) * _UNIT_SECONDS[match[2]]


SECONDS = Seconds()


@dataclass(frozen=True, slots=True)
class OperatorOptions:
    """The options as they were given."""

    kubeconfig: str | None
    context: str | None
    namespaces: tuple[str, ...]
    store: str | None
    health_port: int | None
    metrics_port: int | None
    bind_address: str
    safety: float
    workers: int
    resync: float
    leader_elect: bool
    lease_name: str
    lease_namespace: str | None
    lease_duration: float
    renew_deadline: float
    lease_retry: float
    log_level: str
    log_format: str


@click.command("operator")
@click.option(
    "--kubeconfig",
    envvar="TIERWISE_KUBECONFIG",
    type=click.Path(dir_okay=False),
    help="Default: KUBECONFIG, ~/.kube/config, or the pod's.",
)
@click.option("--context", help="Context of the kubeconfig.")
@click.option(
    "-n",
    "--namespace",
    "namespaces",
    multiple=True,
    envvar="TIERWISE_NAMESPACE",
    metavar="NS",
    help="Serve only these (repeatable). Default: all.",
)
@click.option(
    "--store",
    envvar="TIERWISE_STORE",
    metavar="DSN",
    help="Prediction log of datasets that name none, e.g. clickhouse://host:8123/default.",
)
@click.option("--health", "health_port", type=int, metavar="PORT", help="Serve /healthz and /readyz (0: a free port).")
@click.option("--metrics", "metrics_port", type=int, metavar="PORT", help="Serve /metrics; may be the health port.")
@click.option("--bind", "bind_address", default="127.0.0.1", show_default=True, help="Address of these ports.")
@with_default("--safety", SECONDS, "5s", "A block is read this long after its labels' maturity.")
@with_default("--workers", click.IntRange(1, 64), 8, "ModelDeployments served at the same time.")
@with_default("--resync", SECONDS, "10m", "An object at rest is checked this often.")
@click.option(
    "--leader-elect/--no-leader-elect", default=True, show_default=True, help="Write only while holding the Lease."
)
@click.option("--lease-name", default="tierwise-operator", show_default=True)
@click.option(
    "--lease-namespace",
    envvar="POD_NAMESPACE",
    help="Default: POD_NAMESPACE, else the first --namespace, else default.",
)
@with_default("--lease-duration", SECONDS, "15s", "Another process takes over after this.")
@click.option(
    "--renew-deadline",
    type=SECONDS,
    default="10s",
    show_default=True,
    help="No write this long after the last renewal.",
)
@with_default("--lease-retry", SECONDS, "2s", "Between renewals.")
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.option("--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True)
@gathered(OperatorOptions)
def command(given: OperatorOptions) -> None:
    """Run the operator until SIGTERM.

    It keeps no state of its own. If it is killed at any time and started again, it continues where it was. Exit 0 after
    SIGTERM, 1 when it cannot start or has lost the Lease (then Kubernetes should start it again).
    """
    try:
        times = LeaseTimes(given.lease_duration, given.renew_deadline, given.lease_retry)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    settings = OperatorSettings(
        kubeconfig=given.kubeconfig,
        context=given.context,
        namespaces=given.namespaces,
        store=given.store,
        health_port=given.health_port,
        metrics_port=given.metrics_port,
        bind_address=given.bind_address,
        safety_seconds=given.safety,
        workers=given.workers,
        resync_seconds=given.resync,
        leader_elect=given.leader_elect,
        lease_name=given.lease_name,
        lease_namespace=given.lease_namespace or (given.namespaces[0] if given.namespaces else "default"),
        lease_times=times,
    )
    # Imported here, so that the other commands need not wait for kopf and a ClickHouse client.
    from tierwise.cli.output.logs import configure_logging
    from tierwise.process import run_operator

    configure_logging(given.log_level, given.log_format)
    run_operator(settings)
