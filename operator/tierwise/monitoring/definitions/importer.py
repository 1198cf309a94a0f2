"""Makes a MonitoringDataset from the description of a training or validation dataset. Pure.

Three forms are read: a short description of our own, the features of a Hugging Face dataset (the YAML of its README, or
dataset_info.json), and a table's schema.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from tierwise.errors import RefusedError
from tierwise.monitoring.definitions.schema import ROLES, is_list, require_forms, shortly

Kind = Literal["Number", "Text", "Boolean", "Time", "Classes", "Other"]

MOST_TOLD = 50  # most columns in a message
MOST_VALUES = 50  # a column with more values is not made a dimension
_LABELS = ("label", "labels", "target", "y", "class", "is_positive")
_SCORES = ("score", "prediction", "predicted", "probability", "prob", "output", "answer")
_TIMES = ("ts", "time", "timestamp", "predicted_at", "created_at", "event_time")
_VERSIONS = ("model_version", "version")
_MODELS = ("model", "model_name")
_REQUESTS = ("request_id", "id", "document_id", "example_id", "idx")
_TIERS = ("tier",)
_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"bool", "Boolean"),
    (r"timestamp|date|time", "Time"),
    (r"u?int\d*|float\d*|double|half|decimal|number|integer", "Number"),
    (r"(large_)?string|str|text|utf8|dictionary", "Text"),
)


@dataclass(frozen=True, slots=True)
class Feature:
    """A column. `classes` are the names of its numbered values. `values` is the number of values, if known.

    `categories` are the values themselves, in their order, if it is a text column that is kept as a categorical one.
    """

    name: str
    kind: Kind
    classes: tuple[str, ...] = ()
    values: int | None = None
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """The facts about a dataset. Roles are column names. `dimensions` None means all columns that can be found."""

    name: str
    table: str
    features: tuple[Feature, ...]
    roles: Mapping[str, str] = field(default_factory=dict)
    dimensions: tuple[str, ...] | None = None
    classes: tuple[str, ...] = ()
    threshold: float | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)
    where: str | None = None
    target: str | None = None
    domain: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The MonitoringDataset, and notes for a person."""

    data: dict[str, Any]
    notes: tuple[str, ...]


def kind_of(text: str) -> Kind:
    """The kind of a column, from the name of its type in Arrow, SQL or a description."""
    for pattern, kind in _KINDS:
        if re.match(pattern, text.strip().lower()):
            return kind
    return "Other"


def read_definition(data: object, *, name: str) -> Definition:
    """The definition from a parsed YAML or JSON text; `name` is used if it has none.

    Raises:
        RefusedError: it has neither columns nor features, or one of them cannot be read.
    """
    if not isinstance(data, Mapping):
        raise RefusedError("the description is no object", "give name, columns, label, score and slices")
    info = data.get("dataset_info", data)
    info = info[0] if isinstance(info, Sequence) and not isinstance(info, str) and info else info
    if isinstance(info, Mapping) and "features" in info:
        features = tuple(_hugging_face(info["features"]))
        given = str(data.get("pretty_name") or info.get("dataset_name") or name)
        return Definition(resource_name(given), _table(given), features)
    if "columns" not in data:
        raise RefusedError("the description has neither columns nor features", "give columns: a list, or name to type")
    return _own(data, name)


def _own(data: Mapping[str, Any], name: str) -> Definition:
    require_forms(data)
    data = {key: value for key, value in data.items() if value is not None}
    columns = data["columns"]
    if isinstance(columns, Mapping):
        features = tuple(Feature(str(column), kind_of(str(kind))) for column, kind in columns.items())
    else:
        features = tuple(Feature(str(column), "Other") for column in columns)
    roles = {key: str(data[key]) for key in ROLES if key in data}
    roles |= {
        to: str(data[key]) for key, to in (("labelledAt", "labelledAt"), ("requestId", "requestId")) if key in data
    }
    given = str(data.get("name", name))
    thresholds = data.get("thresholds") or {}
    return Definition(
        name=resource_name(given),
        table=str(data.get("table") or _table(given)),
        features=features,
        roles=roles,
        dimensions=tuple(str(item) for item in data["slices"]) if "slices" in data else None,
        classes=tuple(str(item) for item in data.get("classes") or ()),
        threshold=None if data.get("threshold") is None else float(data["threshold"]),
        thresholds={str(metric): float(value) for metric, value in thresholds.items()},
        where=None if data.get("where") is None else str(data["where"]),
        target=None if data.get("target") is None else str(data["target"]),
        domain=data.get("domain"),
    )


