"""Writes docs/reference/api.md from the schemas: every field with type, default, limits and meaning. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tierwise.api import names
from tierwise.api.rules import IMMUTABLE
from tierwise.api.schema.crd import KINDS, Kind, definition
from tierwise.api.schema.structural import Schema

_HEADER = f"""\
<!-- Generated from operator/tierwise/api by `make generated`; do not edit. -->

# API reference: {names.API_VERSION}

The API has three namespaced kinds. A reference always names an object of the same namespace. `kubectl explain
mdep.spec.tiers` shows the same texts. `tierwise lint FILE…` checks manifests without a cluster. `kubectl` and
server-side apply refuse unknown fields. A plain client's POST drops them without an error, so check generated
manifests with `tierwise lint`.

"""

_ANNOTATIONS = f"""\
## Annotations of a ModelDeployment

People or hooks set these. Each value is handled once. The operator never removes them. If a value has no effect, or a
key is unknown, an Event `CommandRefused` and a line of `tierwise explain` say why.

| annotation | value | effect |
|---|---|---|
| `{names.ANNOTATION_ROLLBACK}` | a reason | ends the rollout in flight and restores the stable version |
| `{names.ANNOTATION_PROMOTE}` | `<rollout>/<tier>` or `<rollout>/all` | promotes without waiting for evidence |
| `{names.ANNOTATION_RETRY}` | any new value | tries a rejected version again, or continues after a foreign write |

The operator sets `{names.ANNOTATION_ROLLED_BACK_FROM}`, `{names.ANNOTATION_ROLLBACK_REASON}`,
`{names.ANNOTATION_ROLLBACK_AT}`.
"""

# If a model is used again, the page has a reference to its first place.
_SAME = {
    ("ModelRollout", "spec.from"): "`spec.version` of ModelDeployment",
    ("ModelRollout", "spec.to"): "`spec.version` of ModelDeployment",
    ("ModelRollout", "spec.strategy.delivery"): "`spec.delivery` of ModelDeployment",
    ("ModelRollout", "spec.strategy.tiers"): "`spec.tiers` of ModelDeployment",
    ("ModelRollout", "spec.strategy.analysis"): "`spec.analysis` of ModelDeployment",
    ("ModelDeployment", "status.stable"): "`spec.version`",
    ("ModelDeployment", "status.previousStable"): "`spec.version`",
    ("ModelRollout", "status.conditions"): "`status.conditions` of ModelDeployment",
    ("MonitoringDataset", "status.conditions"): "`status.conditions` of ModelDeployment",
    ("ModelRollout", "status.tiers[].culprits"): "`status.tiers[].worst`",
}


def api_reference() -> str:
    """The whole page."""
    return _HEADER + "\n".join(_kind(kind) for kind in KINDS) + "\n" + _ANNOTATIONS


def _kind(kind: Kind) -> str:
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    shown = [column.name.upper() for column in kind.columns if not column.wide]
    wide = [column.name.upper() for column in kind.columns if column.wide]
    columns = " ".join(shown) + (f" (`-o wide` adds {' '.join(wide)})" if wide else "")
    lines = [
        f"## {kind.name}",
        "",
        kind.description,
        "",
        f"Short names: {', '.join(f'`{name}`' for name in kind.short_names)}. Columns: {columns}.",
        "",
    ]
    for part in ("spec", "status"):
        lines += [f"### {kind.name} {part}", "", "| field | type | default | meaning |", "|---|---|---|---|"]
        lines += [_row(*item) for item in _fields(kind.name, schema["properties"][part], part)]
        lines.append("")
    rules = list(dict.fromkeys(_rules(schema)))
    if kind.name == "ModelRollout":
        rules = [IMMUTABLE.message, "and what is refused in a ModelDeployment's version, tiers and analysis"]
    lines += ["Refused with these messages:", "", *(f"- {message}" for message in rules), ""]
    return "\n".join(lines)


def _fields(kind: str, schema: Schema, path: str) -> Iterator[tuple[str, Schema, bool, str]]:
    """Every field below an object: path, schema, whether it is required, and the model that it repeats (or "")."""
    for name, field in schema.get("properties", {}).items():
        below = f"{path}.{name}"
        same = _SAME.get((kind, below), "")
        yield below, field, name in schema.get("required", ()), same
        if not same:
            inner = field.get("items", field)
            yield from _fields(kind, inner, below + ("[]" if "items" in field else ""))


def _row(path: str, schema: Schema, is_required: bool, same: str) -> str:
    default = "required" if is_required else _default(schema)
    meaning = str(schema["description"]).rstrip(".") + ("." if not same else f"; as {same}.")
    limits = _limits(schema)
    text = f"{meaning} {limits}" if limits else meaning
    return f"| `{path}` | {_type(schema)} | {default} | {text.replace('|', '&#124;')} |"


def _default(schema: Schema) -> str:
    default = schema.get("default")
    return "" if default is None or isinstance(default, dict) else f"`{json.dumps(default)}`".replace('"', "")


def _type(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "number or text"
    if "enum" in schema:
        return " \\| ".join(f"`{value}`" for value in schema["enum"]) if len(schema["enum"]) <= 8 else "name"
    if schema.get("format") in ("duration", "date-time"):
        return {"duration": "duration", "date-time": "time"}[schema["format"]]
    match schema["type"]:
        case "array":
            key = schema.get("x-kubernetes-list-map-keys")
            items = _type(schema["items"])
            return f"list of {items}" + (f", by {key[0]}" if key else "")
        case "object" if "additionalProperties" in schema:
            return f"map to {_type(schema['additionalProperties'])}"
        case kind:
            return {"string": "text", "number": "number", "integer": "integer", "boolean": "true or false"}.get(
                str(kind), "object"
            )


def _limits(schema: Schema) -> str:
    """The bounds in words. The length of a text is only shown if it is small enough to matter."""
    found: list[str] = []
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None:
        found.append(f"{'>' if schema.get('exclusiveMinimum') else '≥'} {low:g}")
    if high is not None:
        found.append(f"{'<' if schema.get('exclusiveMaximum') else '≤'} {high:g}")
    for keyword, what in (("maxLength", "characters"), ("maxItems", "items"), ("maxProperties", "entries")):
        if keyword in schema and not schema.get("x-kubernetes-int-or-string") and "format" not in schema:
            least: Any = schema.get(keyword.replace("max", "min"), 0)
            most = schema[keyword]
            range_ = "exactly" if least == most else f"{least}–" if least else "at most"
            found.append(f"{range_}{'' if range_.endswith('–') else ' '}{most} {what}".replace("1 entries", "one"))
    return f"({', '.join(found)})" if found else ""


def _rules(schema: Any) -> Iterator[str]:  # noqa: ANN401  # any part of a schema
    if isinstance(schema, dict):
        yield from (item["message"] for item in schema.get("x-kubernetes-validations", ()) if "message" in item)
        for value in schema.values():
            yield from _rules(value)
