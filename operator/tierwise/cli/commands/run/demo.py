"""`tierwise demo`: shows rollouts of a bad and a good model on this machine, with real data."""

from __future__ import annotations

import click

from tierwise.cli.commands.look.explain import print_explanation
from tierwise.cli.output.formats import console_for
from tierwise.report.rollout.advice import advice_of
from tierwise.report.rollout.view import View


@click.command("demo")
@click.option(
    "--cluster",
    type=click.Choice(["local", "simulated"]),
    default="local",
    show_default=True,
    help="local: a real control plane on this machine. simulated: a cluster in memory, under a minute.",
)
@click.option("--keep", is_flag=True, help="With --cluster local: leave everything running at the end, until Ctrl-C.")
def command(cluster: str, keep: bool) -> None:
    r"""Roll a worse and a better model out on 336,776 real flights, on this machine.

    The demo starts a control plane, a prediction log, the operator and traffic. v1 predicts which flights arrive late,
    and is adopted. v2 is nearly as good in total but wrong about one carrier, and is rolled back in the first tier. v3
    is better and goes through all three tiers. The demo takes about three minutes once the control plane is built.

    Ctrl-C at any time ends everything that was started. Exit status: 0 when all of this happened, 1 when not.
    """
    from tierwise.demo.run import run_on_cluster, run_simulated

    if keep and cluster == "simulated":
        raise click.UsageError("--keep needs --cluster local")
    console = console_for()

    def explain(view: View) -> None:
        print_explanation(console, view, advice_of(view))

    if cluster == "simulated":
        run_simulated(console, explain)
    else:
        run_on_cluster(console, explain, keep=keep)
