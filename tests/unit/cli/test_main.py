"""The program's frame: exit codes, errors in two lines, help and completion."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from tierwise.api.reasons import Reason
from tierwise.cli.main import COMMANDS, cli, render_error
from tierwise.errors import ClusterError, StoreError
from tierwise.tools.cli_reference import walk


def run(*arguments: str, **environment: str):
    return CliRunner().invoke(cli, list(arguments), env=environment)


def test_help_lists_every_command_with_its_line():
    result = run("--help")
    assert result.exit_code == 0
    for name in COMMANDS:
        assert f"\n  {name} " in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_that_says_what_it_does(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"{name}" in result.output
    assert "\\b" not in result.output


def test_an_unknown_command_is_wrong_usage():
    result = run("analyse")
    assert result.exit_code == 2
    assert "No such command 'analyse'" in result.output


def test_an_error_is_two_lines_what_is_wrong_and_what_to_do():
    error = StoreError("store ch:8123: does not respond", "is it up?", reason=Reason.STORE_UNREACHABLE)
    assert render_error(error) == "Error: store ch:8123: does not respond\nIs it up?"


def test_an_unexpected_error_says_how_to_get_a_traceback():
    assert render_error(KeyError("x")).splitlines() == [
        "Error: unexpected KeyError: 'x'",
        "Run again with --debug for the traceback, and report it.",
    ]


def test_a_cluster_that_does_not_answer_is_an_error_with_a_remedy():
    text = render_error(ClusterError("API server https://127.0.0.1:1 does not respond: MaxRetryError"))
    assert text.splitlines()[1].startswith("Check --kubeconfig")


def test_a_missing_file_is_named(tmp_path):
    result = run("lint", str(tmp_path / "none.yaml"))
    assert result.exit_code != 0
    assert "none.yaml" in result.output
    assert "Traceback" not in result.output


def test_debug_shows_the_traceback_wherever_it_is_written(tmp_path):
    kubeconfig = tmp_path / "none"
    plain = run("status", "x", "--kubeconfig", str(kubeconfig))
    assert plain.exit_code == 1
    assert "Traceback" not in plain.output
    assert len(plain.output.strip().splitlines()) == 2
    assert "Traceback" in run("status", "x", "--kubeconfig", str(kubeconfig), "--debug").output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script(shell):
    result = run("completion", shell)
    assert result.exit_code == 0
    assert "_TIERWISE_COMPLETE" in result.output


def test_flags_are_set_by_the_environment_too():
    result = run(
        "analyze", "--baseline", "a", "--candidate", "b", TIERWISE_ANALYZE_BLOCK="soon", TIERWISE_STORE="chdb:///x"
    )
    assert result.exit_code == 2
    assert "soon" in result.output


def test_version():
    assert run("--version").output.startswith("tierwise ")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_help_text_or_speaking_values(name):
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    for path, found in walk(command, (name,)):
        for option in found.params:
            if isinstance(option, click.Option):
                speaks = isinstance(option.type, click.Choice) or option.hidden or option.opts[-1].endswith("name")
                assert option.help or speaks, f"{' '.join(path)} {option.opts[-1]}"
