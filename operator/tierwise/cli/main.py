"""The program `tierwise` (and `kubectl-tierwise`): loads a command when it is called, prints errors in two lines."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

import tierwise
from tierwise.errors import ClusterError, TierwiseError

EXIT_ERROR = 1  # all commands: 0 yes, 1 an error, 2 wrong usage, 3 not yet, 4 no
EXIT_INTERRUPTED = 130
ENVIRONMENT_PREFIX = "TIERWISE"

# The groups of the help text, each with the folder of `cli/commands/` that its commands are in.
LOOK, OFFLINE, RUN = "Look", "Judge without a cluster", "Run"
FOLDERS = {LOOK: "look", OFFLINE: "offline", RUN: "run"}

# The short helps are here, so that `tierwise --help` imports no command's module (that of the operator takes a second).
COMMANDS: dict[str, tuple[str, str]] = {
    "status": (LOOK, "Show a ModelDeployment's rollout as a tree; --watch until it ends."),
    "explain": (LOOK, "Say why a rollout waits or was rolled back, with numbers."),
    "analyze": (OFFLINE, "Compare two versions in a prediction log, slice by slice."),
    "simulate": (OFFLINE, "Test a policy on recorded or generated traffic, beside other tools' rules."),
    "plan": (OFFLINE, "How long tiers must run to see a given drop in a given slice."),
    "metrics": (OFFLINE, "What can be measured, how it is tested, and what it needs."),
    "backfill": (OFFLINE, "Compute a metric for the past, from stored distributions or the log."),
    "query": (OFFLINE, "Print the exact SQL of a dataset and window."),
    "lint": (OFFLINE, "Check manifests: which key at which line is wrong."),
    "demo": (RUN, "Roll a worse and a better model out on real flights, on this machine."),
    "local": (RUN, "A local Kubernetes control plane: up, status, kubeconfig, down."),
    "operator": (RUN, "Run the operator."),
    "store": (RUN, "The prediction log: init creates its tables, serve runs a local one."),
    "dataset": (OFFLINE, "Make a MonitoringDataset from a dataset's own description."),
    "labels": (RUN, "Copy labels from PostgreSQL into the store of the prediction log."),
    "completion": (RUN, "Print the completion script of a shell."),
}


class LazyGroup(click.Group):
    """Imports a command's module only when that command is called; a broken command does not break the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click calls it so
        """Names in the order of the help text."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # click calls it so
        """Import and return the command; None if there is no command of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"tierwise.cli.commands.{FOLDERS[COMMANDS[cmd_name][0]]}.{cmd_name}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # click calls it so
        """Commands under their groups, without importing them."""
        for group in dict.fromkeys(group for group, _ in COMMANDS.values()):
            with formatter.section(group):
                formatter.write_dl([(name, text) for name, (of, text) in COMMANDS.items() if of == group])

    def main(self, *args: Any, **extra: Any) -> NoReturn:  # noqa: ANN401  # click's own signature, passed through
        """Run and exit: 0, 3 or 4 from the command, 1 for an error (two lines on stderr), 2 for wrong usage."""
        given = args[0] if args else extra.pop("args", None)
        arguments = list(sys.argv[1:] if given is None else given)
        debug = "--debug" in arguments or os.environ.get("TIERWISE_DEBUG", "") not in ("", "0")
        arguments = [argument for argument in arguments if argument != "--debug"]  # it may stand anywhere
        try:
            code = super().main(arguments, *args[1:], **(extra | {"standalone_mode": False}))
            sys.stdout.flush()  # inside the try: a closed pipe shows here
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (click.Abort, KeyboardInterrupt):
            click.echo("interrupted", err=True)
            sys.exit(EXIT_INTERRUPTED)
        except BrokenPipeError:  # `tierwise … | head`: not an error
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(EXIT_ERROR)
        except Exception as error:  # noqa: BLE001  # the last resort: two lines instead of a traceback
            if debug:
                traceback.print_exc()
            click.echo(render_error(error), err=True)
            sys.exit(EXIT_ERROR)
        sys.exit(code if isinstance(code, int) else 0)


def render_error(error: Exception) -> str:
    """Two lines: what is wrong, naming object and value; what to do."""
    match error:
        case ModuleNotFoundError() if (error.name or "").startswith("tierwise"):
            fact, remedy = f"this build has no module {error.name}", "Install the whole of tierwise anew."
        case ModuleNotFoundError():
            fact = f"the Python package {error.name!r} is not installed"
            remedy = "Install the extra that brings it: tierwise[embedded,local,demo]."
        case ClusterError():
            fact, _, remedy = str(error).partition("; ")
            remedy = remedy or "Check --kubeconfig, --context and that the API server is up."
        case TierwiseError():
            fact, remedy = error.message, error.remedy
        case OSError() if error.filename is not None:
            fact, remedy = f"{error.filename}: {error.strerror}", "Check the path and its permissions."
        case _:
            fact = f"unexpected {type(error).__name__}: {error}"
            remedy = "Run again with --debug for the traceback, and report it."
    return f"Error: {fact}" + (f"\n{remedy[0].upper()}{remedy[1:]}" if remedy else "")


@click.group(
    cls=LazyGroup,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 110,
        "auto_envvar_prefix": ENVIRONMENT_PREFIX,
    },
)
@click.version_option(tierwise.__version__, "-V", "--version", prog_name="tierwise", message="%(prog)s %(version)s")
@click.option("--debug", is_flag=True, help="Show a traceback with an error.")
def cli(debug: bool) -> None:
    """Staged rollout of machine-learning models, judged slice by slice.

    \b
    Start here:
      tierwise demo                          rollouts of a bad and a good model on this machine, with real data
      tierwise status bot-score --watch      what a rollout is doing
      tierwise explain bot-score             why it waits, or why it was rolled back
      tierwise analyze --help                compare two versions in a log, without Kubernetes

    Every flag can be set by an environment variable too: TIERWISE_STORE, TIERWISE_KUBECONFIG, TIERWISE_NAMESPACE,
    and TIERWISE_<COMMAND>_<FLAG> for the rest (TIERWISE_ANALYZE_BLOCK=5m).
    Exit status: 0 yes or done, 1 an error, 2 wrong usage, 3 not yet, 4 rolled back or stalled.
    """


def main() -> NoReturn:
    """Entry point of `tierwise` and of `kubectl-tierwise` (`kubectl tierwise …`)."""
    plugin = Path(sys.argv[0]).name.startswith("kubectl-tierwise")
    cli.main(prog_name="kubectl tierwise" if plugin else "tierwise", complete_var="_TIERWISE_COMPLETE")


if __name__ == "__main__":
    main()