def _hugging_face(features: object) -> Sequence[Feature]:
    """The features from a README (a list of {name, dtype}) or dataset_info.json (an object by name, with _type)."""
    items = (
        [{"name": name, **(item if isinstance(item, Mapping) else {})} for name, item in features.items()]
        if isinstance(features, Mapping)
        else features
    )
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise RefusedError("features is neither a list nor an object", "give the dataset_info of the dataset's README")
    return [_feature(item) for item in items]


def _feature(item: object) -> Feature:
    if not isinstance(item, Mapping) or "name" not in item:
        raise RefusedError(f"a feature has no name: {shortly(item)}", "give the dataset_info of the dataset's README")
    name, dtype = str(item["name"]), item.get("dtype", "")
    label = dtype.get("class_label") if isinstance(dtype, Mapping) else None
    names = label.get("names") if isinstance(label, Mapping) else item.get("names")
    if names is not None and (label is not None or item.get("_type") == "ClassLabel"):
        is_numbered = isinstance(names, Mapping) and all(str(key).isdecimal() for key in names)
        if not is_numbered and not is_list(names):
            raise RefusedError(
                f"the classes of {name[:100]!r} are {shortly(names)}", "give a list of names, or number to name"
            )
        ordered = [names[key] for key in sorted(names, key=int)] if isinstance(names, Mapping) else names
        return Feature(name, "Classes", tuple(str(one) for one in ordered))
    return Feature(name, kind_of(dtype) if isinstance(dtype, str) and dtype else "Other")


def with_roles(definition: Definition, roles: Mapping[str, str | None], dimensions: Sequence[str]) -> Definition:
    """The definition with the roles and dimensions that a person gave. None, and no dimensions, change nothing."""
    given = {key: value for key, value in roles.items() if value is not None}
    chosen = tuple(dimensions) or definition.dimensions
    return replace(definition, roles={**definition.roles, **given}, dimensions=chosen)


def to_manifest(definition: Definition) -> Manifest:
    """A MonitoringDataset that `tierwise lint` accepts.

    Raises:
        RefusedError: it cannot be told which column is the label or the score, or a named column is not there.
    """
    names = [feature.name for feature in definition.features]
    notes: list[str] = []
    label = _label(definition)
    score = definition.roles.get("score") or next((name for name in _SCORES if name in names), None)
    if score is None:
        score = "score"
        notes.append(f"there are no predictions in it; write each version's to column score of {definition.table}")
    columns: dict[str, Any] = {}
    for role, usual in (("time", _TIMES), ("model", _MODELS), ("version", _VERSIONS), ("tier", _TIERS)):
        found = definition.roles.get(role) or next((name for name in usual if name in names), None)
        if found is not None:
            columns[role] = found
        elif role in ("model", "tier"):
            columns[role] = ""
        else:
            missing = "ts" if role == "time" else "model_version"
            notes.append(f"there is no column of the {role}; write the {role} of each prediction to {missing}")
    columns |= {"score": score, "label": label}
    request = definition.roles.get("requestId") or next((name for name in _REQUESTS if name in names), None)
    extra = {role: value for role, value in definition.roles.items() if role not in (*columns, "requestId")}
    columns |= extra
    if request is not None:
        columns["requestId"] = request
    said = dict.fromkeys([*definition.roles.values(), *(definition.dimensions or ())])
    if absent := [name for name in said if name and name not in names]:
        notes.append(f"there is no column {', '.join(absent)} in it; write it with each prediction")
    spec: dict[str, Any] = {"table": definition.table, "columns": columns}
    if definition.where is not None:
        spec["where"] = definition.where
    if definition.threshold is not None:
        spec["threshold"] = definition.threshold
    if definition.target is not None:
        spec["target"] = definition.target
    if definition.domain is not None:
        spec["domain"] = dict(definition.domain)
    spec |= _answers(definition, label, notes)
    spec["dimensions"] = [
        {"name": dimension_name(name), "expression": name} for name in _dimensions(definition, columns, notes)
    ]
    if definition.thresholds:
        spec["thresholds"] = [{"metric": name, "threshold": value} for name, value in definition.thresholds.items()]
    head = {"apiVersion": "tierwise.io/v1alpha1", "kind": "MonitoringDataset", "metadata": {"name": definition.name}}
    return Manifest({**head, "spec": spec}, tuple(notes))


