"""The checks of the API server, offline: a manifest against the schema of its kind, with messages that say what to do.

Pure. CEL cannot be evaluated here, so each rule exists also in Python (`Rule.holds`). Tests give both the same objects.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from tierwise.api.common import DIMENSION_PATTERN, METRIC_PATTERN, NAME_PATTERN
from tierwise.api.labelsources import COLUMN_PATTERN, OPTIONAL_COLUMN_PATTERN, TABLE_PATTERN
from tierwise.api.names import API_VERSION
from tierwise.api.rules import DURATION_PATTERN, RULES, duration_seconds
from tierwise.api.schema.crd import KINDS, definition
from tierwise.api.schema.structural import Schema
from tierwise.api.strategy import SLICE_PATTERN

Path = tuple[str | int, ...]
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_ARTICLES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
}


# The meaning of each pattern, in words.
_PATTERNS = {
    NAME_PATTERN: "lower-case letters, digits and -, such as tier-3",
    DIMENSION_PATTERN: "lower-case letters, digits and _, such as asn_type",
    METRIC_PATTERN: "lower-case letters, digits and - . _ @ /, such as false-positive-rate",
    SLICE_PATTERN: "a dimension, or up to three joined by a comma, such as asn_type,browser",
    COLUMN_PATTERN: "a column's name",
    OPTIONAL_COLUMN_PATTERN: 'a column\'s name, or "" for none',
    TABLE_PATTERN: "a table's name, or database.table",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A problem at one path of an object, and what to do."""

    path: Path
    message: str


def check_object(data: dict[str, Any]) -> list[Violation]:
    """All problems for which the API server would refuse an object of the three kinds; unknown kinds pass."""
    schema = _schemas().get(str(data.get("kind")))
    if schema is None:
        return []
    if data.get("apiVersion") != API_VERSION:
        return [Violation(("apiVersion",), f"{data.get('apiVersion')!r} is not known; give {API_VERSION}")]
    metadata = data.get("metadata")
    if not isinstance(metadata, dict) or not (metadata.get("name") or metadata.get("generateName")):
        return [Violation(("metadata",), "has no name; give metadata.name")]
    return list(_check(data, schema, ()))


@cache
def _schemas() -> dict[str, Schema]:
    return {kind.name: definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for kind in KINDS}


def _check(value: Any, schema: Schema, path: Path) -> Iterator[Violation]:  # noqa: ANN401  # any JSON
    wrong = _type_problem(value, schema)
    if wrong:
        yield Violation(path, wrong)
        return
    below: list[Violation] = []
    match value:
        case dict() if path == ("metadata",):
            return
        case dict():
            below = list(_check_dict(value, schema, path))
        case list():
            below = list(_check_list(value, schema, path))
        case bool():
            pass
        case int() | float():
            below = [Violation(path, text) for text in _check_number(value, schema)]
        case str():
            below = [Violation(path, text) for text in _check_text(value, schema)]
    yield from below
    if not below:  # as in the API server, rules see only valid values
        yield from _check_rules(value, schema, path)


def _type_problem(value: Any, schema: Schema) -> str | None:  # noqa: ANN401  # any JSON
    if schema.get("x-kubernetes-int-or-string"):
        is_right = isinstance(value, int | str) and not isinstance(value, bool)
        return None if is_right else f"{value!r} is neither a whole number nor text; give a share such as 20%"
    wanted = schema["type"]
    if isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool)):
        return None
    if wanted == "string" and isinstance(value, int | float):
        return f"{value!r} is {'true or false' if isinstance(value, bool) else 'a number'}, not text; quote it"
    if value is None:
        return f"is empty; give {_ARTICLES[wanted]}, or leave the key out"
    share = re.fullmatch(r"(-?[0-9]+(?:\.[0-9]+)?) ?%", value) if isinstance(value, str) else None
    if wanted == "number" and share is not None:
        return f"is {value!r}; write it as {float(share[1]) / 100:g}"
    shown = "an object" if isinstance(value, dict) else "a list" if isinstance(value, list) else repr(value)
    return f"is {shown}; give {_ARTICLES[wanted]}"


