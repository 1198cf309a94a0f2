"""Objects of the three kinds with every field of the spec given, so that each constraint has a place to be tried."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import yaml

_TIER = """
name: tier-3
workloads: {kind: Deployment, candidatePods: Beside, selector: {matchLabels: {app: bot-score}}}
exposure: 20%
minDuration: 30m
maxDuration: 4h
"""

_ANALYSIS = """
interval: 1m
warmUp: 2m
falseRollbackRate: 0.05
datasets:
- name: verified-humans
  metrics:
  - {name: false-positive-rate, margin: {relative: 0.25}, tolerance: {relative: 0.1}}
  slices: [asn_type, "asn_type,browser"]
  expect:
  - {slice: {asn_type: residential}, metric: false-positive-rate, change: Within, within: {min: -0.1, max: 0.05}}
onInconclusive: Hold
confounders: [country]
verification: 24h
externalCause: Hold
preRelease:
  dataset: validation
  metrics:
  - {name: recall, margin: {relative: 0.25}, tolerance: {relative: 0.1}}
  slices: [asn_type]
  expect:
  - {slice: {asn_type: residential}, metric: recall, change: Within, within: {min: -0.1, max: 0.05}}
  falseRejectionRate: 0.01
  onInconclusive: Hold
"""

_VERSION = """
name: v8
commit: "6f8e8033"
digest: sha256:9c1d
image: ghcr.io/acme/bot-score:v8
parameters: {MODEL_URI: "s3://models/bot-score/v8"}
"""

_DATASET = """
store: {dsnSecret: {name: clickhouse, key: dsn}}
table: logs.requests
columns: {time: ts, model: model, version: model_version, commit: commit, tier: tier, pod: pod, unit: user,
          score: bot_score, label: is_bot, labelledAt: labelled_at, requestId: id, weight: w, latency: ms,
          status: http_status, top: best}
where: "label_source = 'captcha_solved'"
maturity: 5m
threshold: 0.5
positive: AtOrAbove
domain: {min: 0, max: 1, exclude: [0.5]}
scale: {kind: Classes, bins: 100}
classes: [bot, human]
target: Number
dimensions:
- {name: asn_type, expression: asn, maxValues: 50}
values:
- {name: clicks, expression: clicks}
thresholds:
- {metric: recall, threshold: 0.9}
labels:
  sources:
  - {name: research, kind: PostgreSQL, column: is_bot, table: public.labels, key: id, collection: research,
     labelledAt: at, where: "source = 'manual'", confidence: 0.9}
  minConfidence: 0.5
deduplicate: true
freshness: {maxAge: 5m}
volume: {per: 1h, minRows: 1000, minLabels: 10}
"""


_parsed_once = cache(yaml.safe_load)


def _parsed(text: str) -> Any:
    """A copy of its own for each caller: a test may change it."""
    return copy.deepcopy(_parsed_once(text))


def _object(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "tierwise.io/v1alpha1", "kind": kind, "metadata": {"name": "bot-score"}, "spec": spec}


def model_deployment() -> dict[str, Any]:
    """A ModelDeployment with every field."""
    spec = {
        "model": "bot-score",
        "version": _parsed(_VERSION),
        "delivery": {"type": "PodTemplate", "container": "server"},
        "tiers": [_parsed(_TIER)],
        "analysis": _parsed(_ANALYSIS),
        "rollback": {"automatic": True, "order": "AllAtOnce", "verifyRecovery": "10m"},
        "progressDeadline": "15m",
        "historyLimit": 3,
        "paused": False,
        "drift": "Report",
    }
    return _object("ModelDeployment", spec)


def model_rollout() -> dict[str, Any]:
    """A ModelRollout with every field."""
    spec = {
        "modelDeployment": "bot-score",
        "model": "bot-score",
        "revision": 1,
        "from": _parsed(_VERSION) | {"name": "v7"},
        "to": _parsed(_VERSION),
        "compared": True,
        "strategy": {
            "delivery": {"type": "PodTemplate", "container": "server"},
            "tiers": [_parsed(_TIER)],
            "analysis": _parsed(_ANALYSIS),
            "verifyRecovery": "10m",
            "progressDeadline": "15m",
        },
    }
    return _object("ModelRollout", spec)


def monitoring_dataset() -> dict[str, Any]:
    """A MonitoringDataset with every field except query (which excludes table)."""
    return _object("MonitoringDataset", _parsed(_DATASET))


BUILDERS = {
    "ModelDeployment": model_deployment,
    "ModelRollout": model_rollout,
    "MonitoringDataset": monitoring_dataset,
}
PLURALS = {
    "ModelDeployment": "modeldeployments",
    "ModelRollout": "modelrollouts",
    "MonitoringDataset": "monitoringdatasets",
}


def minimal_deployment() -> dict[str, Any]:
    """A ModelDeployment with the required fields only."""
    spec = {
        "model": "bot-score",
        "version": {"name": "v8"},
        "delivery": {"container": "server"},
        "tiers": [{"name": "tier-3", "workloads": {"selector": {"matchLabels": {"app": "bot-score"}}}}],
        "analysis": {
            "datasets": [{"name": "verified-humans", "metrics": [{"name": "accuracy", "margin": {"absolute": 0.01}}]}]
        },
    }
    return _object("ModelDeployment", spec)


def parent_of(data: dict[str, Any], path: tuple[str | int, ...]) -> Any:
    """The object or list that holds the last part of the path."""
    for part in path[:-1]:
        data = data[part]
    return data


def with_value(data: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A copy with `value` at `path`."""
    data = copy.deepcopy(data)
    parent_of(data, path)[path[-1]] = value
    return data


def without(data: dict[str, Any], path: tuple[str | int, ...]) -> dict[str, Any]:
    """A copy without what is at `path`."""
    data = copy.deepcopy(data)
    parent_of(data, path).pop(path[-1], None)
    return data
