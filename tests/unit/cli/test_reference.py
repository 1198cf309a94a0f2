"""No command and no flag is undocumented."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from tierwise.cli.main import COMMANDS, cli
from tierwise.tools.cli_reference import cli_reference, walk

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_flag_is_in_the_reference(name):
    page = PAGE.read_text(encoding="utf-8")
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for path, found in walk(command, ("tierwise", name)):
        assert f"# {' '.join(path)}\n" in page
        section = page.split(f"# {' '.join(path)}\n", 1)[1].split("\n## ", 1)[0]
        for option in found.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert f"{option.opts[-1]}" in section, f"{' '.join(path)} {option.opts[-1]}: run `make generated`"


def test_the_reference_is_what_the_commands_say():
    assert PAGE.read_text(encoding="utf-8") == cli_reference(), "docs/reference/cli.md is old; run `make generated`"
