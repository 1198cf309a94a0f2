"""`analyze` learns from the day before the candidate how much the baseline's pods differ and how rows scatter."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.integration.test_analyze import DATASET, LOAD, VERSIONS, program

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

EXPOSED = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
PODS, HALF_HOURS, EACH = 8, 48, 200


def log(*, noise: float) -> pa.Table:
    """A day of v1 alone on eight pods whose error rates jump by `noise` (log-odds) every half hour; then two minutes
    of both."""
    rng = np.random.default_rng(3)
    half_hour = np.repeat(np.arange(HALF_HOURS), PODS * EACH)
    pod = np.tile(np.repeat(np.arange(PODS), EACH), HALF_HOURS)
    rate = 1 / (1 + np.exp(2.2 + noise * rng.normal(size=(HALF_HOURS, PODS))))
    before = EXPOSED.timestamp() - 86_400 + half_hour * 1800 + rng.random(len(pod)) * 1800
    after = EXPOSED.timestamp() + np.sort(rng.random(4000)) * 120
    error = rng.random(len(pod) + 4000) < np.concatenate([rate[half_hour, pod], np.full(4000, 0.1)])
    label = rng.random(len(error)) < 0.3
    at = (np.concatenate([before, after]) * 1000).astype(np.int64)
    versions = np.concatenate([np.full(len(pod), "v1"), rng.choice(["v1", "v2"], 4000)])
    return pa.table(
        {
            "ts": pa.array(at, pa.timestamp("ms", tz="UTC")),
            "tier": np.full(len(at), "tier-3"),
            "model": np.full(len(at), "delays"),
            "model_version": versions,
            "pod": np.char.add("pod-", np.concatenate([pod, np.full(4000, 0)]).astype(str)),
            "carrier": rng.choice(["AA", "UA"], len(at)),
            "origin": np.full(len(at), "EWR"),
            "score": np.where(label ^ error, 0.9, 0.1).astype(np.float32),
            "label": pa.array(label.astype(np.uint8)),
        }
    )


def judged(folder, table: pa.Table, columns: str) -> dict:
    (folder / "mds.yaml").write_text(DATASET.replace("  dimensions:", f"  columns: {{{columns}}}\n  dimensions:"))
    pa.parquet.write_table(table, folder / "log.parquet")
    arguments = [f"chdb://{folder / 'store'}", str(folder / "log.parquet")]
    subprocess.run([sys.executable, "-c", LOAD, *arguments], check=True, timeout=300)
    source = ["--store", f"chdb://{folder / 'store'}", "--dataset", str(folder / "mds.yaml"), "--model", "delays"]
    since = ["--since", EXPOSED.isoformat().replace("+00:00", "Z")]
    options = [*source, *VERSIONS, *since, "--slice", "carrier", "--metric", "error-rate:0.05"]
    return json.loads(program("analyze", *options, "-o", "json").stdout)


def phi_of_the_whole(found: dict) -> float:
    return next(result["phi"] for result in found["results"] if result["slice"] == {})


def test_a_past_that_scatters_gives_phi_and_a_quiet_one_does_not(tmp_path):
    folders = {name: tmp_path / name for name in ("noisy", "quiet", "nameless")}
    for folder in folders.values():
        folder.mkdir()
    noisy = phi_of_the_whole(judged(folders["noisy"], log(noise=0.8), "pod: pod"))
    quiet = phi_of_the_whole(judged(folders["quiet"], log(noise=0.0), "pod: pod"))
    nameless = phi_of_the_whole(judged(folders["nameless"], log(noise=0.8), "label: label"))
    assert noisy > 3 > quiet >= 1
    assert nameless == 1.0
