"""The three CustomResourceDefinitions: names, printer columns and versions around the structural schemas. Pure.

``python -m tierwise.tools.generate --write|--check`` writes or compares the files. It is in `tierwise.tools.generate`,
because nothing in this package reads or writes files.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel

from tierwise.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus
from tierwise.api.monitoringdataset import MonitoringDatasetSpec, MonitoringDatasetStatus
from tierwise.api.names import GROUP, VERSION
from tierwise.api.rules import DEPLOYMENT_NAME, Rule, validations
from tierwise.api.schema.structural import Schema, structural_schema


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`; `wide` ones need ``-o wide``."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Kind:
    """The facts about a kind that are not in its models."""

    name: str
    plural: str
    short_names: tuple[str, ...]
    description: str
    spec: type[BaseModel]
    status: type[BaseModel]
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = ()


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS = (
    Kind(
        "ModelDeployment",
        "modeldeployments",
        ("mdep",),
        "What should run: a version of a model, the tiers it goes through, and how it is judged. Written by people "
        "or GitOps; Tierwise never writes its spec.",
        ModelDeploymentSpec,
        ModelDeploymentStatus,
        (
            Column("Version", ".spec.version.name"),
            Column("Stable", ".status.stable.name"),
            Column("Status", ".status.summary.status"),
            Column("In-Sync", '.status.conditions[?(@.type=="InSync")].status'),
            Column("Tier", ".status.summary.tier"),
            Column("Slices-Judged", '.status.conditions[?(@.type=="SlicesJudged")].status'),
            Column("Worst-Slice", ".status.summary.worstSlice"),
            Column("Message", ".status.summary.message"),
            _AGE,
            Column("Commit", ".spec.version.commit", wide=True),
            # A column of type date shows a time in the future as <invalid>.
            Column("Until", ".status.summary.until", wide=True),
        ),
        (DEPLOYMENT_NAME,),
    ),
    Kind(
        "ModelRollout",
        "modelrollouts",
        ("mro", "rollout"),
        "One attempt to bring one candidate through the tiers. Written by Tierwise only; the list is the history.",
        ModelRolloutSpec,
        ModelRolloutStatus,
        (
            Column("Model", ".spec.model"),
            Column("From", ".spec.from.name"),
            Column("To", ".spec.to.name"),
            Column("Result", ".status.result"),
            Column("Tier", ".status.tier"),
            Column("Slices-Judged", '.status.conditions[?(@.type=="SlicesJudged")].status'),
            Column("Reason", ".status.reason"),
            _AGE,
        ),
    ),
    Kind(
        "MonitoringDataset",
        "monitoringdatasets",
        ("mds",),
        "Where labelled predictions are and how they are sliced. Shared by the ModelDeployments of its namespace.",
        MonitoringDatasetSpec,
        MonitoringDatasetStatus,
        (
            Column("Table", ".spec.table"),
            Column("Ready", '.status.conditions[?(@.type=="Ready")].status'),
            Column("Reason", '.status.conditions[?(@.type=="Ready")].reason'),
            Column("Newest", ".status.log.newest", "date"),
            Column("Labelled", ".status.summary.labelled"),
            _AGE,
            Column("Rows", ".status.log.rows", "integer", wide=True),
            Column("Versions", ".status.summary.versions", wide=True),
            Column("Maturity", ".spec.maturity", wide=True),
            Column("Message", ".status.summary.message", wide=True),
        ),
    ),
)

HEADER = f"# Generated from operator/tierwise/api by `make generated`; do not edit. Group {GROUP}, version {VERSION}.\n"


def definition(kind: Kind) -> dict[str, Any]:
    """The CustomResourceDefinition of a kind."""
    status = structural_schema(kind.status, where="status", bounded=False, defaults=False)
    # Without this, kstatus believes that an object is finished before any controller has seen it.
    status["default"] = {"observedGeneration": -1}
    schema: Schema = {
        "description": kind.description,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}"},
            "kind": {"type": "string", "description": kind.name},
            "metadata": {"type": "object"},
            "spec": structural_schema(kind.spec, where="spec"),
            "status": status,
        },
    }
    if kind.rules:
        schema |= validations(*kind.rules)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            # Not in the category "all": `kubectl delete all --all` must not delete the history of rollouts.
            "names": {
                "kind": kind.name,
                "listKind": f"{kind.name}List",
                "plural": kind.plural,
                "singular": kind.name.lower(),
                "shortNames": list(kind.short_names),
                "categories": ["tierwise"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in kind.columns],
                    "schema": {"openAPIV3Schema": schema},
                }
            ],
        },
    }


def _column(column: Column) -> dict[str, Any]:
    wide = {"priority": 1} if column.wide else {}
    return {"name": column.name, "type": column.type, "jsonPath": column.path, **wide}


def crd_files() -> dict[str, str]:
    """File name -> YAML text of every CustomResourceDefinition; the same models give the same bytes."""
    return {
        f"{GROUP}_{kind.plural}.yaml": HEADER
        + yaml.safe_dump(definition(kind), sort_keys=False, width=120, allow_unicode=True)
        for kind in KINDS
    }