def _check_dict(value: dict[str, Any], schema: Schema, path: Path) -> Iterator[Violation]:
    fields = schema.get("properties")
    for name in schema.get("required", ()):
        if name not in value:
            yield Violation((*path, name), f"is missing; give it ({_first_sentence(fields or {}, name)})")
    if "minProperties" in schema and len(value) < schema["minProperties"]:
        known = " or ".join(fields or ()) or "an entry"
        yield Violation(path, f"is empty; give {known}")
    if len(value) > schema.get("maxProperties", len(value)):
        limit = schema["maxProperties"]
        known = f"one of {', '.join(fields)}" if fields else f"at most {limit} entries"
        yield Violation(path, f"has {len(value)} entries; give {known}")
    for name, item in value.items():
        if fields is None:
            yield from _check(item, schema["additionalProperties"], (*path, name))
        elif name in fields:
            yield from _check(item, fields[name], (*path, name))
        else:
            yield Violation((*path, str(name)), _unknown(str(name), list(fields)))


def _first_sentence(fields: Schema, name: str) -> str:
    return str(fields.get(name, {}).get("description", name)).partition(". ")[0].rstrip(".")


def _unknown(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6) or [k for k in known if k.lower() == name.lower()]
    meant = f"did you mean {close[0]}?" if close else f"known here: {', '.join(known)}"
    return f"is not a known field; {meant}"


def _check_list(value: list[Any], schema: Schema, path: Path) -> Iterator[Violation]:
    if len(value) < schema.get("minItems", 0):
        yield Violation(path, f"has {len(value)} items; give at least {schema['minItems']}")
    if len(value) > schema.get("maxItems", len(value)):
        yield Violation(path, f"has {len(value)} items; give at most {schema['maxItems']}")
    for index, item in enumerate(value):
        yield from _check(item, schema["items"], (*path, index))
    keys = schema.get("x-kubernetes-list-map-keys", ())
    seen: dict[object, int] = {}
    for index, item in enumerate(value):
        if schema.get("x-kubernetes-list-type") == "map" and isinstance(item, dict):
            identity: object = tuple(str(item.get(key)) for key in keys)
            text, place = f"{item.get(keys[0])!r}", (*path, index, *keys)
        elif schema.get("x-kubernetes-list-type") == "set":
            identity, text, place = repr(item), repr(item), (*path, index)
        else:
            continue
        if identity in seen:
            yield Violation(place, f"{text} is given twice (also at index {seen[identity]}); rename or remove one")
        seen.setdefault(identity, index)


def _check_number(value: float, schema: Schema) -> Iterator[str]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and (value <= low if schema.get("exclusiveMinimum") else value < low):
        bound = "more than" if schema.get("exclusiveMinimum") else "at least"
        yield f"{value!r} is too small; give {bound} {low:g}"
    if high is not None and (value >= high if schema.get("exclusiveMaximum") else value > high):
        bound = "less than" if schema.get("exclusiveMaximum") else "at most"
        yield f"{value!r} is too large; give {bound} {high:g}"


def _check_text(value: str, schema: Schema) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        close = difflib.get_close_matches(value.lower(), [c.lower() for c in schema["enum"]], n=1)
        meant = [choice for choice in schema["enum"] if close and choice.lower() == close[0]]
        hint = f" (did you mean {meant[0]}?)" if meant else ""
        yield f"{value!r} is not known; give {' or '.join(schema['enum'])}{hint}"
    if len(value) < schema.get("minLength", 0):
        yield "is empty; give a value or leave the key out"
        return
    if len(value) > schema.get("maxLength", len(value)):
        if schema.get("x-kubernetes-int-or-string"):
            return  # the rule has a better message
        yield f"has {len(value)} characters; give at most {schema['maxLength']}"
        return
    pattern = schema.get("pattern")
    if pattern == DURATION_PATTERN:
        if not re.match(pattern, value) or duration_seconds(value) > 2**63 / 1e9:
            yield f"{value!r} is not a duration; give one such as 90s, 10m or 1h30m"
    elif pattern and not re.match(pattern.replace("$", r"\Z"), value):
        yield f"{value!r} has another form than expected; give {_PATTERNS.get(pattern, f'text that matches {pattern}')}"


def _check_rules(value: Any, schema: Schema, path: Path) -> Iterator[Violation]:  # noqa: ANN401  # any JSON
    complete = value
    if isinstance(value, dict) and "properties" in schema:
        complete = {n: f["default"] for n, f in schema["properties"].items() if "default" in f} | value
    for item in schema.get("x-kubernetes-validations", ()):
        verdict = RULES[item["rule"]].holds(complete)
        if verdict is not True:
            blamed = tuple(part for part in item.get("fieldPath", "").split(".") if part)
            yield Violation((*path, *blamed), verdict or item["message"])
