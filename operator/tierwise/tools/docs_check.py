"""Checks what the docs show: every `tierwise …` command with its flags, the first target of every `make …`, links.

Run as ``python -m tierwise.tools.docs_check`` in a checkout of the repository (part of `make lint`).
"""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from tierwise.cli.main import cli

ROOT = Path(__file__).resolve().parents[3]
_PROGRAMS = ("tierwise", "kubectl-tierwise", ".venv/bin/tierwise")
_ENDS = {"|", "&&", "||", ";", "&", ">", ">>", "2>", "<", "#", "→", "->"}
_PLACEHOLDER = re.compile(r"[\[\]…]|\.\.\.")


def pages(root: Path) -> list[Path]:
    """README, CONTRIBUTING, and every Markdown file below docs/ and examples/."""
    found = [
        root / "README.md",
        root / "CONTRIBUTING.md",
        *(root / "docs").rglob("*.md"),
        *(root / "examples").rglob("*.md"),
    ]
    return sorted(path for path in found if path.exists())


def shown_commands(text: str) -> Iterator[tuple[int, str]]:
    """Line and text of every command in a code block, and of every code span in the text that begins like one."""
    is_fenced = False
    continued = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            is_fenced = not is_fenced
            continue
        if is_fenced or line.startswith("    "):
            command = continued + line.strip().removeprefix("$ ")
            if command.endswith("\\"):
                continued = command.removesuffix("\\")
                continue
            continued = ""
            yield number, command
        else:
            yield from ((number, span) for span in re.findall(r"`([^`]+)`", line))


def problems_of_page(path: Path, targets: set[str], root: Path) -> Iterator[str]:
    """One line per command of the page that does not exist as shown."""
    for number, text in shown_commands(path.read_text(encoding="utf-8")):
        for words in _commands(text):
            wrong = _wrong(words, targets)
            if wrong:
                yield f"{path.relative_to(root)}:{number}: {wrong}"


def broken_links(path: Path, root: Path) -> Iterator[str]:
    """One line per link of the page to a file that does not exist."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", line):
            if not re.match(r"[a-z]+:", target) and not (path.parent / target).exists():
                yield f"{path.relative_to(root)}:{number}: the link to {target} leads nowhere"


def make_targets(root: Path) -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def _commands(text: str) -> Iterator[list[str]]:
    """Every command of a line of shell, as words; nothing where it is not shell."""
    lexer = shlex.shlex(_PLACEHOLDER.sub(" ", text), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return  # an open quote: prose or output, not a command
    command: list[str] = []
    for word in [*words, ";"]:
        if word in _ENDS:
            if command:
                yield command
            command = []
        elif command or not re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*|sudo|nice|time", word):
            command.append(word)


def _wrong(words: list[str], targets: set[str]) -> str | None:
    if words[:2] == ["kubectl", "tierwise"]:
        words = words[1:]
    if words[0] == "make":
        asked = [word for word in words[1:] if "=" not in word and not word.startswith("-")]
        missing = [target for target in asked[:1] if re.fullmatch(r"[a-z][a-z-]*", target) and target not in targets]
        return f"make has no target {missing[0]!r}; `make help` lists them" if missing else None
    if words[0] not in _PROGRAMS:
        return None
    return _wrong_options(words[1:])


def _wrong_options(words: list[str]) -> str | None:
    command: click.Command = cli
    context = click.Context(cli, info_name="tierwise")
    known = _options(cli, context)
    for word in words:
        if word.startswith("-") and word != "-" and not re.fullmatch(r"-[0-9.]+", word):
            option = word.partition("=")[0]
            if option not in known:
                return f"`{context.command_path}` has no option {option}; see `{context.command_path} --help`"
        elif isinstance(command, click.Group):
            if not re.fullmatch(r"[a-z][a-z-]*", word):
                return None  # prose or a placeholder
            try:
                below = command.get_command(context, word)
            except ModuleNotFoundError as error:
                return f"`{context.command_path} {word}` cannot be loaded: no module {error.name}"
            if below is None:
                return f"`{context.command_path}` has no command {word!r}; see `{context.command_path} --help`"
            command, context = below, click.Context(below, parent=context, info_name=word)
            known |= _options(below, context)
    return None


def _options(command: click.Command, context: click.Context) -> set[str]:
    return {
        option for parameter in command.get_params(context) for option in (*parameter.opts, *parameter.secondary_opts)
    }


def problems(root: Path = ROOT) -> list[str]:
    """All of them, in the order of the pages."""
    targets = make_targets(root)
    return [
        line for path in pages(root) for line in (*problems_of_page(path, targets, root), *broken_links(path, root))
    ]


def main() -> int:
    """Exit code: 0 all exist, 1 some do not (each is named with page and line)."""
    lines = problems()
    sys.stderr.writelines(line + "\n" for line in lines)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
