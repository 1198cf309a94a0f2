"""Kubernetes JSON as an API server returns it, with only what matters shown."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

Json = dict[str, Any]


def a_deployment(name: str = "bot-ams", **changes: Any) -> Json:
    item: Json = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": name,
            "namespace": "ns",
            "uid": f"uid-{name}",
            "generation": 3,
            "labels": {"app": "bot-score", "tier": "3"},
        },
        "spec": {
            "replicas": 4,
            "selector": {"matchLabels": {"app": "bot-score", "site": "ams"}},
            "strategy": {"type": "RollingUpdate"},
            "template": {
                "metadata": {"labels": {"app": "bot-score", "site": "ams"}},
                "spec": {
                    "containers": [
                        {
                            "name": "server",
                            "image": "bot:v7",
                            "env": [
                                {"name": "MODEL_VERSION", "value": "v7"},
                                {"name": "LOG_LEVEL", "value": "info"},
                                {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
                            ],
                        },
                        {"name": "proxy", "image": "envoy:1"},
                    ]
                },
            },
        },
        "status": {"observedGeneration": 3, "replicas": 4, "updatedReplicas": 4, "availableReplicas": 4},
    }
    item = deepcopy(item)
    for path, value in changes.items():
        target = item
        *parents, last = path.split("__")
        for part in parents:
            target = target[part]
        target[last] = value
    return item


def server_of(item: Json) -> Json:
    return item["spec"]["template"]["spec"]["containers"][0]


def a_pod(name: str = "p", *, image: str = "bot:v7", version: str = "v7", ready: bool = True, **changes: Any) -> Json:
    item: Json = {
        "metadata": {
            "namespace": "ns",
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"pod-template-hash": "abc"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "bot-ams-abc", "uid": "uid-rs", "controller": True}],
        },
        "spec": {
            "containers": [
                {
                    "name": "server",
                    "image": image,
                    "env": [{"name": "MODEL_VERSION", "value": version}, {"name": "LOG_LEVEL", "value": "info"}],
                }
            ]
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }
    for path, value in changes.items():
        target = item
        *parents, last = path.split("__")
        for part in parents:
            target = target[part]
        target[last] = value
    return item
