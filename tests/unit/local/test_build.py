"""The cached build: what is built once, goes on where it stopped, and says what is wrong. A script stands in for Go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.polling import eventually
from tierwise.errors import LocalClusterError
from tierwise.local.build import GoModule, Toolchain, build, find_go

# go build … -o TARGET PACKAGE: notes the package, then does what a file named after it says.
GO = """#!/bin/bash
if [ "$1" = env ]; then echo "go${GO_SCRIPT_VERSION:-1.26.1}"; exit; fi
target="${@: -2:1}"; package="${@: -1}"
echo "$package" >> "$GO_SCRIPT_FOLDER/built"
case "$package" in
  broken) echo "package broken: no such module" >&2; exit 1 ;;
  slow) if [ ! -e "$GO_SCRIPT_FOLDER/fast" ]; then echo half > "$target"; exec sleep 600; fi ;;
esac
echo "$package" > "$target"
"""


@pytest.fixture
def go(tmp_path, monkeypatch) -> Toolchain:
    script = tmp_path / "tools" / "go"
    script.parent.mkdir()
    script.write_text(GO)
    script.chmod(0o755)
    monkeypatch.setenv("TIERWISE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GO_SCRIPT_FOLDER", str(tmp_path))
    return Toolchain(script, {})


def a_module(tmp_path: Path, *packages: str, lock: str = "one") -> GoModule:
    folder = tmp_path / "module"
    folder.mkdir(exist_ok=True)
    (folder / "go.mod").write_text("module example.test\n")
    (folder / "go.sum").write_text(lock)
    return GoModule("things", folder, {package: package for package in packages}, ldflags="", minutes=1)


def built(tmp_path: Path) -> list[str]:
    return (tmp_path / "built").read_text().split()


def test_each_program_is_built_once_with_a_line_of_progress(go, tmp_path):
    module, lines = a_module(tmp_path, "a", "b"), []
    folder = build(module, go, progress=lines.append)
    assert (folder / "a").read_text() == "a\n"
    assert any("[2/2] b: building" in line for line in lines)
    build(module, go, progress=lines.append)
    assert built(tmp_path) == ["a", "b"]


def test_another_lock_file_is_another_build(go, tmp_path):
    first = build(a_module(tmp_path, "a"), go, progress=print)
    second = build(a_module(tmp_path, "a", lock="two"), go, progress=print)
    assert first != second


def test_a_failed_build_says_what_go_said_and_goes_on_from_there(go, tmp_path):
    with pytest.raises(LocalClusterError, match=r"building broken .*no such module"):
        build(a_module(tmp_path, "a", "broken"), go, progress=print)
    with pytest.raises(LocalClusterError):
        build(a_module(tmp_path, "a", "broken"), go, progress=print)
    assert built(tmp_path) == ["a", "broken", "broken"]


def test_an_interrupted_build_leaves_no_half_program_and_goes_on_where_it_stopped(go, tmp_path):
    module = a_module(tmp_path, "a", "slow")
    code = (
        "from pathlib import Path; from tierwise.local.build import *; "
        f"build(GoModule('things', Path({str(module.folder)!r}), {dict(module.programs)!r}, '', 1), "
        f"Toolchain(Path({str(go.executable)!r}), {{}}), progress=print)"
    )
    running = subprocess.Popen([sys.executable, "-c", code], env=os.environ.copy(), stderr=subprocess.DEVNULL)
    eventually(lambda: (tmp_path / "built").exists() and built(tmp_path) == ["a", "slow"], within=30)
    eventually(lambda: list(module.bin().glob(".slow.*")), within=30)
    running.send_signal(signal.SIGINT)
    running.wait(30)
    assert module.missing() == ("slow",)
    assert not list(module.bin().glob(".slow.*"))
    (tmp_path / "fast").touch()
    build(module, go, progress=print)
    assert built(tmp_path) == ["a", "slow", "slow"]


def test_go_on_the_path_that_is_too_old_is_passed_over(go, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{go.executable.parent}:{os.environ['PATH']}")
    chosen = find_go()
    assert chosen is not None
    assert chosen.executable == go.executable
    monkeypatch.setenv("GO_SCRIPT_VERSION", "1.25.9")
    other = find_go()
    assert other is None or other.executable != go.executable