def _label(definition: Definition) -> str:
    names = [feature.name for feature in definition.features]
    found = definition.roles.get("label")
    if found is None:
        numbered = [feature.name for feature in definition.features if feature.kind == "Classes"]
        found = next((name for name in _LABELS if name in names), numbered[0] if len(numbered) == 1 else None)
    # Predictions are often added to a validation set later, but the true label is always in it.
    if found is None or found not in names:
        fact = "it cannot be told which column is the label" if found is None else f"there is no column {found[:100]!r}"
        some = ", ".join(name[:100] for name in names[:MOST_TOLD]) + (", …" if len(names) > MOST_TOLD else "")
        raise RefusedError(f"{fact} (columns: {some})", "give --label COLUMN")
    return found


def _answers(definition: Definition, label: str, notes: list[str]) -> dict[str, Any]:
    """The scale: two classes become a score and a label of 0 or 1; more stay classes."""
    classes = definition.classes or next((f.classes for f in definition.features if f.name == label), ())
    categories = next((f.categories for f in definition.features if f.name == label), ())
    if not classes and len(categories) > 2:
        return {"scale": {"kind": "Classes"}, "classes": list(categories)}
    if not classes and len(categories) == 2:
        first, second = categories
        notes.append(f"label is {first!r} or {second!r}; a yes/no label is 0 or 1: write it so for each prediction")
    if len(classes) <= 2:
        if classes:
            notes.append(f"label 0 is {classes[0]!r}" + (f", 1 is {classes[1]!r}" if len(classes) > 1 else ""))
        return {}
    if not definition.classes:
        # a numbered label is stored as its number
        notes.append("classes are numbers: " + ", ".join(f"{i} is {name!r}" for i, name in enumerate(classes)))
        classes = tuple(str(i) for i in range(len(classes)))
    return {"scale": {"kind": "Classes"}, "classes": list(classes)}


def _dimensions(definition: Definition, columns: Mapping[str, Any], notes: list[str]) -> list[str]:
    if definition.dimensions is not None:
        return list(definition.dimensions)
    chosen, left = [], []
    for feature in definition.features:
        if feature.name in columns.values():
            continue
        few = feature.values is not None and feature.values <= MOST_VALUES and feature.kind != "Time"
        if feature.kind in ("Boolean", "Classes") or few:
            chosen.append(feature.name)
        elif feature.kind in ("Text", "Other"):
            left.append(feature.name)
    if left:
        notes.append(f"not sliced by {', '.join(left)}: it cannot be told how many values there are; give --slice")
    return chosen[:32]


def resource_name(text: str) -> str:
    """A Kubernetes name from any text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "dataset"


def dimension_name(text: str) -> str:
    """A dimension's name from a column's."""
    name = re.sub(r"[^a-z0-9_]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")
    return (name if re.match(r"[a-z]", name) else f"d_{name}")[:63]


def _table(text: str) -> str:
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:200] or "validation"
    return name if re.match(r"[a-z]", name) else f"t_{name}"
