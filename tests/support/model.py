"""Manifests of a served model in three tiers, for tests with an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

API_VERSION = "tierwise.io/v1alpha1"
TIERS = ("tier-3", "tier-2", "tier-1")
Manifest = dict[str, Any]


def workload(
    tier: str, *, model: str = "model", replicas: int = 2, version: str = "v1", name: str | None = None
) -> Manifest:
    """A Deployment of a tier that serves `version`."""
    labels = {"app": model, "tier": tier}
    name = name or f"{model}-{tier}"
    own = {**labels, "site": name}
    container = {
        "name": "server",
        "image": f"example.com/{model}:{version}",
        "env": [{"name": "MODEL_VERSION", "value": version}],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": own},
            "template": {
                "metadata": {"labels": own},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }


def version_of(name: str, model: str = "model") -> Manifest:
    """A version: image and one parameter."""
    return {"name": name, "image": f"example.com/{model}:{name}", "parameters": {"MODEL_VERSION": name}}


def model_deployment(
    version: str,
    *,
    model: str = "model",
    tiers: Sequence[str] = TIERS,
    metrics: Sequence[Mapping[str, Any]] = ({"name": "accuracy", "margin": {"absolute": 0.02}},),
    slices: Sequence[str] | None = None,
    dataset: str = "labelled",
    min_duration: str = "5s",
    max_duration: str = "3m",
    warm_up: str = "1s",
    **spec: Any,
) -> Manifest:
    """A ModelDeployment with half of each tier's pods exposed and one-second blocks.

    `warm_up`: traffic of the tests reaches a fresh pod up to an interval after it is ready.
    """
    rules = {"exposure": "50%", "minDuration": min_duration, "maxDuration": max_duration}
    datasets: Manifest = {"name": dataset, "metrics": list(metrics), **({"slices": list(slices)} if slices else {})}
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelDeployment",
        "metadata": {"name": model},
        "spec": {
            "model": model,
            "version": version_of(version, model),
            "delivery": {"container": "server"},
            "tiers": [
                {"name": tier, "workloads": {"selector": {"matchLabels": {"app": model, "tier": tier}}}, **rules}
                for tier in tiers
            ],
            "analysis": {"interval": "1s", "warmUp": warm_up, "verification": "0s", "datasets": [datasets]},
            "progressDeadline": "1m",
            **spec,
        },
    }


def monitoring_dataset(*dimensions: str, name: str = "labelled", maturity: str = "1s", **spec: Any) -> Manifest:
    """A MonitoringDataset over the table `predictions`."""
    return {
        "apiVersion": API_VERSION,
        "kind": "MonitoringDataset",
        "metadata": {"name": name},
        "spec": {
            "table": "predictions",
            "maturity": maturity,
            "dimensions": [{"name": dimension, "expression": dimension} for dimension in dimensions],
            **spec,
        },
    }
