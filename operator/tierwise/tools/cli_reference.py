"""docs/reference/cli.md, made from the commands themselves: nothing that can be typed is undocumented."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import groupby

import click

from tierwise.cli.main import COMMANDS, cli

HEAD = """\
# Command line

<!-- Generated from the commands by `make generated`; edit the help texts in operator/tierwise/cli/. -->

One program, `tierwise`; under the name `kubectl-tierwise` on the PATH it is also `kubectl tierwise …`.

| exit status | meaning |
|---|---|
| 0 | yes or done: promoted, completed, at rest, nothing wrong |
| 1 | an error: two lines on stderr, what is wrong and what to do; `--debug` anywhere adds the traceback |
| 2 | wrong usage |
| 3 | not yet: the gate holds, the rollout still goes on |
| 4 | no: rolled back or stalled |
| 130 | interrupted |

Facts go to stdout, progress and errors to stderr. `-o json` has stable keys: null where a value is not known, no NaN.
Colours appear on a terminal only, and never with `NO_COLOR` set.

Every flag can be given by an environment variable too. Shared ones are `TIERWISE_STORE`, `TIERWISE_KUBECONFIG`,
`TIERWISE_CONTEXT`, `TIERWISE_NAMESPACE` and `TIERWISE_DEBUG`; every other is `TIERWISE_<COMMAND>_<FLAG>`, for instance
`TIERWISE_ANALYZE_BLOCK=5m`. A flag on the command line wins.
"""


def cli_reference() -> str:
    """The whole page: every command with its help, arguments and options."""
    parts = [HEAD]
    for name in COMMANDS:
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        for path, found in walk(command, ("tierwise", name)):
            parts.append(_section(path, found))
    return "\n".join(parts)


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """The command and everything below it that is not hidden."""
    if command.hidden:
        return
    yield path, command
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from walk(command.commands[name], (*path, name))


def _section(path: tuple[str, ...], command: click.Command) -> str:
    arguments = [
        f" {argument.make_metavar(_context(command))}"
        for argument in command.params
        if isinstance(argument, click.Argument)
    ]
    usage = " ".join(path) + "".join(arguments)
    if isinstance(command, click.Group):
        usage += " COMMAND"
    lines = [f"{'#' * len(path)} {' '.join(path)}", "", f"    {usage} [OPTIONS]", "", _prose(command.help or ""), ""]
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    if options:
        lines += ["| option | meaning |", "|---|---|"]
        lines += [_row(option, command) for option in options]
        lines.append("")
    return "\n".join(lines)


def _context(command: click.Command) -> click.Context:
    return click.Context(command)


def _row(option: click.Option, command: click.Command) -> str:
    names, text = option.get_help_record(_context(command)) or ("", "")
    # A bar in a cell of a table has to be escaped, in code too.
    return f"| `{names.replace('|', chr(92) + '|')}` | {' '.join(text.split()).replace('|', chr(92) + '|')} |"


def _prose(text: str) -> str:
    r"""Help as Markdown: paragraphs as they are, ``\b`` blocks as code."""
    out: list[str] = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        if paragraph.startswith("\b\n"):
            lines = paragraph.removeprefix("\b\n").splitlines()
            for is_code, run in groupby(lines, key=lambda line: line.startswith(" ")):
                text = "\n".join(line.removeprefix("  ") for line in run)
                out.append(f"```\n{text}\n```" if is_code else text)
        else:
            out.append(paragraph.strip())
    return "\n\n".join(out)
