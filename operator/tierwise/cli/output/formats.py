"""Shared by all commands: output formats, kubeconfig flags, a console for terminals and pipes, progress on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO, TypeVar

import click
import yaml
from rich.console import Console

F = TypeVar("F", bound=Callable[..., Any])

PIPE_WIDTH = 200  # columns without a terminal, so that lines stay whole for grep
QUIET_SECONDS = 2.0  # work that takes less shows no progress


def kubeconfig_options(function: F) -> F:
    """``--kubeconfig``, ``--context`` and ``-n`` as kubectl has them."""
    namespace: Callable[[Any], Any] = click.option(
        "-n", "--namespace", envvar="TIERWISE_NAMESPACE", help="Namespace; default: the context's, else 'default'."
    )
    context: Callable[[Any], Any] = click.option(
        "--context", envvar="TIERWISE_CONTEXT", help="Context of the kubeconfig; default: its current one."
    )
    kubeconfig: Callable[[Any], Any] = click.option(
        "--kubeconfig",
        type=click.Path(),
        envvar="TIERWISE_KUBECONFIG",
        help="Path of the kubeconfig; default: KUBECONFIG, else ~/.kube/config.",
    )
    decorated: F = kubeconfig(context(namespace(function)))
    return decorated


def console_for(stream: TextIO | None = None) -> Console:
    """A console on stdout (or `stream`): colours on a terminal only and never with NO_COLOR, wide when piped."""
    target = sys.stdout if stream is None else stream
    width = None if target.isatty() else PIPE_WIDTH
    return Console(file=target, width=width, highlight=False, soft_wrap=False)


def print_facts(facts: Mapping[str, Any], output: str) -> None:
    """Print facts for programs: as JSON with two spaces, or as YAML with the same keys in the same order."""
    if output == "yaml":
        plain = json.loads(json.dumps(facts, allow_nan=False))  # members of enums become plain text
        click.echo(yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=120), nl=False)
    else:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False))


class Progress:
    """Prints progress on stderr after two seconds: on a terminal in one line, else one line per ten seconds."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self._told = time.monotonic()
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def __call__(self, done: int, total: int) -> None:
        """Show the progress."""
        now = time.monotonic()
        pause = 0.2 if self._terminal else 10.0
        if now - self._started < QUIET_SECONDS or (self._shown and now - self._told < pause):
            return
        self._shown, self._told = True, now
        left = (now - self._started) * (total - done) / max(done, 1)
        text = f"{self._what}: {done} of {total}, about {left:.0f} s left"
        click.echo(f"\r\x1b[K{text}" if self._terminal else text, err=True, nl=not self._terminal)

    def end(self) -> None:
        """Remove the line."""
        if self._terminal and self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
