"""Rules that a schema's keywords cannot express: CEL for the API server, and the same in Python for `tierwise lint`.

Tests give both the same objects. A message names the field, says what is expected, and what to do.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

DURATION_PATTERN = r"^([0-9]+[hms])+$"
_UNIT_SECONDS = {"h": 3600, "m": 60, "s": 1}
MAX_DEPLOYMENT_NAME = 52  # leaves room for "-<revision>" in a label's 63 characters


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL rule of one object or field.

    `holds` is the same rule in Python. It takes the value with defaults, and returns True, False, or its own message.
    `field` is the path of the wrong field below the object.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool | str]
    field: str | None = None


def validations(*rules: Rule) -> dict[str, Any]:
    """The rules of a model or field, for ``json_schema_extra``."""
    blamed = [{"fieldPath": rule.field} if rule.field else {} for rule in rules]
    items = [{"rule": rule.cel, "message": rule.message, **path} for rule, path in zip(rules, blamed, strict=True)]
    return {"x-kubernetes-validations": items}


def duration_seconds(duration: str) -> int:
    """Seconds of a duration such as ``1h30m``; raises ValueError when it is not one."""
    if not re.match(DURATION_PATTERN, duration):
        raise ValueError(f"{duration!r} is not a duration such as 90s, 10m or 1h30m")
    return sum(int(n) * _UNIT_SECONDS[unit] for n, unit in re.findall(r"([0-9]+)([hms])", duration))


def _exposure(value: int | str) -> bool | str:
    remedy = "give 1–90 %"
    number = re.fullmatch(r"(-?[0-9]+(?:\.[0-9]+)?) ?%?", str(value))
    if number is None:
        return f"{value!r} is not a percentage; {remedy}"
    share = float(number[1])
    if not 1 <= share <= 90:
        return f"{value!r} is {'more than 100 %' if share > 100 else 'outside the range'}; {remedy}"
    if isinstance(value, str) and not re.fullmatch(r"([1-9]|[1-8][0-9]|90)%", value):
        return f"{value!r} is not written as expected; write it as {round(share)}%"
    return True


def _tolerance_within(kind: str) -> Rule:
    def holds(metric: dict[str, Any]) -> bool:
        margin, tolerance = metric["margin"].get(kind), metric.get("tolerance", {}).get(kind)
        return margin is None or tolerance is None or tolerance <= margin

    return Rule(
        f"!has(self.tolerance) || !has(self.tolerance.{kind}) || !has(self.margin.{kind}) || "
        f"self.tolerance.{kind} <= self.margin.{kind}",
        f"tolerance.{kind} must not exceed margin.{kind}; lower it, or leave it out for half the margin",
        holds,
        ".tolerance",
    )


DEPLOYMENT_NAME = Rule(
    f"self.metadata.name.size() <= {MAX_DEPLOYMENT_NAME}",
    f"metadata.name must have at most {MAX_DEPLOYMENT_NAME} characters, because rollouts are named and labelled "
    "<name>-<revision>; choose a shorter name",
    lambda md: len(md["metadata"].get("name", "")) <= MAX_DEPLOYMENT_NAME,
)
PARAMETER_NAMES = Rule(
    "self.all(key, key.matches('^[A-Za-z_][A-Za-z0-9_]{0,127}$'))",
    "a parameter's name must be that of an environment variable (letters, digits and _, at most 128); rename it",
    lambda names: all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", name) for name in names),
)
LABEL_KEYS = Rule(
    "self.all(key, key.size() <= 128)",
    "a label's key must have at most 128 characters; shorten it",
    lambda labels: all(len(key) <= 128 for key in labels),
)
DIMENSION_NAMES = Rule(
    "self.all(key, key.size() <= 63)",
    "a dimension's name must have at most 63 characters; shorten it",
    lambda dimensions: all(len(key) <= 63 for key in dimensions),
)
EXPOSURE = Rule(
    "type(self) == int ? self >= 1 && self <= 90 : string(self).matches('^([1-9]|[1-8][0-9]|90)%$')",
    "exposure must be 1-90 % of the tier's pods, written 20% or 20; give a value between 1% and 90%",
    _exposure,
)
DURATIONS_IN_ORDER = Rule(
    "self.maxDuration > self.minDuration",
    "maxDuration must be longer than minDuration (defaults: 4h and 10m); raise the one or lower the other",
    lambda tier: duration_seconds(tier["maxDuration"]) > duration_seconds(tier["minDuration"]),
    ".maxDuration",
)
ABSOLUTE_TOLERANCE = _tolerance_within("absolute")
RELATIVE_TOLERANCE = _tolerance_within("relative")
INTERVAL = Rule(
    "self >= duration('1s')",
    "interval must be at least 1s; give a longer one such as 1m",
    lambda interval: duration_seconds(interval) >= 1,
)
CONFOUNDERS = Rule(
    "!self.exists(name, name == 'tier')",
    "the tier cannot be a confounder: one version lives in the tiers delivered to, the other in the rest, so no "
    "stratum would have both; name dimensions of the requests, such as country",
    lambda names: "tier" not in names,
)
VERIFICATION = Rule(
    "self <= duration('168h')",
    "verification must be at most 168h (a week); shorten it, or 0s to switch it off",
    lambda length: duration_seconds(length) <= 7 * 24 * 3600,
)
RANGE = Rule(
    "self.max > self.min",
    "within.min must be below within.max: a difference is never exactly one number; widen the range",
    lambda within: within["min"] < within["max"],
    ".min",
)
WITHIN = Rule(
    "has(self.within) == (self.change == 'Within')",
    "within is the range of change: Within; give both, or neither",
    lambda expectation: ("within" in expectation) == (expectation.get("change", "Improve") == "Within"),
    ".change",
)
IMMUTABLE = Rule(
    "self == oldSelf",
    "spec of a ModelRollout is immutable; change the ModelDeployment instead, which starts a new rollout",
    lambda _: True,  # a manifest has no earlier self
)
TABLE_OR_QUERY = Rule(
    "has(self.table) != has(self.query)",
    "give exactly one of table (a table's name) and query (one SELECT); add or remove one",
    lambda dataset: ("table" in dataset) != ("query" in dataset),
    ".table",
)
DOMAIN = Rule(
    "self.min < self.max",
    "domain.min must be below domain.max (defaults: 0 and 1); swap or correct them",
    lambda domain: domain["min"] < domain["max"],
    ".min",
)
NUMBER_DOMAIN = Rule(
    "self.target != 'Number' || has(self.domain)",
    "target: Number needs to know which predictions are valid: with 0 to 1, as of scores, most numbers would be "
    "invalid; give domain: {min: …, max: …} around all that the model may predict",
    lambda dataset: dataset.get("target") != "Number" or "domain" in dataset,
    ".domain",
)
CLASSES = Rule(
    "(self.scale.kind == 'Classes') == (has(self.classes) && self.classes.size() > 0)",
    "classes are the classes of scale Classes; give both spec.classes and scale.kind: Classes, or neither",
    lambda dataset: (dataset.get("scale", {}).get("kind") == "Classes") == bool(dataset.get("classes")),
    ".classes",
)
LABEL_TABLES = Rule(
    "!has(self.labels) || !self.labels.sources.exists(s, s.kind != 'Column') || "
    "(has(self.columns.requestId) && self.columns.requestId != '')",
    "a label table is joined by request id; set columns.requestId to the log's column of it",
    lambda dataset: (
        bool(dataset.get("columns", {}).get("requestId"))
        or all(source.get("kind", "Column") == "Column" for source in dataset.get("labels", {}).get("sources", ()))
    ),
    ".labels",
)
DEDUPLICATE = Rule(
    "!self.deduplicate || (has(self.columns.requestId) && self.columns.requestId != '')",
    "deduplicate needs to know what a request is; set columns.requestId to the log's column of it",
    lambda dataset: not dataset.get("deduplicate") or bool(dataset.get("columns", {}).get("requestId")),
    ".deduplicate",
)
LABEL_SOURCE = Rule(
    "(self.kind != 'Column') == has(self.table) && "
    "(self.kind != 'Column') == has(self.key) && "
    "(self.kind == 'PostgreSQL') == has(self.collection)",
    "a source of kind Column has only a column; Table has table and key too; PostgreSQL has table, key and "
    "collection; add or remove what differs",
    lambda source: (
        (source.get("kind", "Column") != "Column") == ("table" in source)
        and (source.get("kind", "Column") != "Column") == ("key" in source)
        and (source.get("kind", "Column") == "PostgreSQL") == ("collection" in source)
    ),
    ".kind",
)
VOLUME = Rule(
    "has(self.minRows) || has(self.minLabels)",
    "give minRows, minLabels or both, or remove volume",
    lambda volume: "minRows" in volume or "minLabels" in volume,
    ".minRows",
)

RULES: dict[str, Rule] = {
    rule.cel: rule
    for rule in (
        DEPLOYMENT_NAME,
        PARAMETER_NAMES,
        LABEL_KEYS,
        DIMENSION_NAMES,
        EXPOSURE,
        DURATIONS_IN_ORDER,
        ABSOLUTE_TOLERANCE,
        RELATIVE_TOLERANCE,
        INTERVAL,
        CONFOUNDERS,
        VERIFICATION,
        RANGE,
        WITHIN,
        IMMUTABLE,
        TABLE_OR_QUERY,
        DOMAIN,
        NUMBER_DOMAIN,
        CLASSES,
        LABEL_TABLES,
        DEDUPLICATE,
        LABEL_SOURCE,
        VOLUME,
    )
}
