"""`tierwise local`: a real control plane on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import yaml

from tierwise.errors import LocalClusterError
from tierwise.local import cluster
from tierwise.local.components import ensure_components
from tierwise.local.state import DEFAULT_NAME

_name = click.option("--name", default=DEFAULT_NAME, show_default=True, help="The cluster's name.")
_output = click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)


@click.group("local")
def command() -> None:
    """A real Kubernetes control plane on this machine, without Docker.

    Starts etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok, which simulates a node: pods become
    ready, but nothing runs in them. The first time the programs are built from source (about nine minutes).
    """


@command.command("up", short_help="Start the cluster if it does not run.")
@_name
@_output
@click.option(
    "--provider",
    type=click.Choice(["auto", "components", "kind"]),
    default="auto",
    show_default=True,
    help="auto: existing programs, else kind if Docker responds, else a build.",
)
@click.option("--owner-pid", type=int, help="Stop the cluster when this process ends, however it ends.")
def up(name: str, output: str, provider: cluster.ProviderChoice, owner_pid: int | None) -> None:
    """Start the cluster if it does not run. The last line of stdout is the path of its kubeconfig."""
    made = cluster.up(name, progress=_progress, provider=provider, owner_pid=owner_pid)
    facts = {key: str(value) for key, value in asdict(made).items()}

    def text() -> None:
        _progress(f"cluster '{name}' is up at {made.server or 'kind'}; kubectl: {made.kubectl}")
        click.echo(made.kubeconfig)

    _print(facts, output, text)


@command.command("status", short_help="Say whether the cluster runs.")
@_name
@_output
@click.pass_context
def status(context: click.Context, name: str, output: str) -> None:
    """Say whether the cluster runs; exit 0 when it runs, 3 when not."""
    now = cluster.status(name)
    facts = asdict(now)
    facts["processes"] = [{"name": part, "pid": pid, "alive": alive} for part, pid, alive in now.processes]

    def text() -> None:
        click.echo(f"{name}: {now.state}" + (f"  {now.provider} ({now.source})  {now.server}" if now.provider else ""))
        for part, pid, alive in now.processes:
            click.echo(f"  {part:<24} {pid:>8}  {'running' if alive else 'ended'}")

    _print(facts, output, text)
    context.exit(0 if now.state == "Running" else 3)


@command.command("kubeconfig", short_help="Print the path of the cluster's kubeconfig.")
@_name
@_output
def kubeconfig(name: str, output: str) -> None:
    """Print the path of the cluster's kubeconfig: export KUBECONFIG=$(tierwise local kubeconfig)."""
    now = cluster.status(name)
    if now.state == "Absent" or not Path(now.kubeconfig).exists():
        raise LocalClusterError(f"there is no local cluster '{name}'", f"run `tierwise local up --name {name}`")
    _print({"name": name, "kubeconfig": now.kubeconfig}, output, lambda: click.echo(now.kubeconfig))


@command.command("down", short_help="End what `up` started, and delete the data.")
@_name
@_output
def down(name: str, output: str) -> None:
    """End exactly what `up` started, and delete the cluster's data."""
    ended = cluster.down(name, progress=_progress)
    _print(
        {"name": name, "ended": ended},
        output,
        lambda: click.echo(f"cluster '{name}' is down" if ended else f"there is no local cluster '{name}'"),
    )


@command.command("build", short_help="Build the control plane's programs now.")
@_output
def build(output: str) -> None:
    """Build the control plane's programs now, so that `up` takes seconds."""
    components = ensure_components(progress=_progress)
    facts = {"folder": str(components.folder), "source": components.source}
    _print(facts, output, lambda: click.echo(components.folder))


def _progress(line: str) -> None:
    """Print progress for people on stderr, so that programs can read stdout."""
    click.echo(line, err=True)


def _print(facts: dict[str, Any], output: str, text: Callable[[], None]) -> None:
    match output:
        case "json":
            click.echo(json.dumps(facts, indent=2))
        case "yaml":
            click.echo(yaml.safe_dump(facts, sort_keys=False), nl=False)
        case _:
            text()
