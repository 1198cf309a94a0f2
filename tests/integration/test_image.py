"""The operator's image. Needs a Docker engine, which CI machines of this project never have: a skip there, too."""

from __future__ import annotations

import re
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def engine_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, timeout=30, check=False).returncode == 0


def test_the_image_names_no_root_user_and_installs_by_hash_only():
    assert re.findall(r"^USER (.*)$", DOCKERFILE, re.MULTILINE) == ["65532:65532"]
    installs = re.findall(r"pip install (.*)$", DOCKERFILE, re.MULTILINE)
    assert installs
    for line in installs:
        assert "--require-hashes" in line or "--no-index" in line


def test_the_images_lock_files_agree_with_the_one_that_is_tested():
    def pins(name: str) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for package, version in re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements" / name).read_text(), re.M):
            found.setdefault(package, set()).add(version)
        return found

    tested = pins("all.txt")
    for name in ("operator.txt", "build.txt"):
        for package, versions in pins(name).items():
            assert versions <= tested[package], package


@pytest.mark.needs_docker
def test_the_built_image_runs_as_nobody_on_a_read_only_root():
    if not engine_answers():
        pytest.skip("docker is missing: no engine answers (also in CI, where none can exist)")
    tag = f"tierwise-test:{uuid.uuid4().hex[:8]}"
    subprocess.run(["docker", "build", "--tag", tag, str(ROOT)], check=True, timeout=560)
    try:
        hardened = ["--rm", "--read-only", "--user=65532:65532", "--cap-drop=ALL", "--network=none"]
        done = subprocess.run(
            ["docker", "run", *hardened, tag, "operator", "--help"], capture_output=True, text=True, check=True
        )
        assert "--namespace" in done.stdout
    finally:
        subprocess.run(["docker", "image", "rm", "--force", tag], check=False, capture_output=True)
