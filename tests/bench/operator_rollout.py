"""One rollout of the operator's benchmark: adopted, delivered to its first tier, bad in its second one, timed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.cluster import Kubectl
from tests.support.model import model_deployment, workload
from tests.support.polling import eventually
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.adapters.kubernetes.client import Client

TIERS = ("first", "second")
MATURITY, SAFETY = timedelta(seconds=1), timedelta(milliseconds=300)
BLOCK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Seen:
    """A Deployment as the clock-keeper sees it."""

    namespace: str
    name: str
    image: str
    deleting: bool


@dataclass
class Latency:
    """Seconds from maturity: until all writes were seen, and until the twin and its pods were gone."""

    written: float
    gone: float


@dataclass
class Bench:
    """What a rollout of the benchmark is driven with."""

    kubectl: Kubectl
    client: Client
    store: ClickHouseStore
    namespace: str
    bad_from: dict[str, datetime] = field(default_factory=dict)
    seen: dict[str, list[tuple[datetime, Seen | None]]] = field(default_factory=dict)

    def note(self, old: Seen | None, new: Seen | None) -> None:
        """A Deployment changed."""
        one = new or old
        assert one is not None
        self.seen.setdefault(one.name, []).append((datetime.now(UTC), new))

    def first(self, name: str, holds: Callable[[Seen | None], bool], after: datetime) -> datetime | None:
        """When a Deployment first was so."""
        return next((at for at, seen in list(self.seen.get(name, [])) if at >= after and holds(seen)), None)

    def rollout(self, model: str) -> dict[str, Any]:
        """The newest ModelRollout of a model."""
        items = [i for i in self.kubectl.get("modelrollouts")["items"] if i["spec"]["modelDeployment"] == model]
        return dict(items[-1]) if items else {}

    def measure(self, model: str) -> Latency:
        """Adopt v1, deploy v2, let it turn bad in the second tier, and see how long the way back takes."""
        self.kubectl.apply(*(workload(tier, model=model) for tier in TIERS), self._deployment(model, "v1"))
        self.kubectl("wait", "--for=condition=Ready", f"mdep/{model}", "--timeout=120s", timeout=150)
        self.kubectl.apply(self._deployment(model, "v2"))

        def judging_since() -> str:
            tiers = self.rollout(model).get("status", {}).get("tiers", [])
            judged = [t for t in tiers if t["name"] == TIERS[1] and t["phase"] == "Judging" and t.get("look", 0) >= 2]
            return str(judged[0]["judgingSince"]) if judged else ""

        since = datetime.fromisoformat(eventually(judging_since, within=180, every=0.5, what="judging"))
        blocks = (datetime.now(UTC) - since) // BLOCK + 2
        bad = since + blocks * BLOCK  # exactly where a block starts
        self.bad_from[model] = bad
        mature = bad + BLOCK + MATURITY + SAFETY

        def times() -> tuple[datetime, datetime] | None:
            twin = f"{model}-{TIERS[1]}-candidate"
            deleted = self.first(twin, lambda seen: seen is None or seen.deleting, bad)
            patched = self.first(
                f"{model}-{TIERS[0]}", lambda seen: seen is not None and seen.image.endswith(":v1"), bad
            )
            gone = self.first(twin, lambda seen: seen is None, bad)
            return (max(deleted, patched), gone) if deleted and patched and gone else None

        written, gone = eventually(times, within=120, every=0.2, what=f"{model} is rolled back") or (mature, mature)
        return Latency((written - mature).total_seconds(), (gone - mature).total_seconds())

    def _deployment(self, model: str, version: str) -> dict[str, Any]:
        manifest = model_deployment(
            version,
            model=model,
            tiers=TIERS,
            metrics=[{"name": "accuracy", "margin": {"absolute": 0.05}}],
            min_duration="3s",
        )
        manifest["spec"]["tiers"][1]["minDuration"] = "2m"  # it must not be promoted before it turns bad
        return manifest


def seen_of(item: Mapping[str, Any]) -> Seen:
    """A Deployment of the watch."""
    metadata = item["metadata"]
    image = item["spec"]["template"]["spec"]["containers"][0]["image"]
    return Seen(metadata["namespace"], metadata["name"], image, "deletionTimestamp" in metadata)
