"""Everything that decides what is counted, as text and as a hash. Pure."""

from __future__ import annotations

import hashlib
import json

from tierwise.monitoring.counts.model import Dataset


def config_of(dataset: Dataset) -> str:
    """Everything that decides what is counted, as JSON with sorted keys.

    `store` is left out, because the same counts may be stored from a log that moved, and because a Secret's name is no
    part of the data. `freshness` and `volume` decide whether rows come, not what is counted.
    """
    spec = dataset.spec.model_dump(mode="json", by_alias=True, exclude={"store", "freshness", "volume"})
    return json.dumps([dataset.name, spec, sorted(dataset.groupings)], sort_keys=True, separators=(",", ":"))


def config_hash(dataset: Dataset) -> int:
    """64 bits over `config_of`. Stored distributions of different hashes are never compared.

    A dataset of another store has the same hash. Where this matters, use `planning.snapshot.pinned_hash`.
    """
    return int.from_bytes(hashlib.blake2b(config_of(dataset).encode(), digest_size=8).digest(), "big")
