"""The rollout of the design's example: v8 of bot-score rolled back in tier-3, or still being judged there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tierwise.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus
from tierwise.rollout.state.observation import (
    DeploymentView,
    Pods,
    RolloutView,
    Running,
    TierView,
    TwinView,
    WorkloadView,
)

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NOW = T0 + timedelta(minutes=12, seconds=14)

REASON = (
    "tier-3: false-positive-rate on asn_type=residential 0.5 % → 3.1 % "
    "(tolerance 12.5 % relative, 9/2011 → 61/1968, e=4.1e5)"
)
WORST = {
    "dataset": "verified-humans",
    "metric": "false-positive-rate",
    "slice": {"asn_type": "residential"},
    "verdict": "Regressed",
    "candidateN": 1968,
    "candidateBad": 61,
    "baselineN": 2011,
    "baselineBad": 9,
    "difference": 0.02652,
    "interval": [0.0135, 0.0395],
    "log10E": 5.61,
}
WHOLE = {
    "dataset": "verified-humans",
    "metric": "false-positive-rate",
    "slice": {},
    "verdict": "Inconclusive",
    "candidateN": 98000,
    "candidateBad": 540,
    "baselineN": 99000,
    "baselineBad": 495,
    "difference": 0.0005,
    "interval": [-0.0004, 0.0014],
    "log10E": 0.2,
    "labelsNeeded": 42000,
}


def version(name: str) -> dict[str, object]:
    return {"name": name, "commit": f"6f8e80{name}", "image": f"ghcr.io/acme/bot-score:{name}"}


def stamp(seconds: float) -> str:
    return (T0 + timedelta(seconds=seconds)).isoformat()


def spec() -> dict[str, object]:
    tiers = [
        {"name": f"tier-{n}", "workloads": {"selector": {"matchLabels": {"tier": str(n)}}}, "exposure": "20%"}
        for n in (3, 2, 1)
    ]
    metric = {"name": "false-positive-rate", "margin": {"relative": 0.25}}
    analysis = {"datasets": [{"name": "verified-humans", "metrics": [metric], "slices": ["asn_type"]}]}
    return {
        "model": "bot-score",
        "version": version("v8"),
        "delivery": {"container": "server"},
        "tiers": tiers,
        "analysis": analysis,
    }


def condition(kind: str, status: str, reason: str, message: str) -> dict[str, object]:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": stamp(700)}


def a_deployment(*conditions: dict[str, object], rollout: str | None = None) -> DeploymentView:
    status = ModelDeploymentStatus.model_validate(
        {
            "observedGeneration": 2,
            "stable": version("v7"),
            "lastRevision": 4,
            "rollout": rollout,
            "conditions": conditions,
        }
    )
    return DeploymentView(
        "inference", "bot-score", "uid-1", 2, "100", ModelDeploymentSpec.model_validate(spec()), status
    )


def a_rollout(status: dict[str, object]) -> RolloutView:
    strategy = {key: value for key, value in spec().items() if key in ("delivery", "tiers", "analysis")}
    rollout_spec = ModelRolloutSpec.model_validate(
        {
            "modelDeployment": "bot-score",
            "model": "bot-score",
            "revision": 4,
            "from": version("v7"),
            "to": version("v8"),
            "strategy": strategy,
        }
    )
    return RolloutView(
        "bot-score-4", "uid-2", 1, "101", T0, rollout_spec, ModelRolloutStatus.model_validate(status), owner_uid="uid-1"
    )


def a_workload(name: str, pods: int, running: str = "v7") -> WorkloadView:
    image = Running(f"ghcr.io/acme/bot-score:{running}")
    return WorkloadView(
        "Deployment", name, f"uid-{name}", pods, image, ("server",), "f", True, Pods(total=pods, ready=pods)
    )


def a_twin(workload: str, pods: int, *, blocked: str | None = None) -> TwinView:
    image = Running("ghcr.io/acme/bot-score:v8")
    ready = 0 if blocked else pods
    return TwinView(
        f"{workload}-candidate", f"uid-{workload}-c", workload, True, pods, image, "f", blocked is None,
        Pods(total=pods, ready=ready), blocked,
    )  # fmt: skip


def tiers(*twins: TwinView) -> tuple[TierView, ...]:
    return (
        TierView("tier-3", (a_workload("bot-ams", 2), a_workload("bot-sin", 2)), twins),
        TierView("tier-2", (a_workload("bot-eu", 8),)),
        TierView("tier-1", (a_workload("bot-us", 12),)),
    )


def rolled_back() -> tuple[DeploymentView, tuple[RolloutView, ...], tuple[TierView, ...]]:
    """v8 was rolled back in tier-3; its digest is rejected."""
    tier_3 = {
        "name": "tier-3", "phase": "RolledBack", "startedAt": stamp(0), "judgingSince": stamp(60),
        "finishedAt": stamp(734), "look": 11, "labels": 12345, "evidenceUntil": stamp(720),
        "gate": {"decision": "RollBack", "reason": "Regressed", "message": REASON, "since": stamp(720)},
        "coverage": {"traffic": 0.93, "slices": 46, "powered": 30, "regressed": 1, "nonInferior": 12},
        "worst": [WORST, WHOLE], "culprits": [WORST],
    }  # fmt: skip
    rollout = a_rollout(
        {
            "result": "RolledBack", "reason": "Regressed", "message": REASON, "tier": "tier-3",
            "startedAt": stamp(0), "finishedAt": stamp(734),
            "tiers": [tier_3, {"name": "tier-2", "phase": "Untouched"}, {"name": "tier-1", "phase": "Untouched"}],
        }
    )  # fmt: skip
    stalled = condition("Stalled", "True", "VersionRejected", "v8 was rolled back")
    return a_deployment(condition("Ready", "False", "VersionRejected", ""), stalled), (rollout,), tiers()


def judging() -> tuple[DeploymentView, tuple[RolloutView, ...], tuple[TierView, ...]]:
    """v8 is judged in tier-3 and the gate waits for labels."""
    message = (
        "tier-3: 6000 candidate and 6345 baseline labels so far, about 42000 more needed to show false-positive-rate "
        "on all traffic within the margin of 25 % relative, the slowest of 4 slices x metrics that are waited for"
    )
    tier_3 = {
        "name": "tier-3", "phase": "Judging", "startedAt": stamp(0), "judgingSince": stamp(60),
        "look": 11, "labels": 12345, "evidenceUntil": stamp(720),
        "gate": {"decision": "Hold", "reason": "Inconclusive", "message": message, "since": stamp(600)},
        "coverage": {"traffic": 0.93, "slices": 46, "powered": 30, "nonInferior": 12, "inconclusive": 34, "waiting": 4},
        "worst": [WHOLE], "waiting": [WHOLE],
    }  # fmt: skip
    rollout = a_rollout(
        {
            "result": "Progressing", "reason": "Inconclusive", "message": message, "tier": "tier-3",
            "startedAt": stamp(0),
            "tiers": [tier_3, {"name": "tier-2"}, {"name": "tier-1"}],
        }
    )  # fmt: skip
    deployment = a_deployment(
        condition("Ready", "False", "Inconclusive", ""),
        condition("Reconciling", "True", "Inconclusive", message),
        rollout="bot-score-4",
    )
    return deployment, (rollout,), tiers(a_twin("bot-ams", 1), a_twin("bot-sin", 1))
