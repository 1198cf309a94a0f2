"""For every constraint of the generated CRDs' specs: an object that must be accepted and one that must be refused.

Keywords with a bound (maxLength, minimum, enum, …) give their cases by themselves: at the bound and just beyond it.
Patterns, formats and CEL rules have theirs in `PATTERN_CASES` and `RULE_CASES`; a rule without a case is an error.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.support.api_objects import BUILDERS, parent_of, with_value, without
from tests.support.api_rule_cases import PATTERN_CASES, RULE_CASES
from tierwise.api.rules import RULES
from tierwise.api.schema.check import Path
from tierwise.api.schema.crd import KINDS, definition
from tierwise.api.supported import path_text


@dataclass(frozen=True)
class Case:
    """One object for one constraint. `path` is what a refusal must name; `words` what its message must contain."""

    constraint: str
    data: dict[str, Any]
    is_accepted: bool
    path: Path = ()
    words: tuple[str, ...] = ()

    @property
    def field(self) -> str:
        return path_text(self.path)


def constraint_names() -> list[str]:
    """Every constraint of the CRDs' specs: ``Kind path keyword``; rules by their name in tierwise.api.rules."""
    return list(dict.fromkeys(constraint for constraint, _, _, _ in _constraints()))


def cases() -> list[Case]:
    """All cases, accepted and refused, in the order of the schemas."""
    return [
        case for constraint, kind, path, schema in _constraints() for case in _cases(constraint, kind, path, schema)
    ]


def rule_names() -> dict[str, str]:
    """CEL text -> name in tierwise.api.rules."""
    from tierwise.api import rules

    return {rule.cel: name for name, rule in vars(rules).items() if isinstance(rule, rules.Rule)}


def _constraints() -> Iterator[tuple[str, str, Path, dict[str, Any]]]:
    for kind in KINDS:
        root = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        at_root = {key: root[key] for key in ("required", "x-kubernetes-validations") if key in root}
        found: list[tuple[Path, dict[str, Any]]] = [((), at_root)]
        found += list(_walk(root["properties"]["spec"], ("spec",)))
        for path, schema in found:
            for keyword in _keywords(schema):
                yield f"{kind.name} {path_text(path) or 'object'} {keyword}", kind.name, path, schema


def _walk(schema: dict[str, Any], path: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    yield path, schema
    for name, below in schema.get("properties", {}).items():
        yield from _walk(below, (*path, name))
    if "items" in schema:
        yield from _walk(schema["items"], (*path, 0))
    if "additionalProperties" in schema:
        yield from _walk(schema["additionalProperties"], (*path, "*"))


def _keywords(schema: dict[str, Any]) -> Iterator[str]:
    plain = ("enum", "pattern", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems")
    yield from (k for k in (*plain, "minProperties", "maxProperties") if k in schema)
    if "type" in schema:
        yield "type"
    if "properties" in schema:
        yield "unknown field"
    if schema.get("x-kubernetes-list-type") in ("set", "map"):
        yield "unique"
    yield from (f"required {name}" for name in schema.get("required", ()))
    names = rule_names()
    yield from (f"rule {names[item['rule']]}" for item in schema.get("x-kubernetes-validations", ()))


def _base(of: str, path: Path) -> tuple[dict[str, Any], Path]:
    """The full object, changed so that it has something at `path`; and the path with a real key for ``*``."""
    data = BUILDERS[of]()
    if "query" in path:
        data = with_value(without(data, ("spec", "table")), ("spec", "query"), "SELECT 1")
    if path[-2:-1] in (("margin",), ("tolerance",)):
        # One of the two by itself, or of different kinds: then neither bounds the other.
        metric, kind = path[:-2], str(path[-1])
        other = {"absolute": "relative", "relative": "absolute"}[kind]
        data = without(data, (*metric, "tolerance"))
        data = with_value(data, (*metric, "margin"), {kind if path[-2] == "margin" else other: 0.01})
        data = with_value(data, (*metric, path[-2]), {kind: 0.01})
    real: Path = ()
    value: Any = data
    for part in path:
        key = next(iter(value)) if part == "*" else part
        real, value = (*real, key), value[key]
    return data, real


def _cases(constraint: str, kind: str, path: Path, schema: dict[str, Any]) -> Iterator[Case]:
    data, path = _base(kind, path)
    keyword = constraint.split(" ", 2)[2]
    if keyword.startswith("rule "):
        yield from _rule_cases(constraint, data, path, keyword.removeprefix("rule "))
        return
    if keyword.startswith("required "):
        below = (*path, keyword.removeprefix("required "))
        yield Case(constraint, data, is_accepted=True)
        yield Case(constraint, without(data, below), is_accepted=False, path=below, words=("equired",))
        return
    if keyword == "unknown field":
        below = (*path, "surprise")
        yield Case(constraint, data, is_accepted=True)
        yield Case(constraint, with_value(data, below, 1), is_accepted=False, path=below, words=("unknown field",))
        return
    accepted, refused = _values(keyword, schema, parent_of(data, path)[path[-1]])
    if path[-1] == "margin":
        data = without(data, (*path[:-1], "tolerance"))
    if path[-1] == "maxDuration" and keyword in ("pattern", "maxLength"):
        data = with_value(data, (*path[:-1], "minDuration"), "0s")
    if path[-1] == "minDuration":
        data = with_value(data, (*path[:-1], "maxDuration"), "99h")
    if path[-1] == "min" and path[-2] == "domain":
        accepted = [-1.0]
    for value in accepted:
        yield Case(constraint, with_value(_fitting(data, path, value), path, value), is_accepted=True)
    yield from (Case(constraint, with_value(data, path, value), is_accepted=False, path=path) for value in refused)


def _fitting(data: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """`data` without what goes with another value at `path`."""
    if path[-2:] == ("scale", "kind") and value != "Classes":
        return without(data, ("spec", "classes"))
    if path[-1] == "change" and value != "Within":
        return without(data, (*path[:-1], "within"))
    if path[-1] == "requestId" and not value:
        return without(without(data, ("spec", "labels")), ("spec", "deduplicate"))
    if path[-1] == "kind" and "sources" in path:
        needless = {"Column": ("table", "key", "collection"), "Table": ("collection",)}.get(value, ())
        for name in needless:
            data = without(data, (*path[:-1], name))
    return data


def _rule_cases(constraint: str, data: dict[str, Any], path: Path, name: str) -> Iterator[Case]:
    from tierwise.api import rules

    rule: rules.Rule = getattr(rules, name)
    blamed = (*path, *(part for part in (rule.field or "").split(".") if part))
    if name == "DEPLOYMENT_NAME":
        path = ("metadata", "name")
    for is_accepted, values in zip((True, False), RULE_CASES[name], strict=True):
        for value in values:
            changed = copy.deepcopy(data)
            at_path = parent_of(changed, path)[path[-1]]
            if isinstance(value, dict) and not name.endswith(("NAMES", "KEYS")):
                merged = {**at_path, **value}
                value = {key: item for key, item in merged.items() if item is not None}
            words = () if is_accepted else (rule.message,)
            yield Case(constraint, with_value(data, path, value), is_accepted, blamed, words)


def _values(keyword: str, schema: dict[str, Any], present: Any) -> tuple[list[Any], list[Any]]:
    """Values that are accepted and refused by one keyword."""
    match keyword:
        case "type":
            wrong = {"string": 12345, "object": [], "array": {}}.get(schema["type"], "text")
            return [present], [wrong]
        case "enum":
            return list(schema["enum"]), ["Nonsense"]
        case "pattern":
            accepted, refused = PATTERN_CASES[schema["pattern"]]
            return list(accepted), list(refused)
        case "minLength":
            return ["a" * schema["minLength"]], [""]
        case "maxLength" if schema.get("x-kubernetes-int-or-string"):
            return ["20%"], ["000020%"]
        case "maxLength":
            return [_text(schema, schema["maxLength"])], [_text(schema, schema["maxLength"] + 1)]
        case "minimum":
            return _bounds(schema, "minimum", -1)
        case "maximum":
            return _bounds(schema, "maximum", 1)
        case "minItems" | "maxItems":
            bound = schema[keyword]
            beyond = bound + (1 if keyword == "maxItems" else -1)
            return [_items(schema, present, bound)], [_items(schema, present, beyond)]
        case "minProperties" | "maxProperties":
            bound = schema[keyword]
            beyond = bound + (1 if keyword == "maxProperties" else -1)
            return [_properties(schema, present, bound)], [_properties(schema, present, beyond)]
        case "unique":
            return [present], [[*present, present[0]]]
    raise AssertionError(f"no cases for keyword {keyword!r}; add them here")


def _text(schema: dict[str, Any], length: int) -> str:
    return "0" * (length - 2) + "9h" if schema.get("format") == "duration" else "a" * length


def _bounds(schema: dict[str, Any], keyword: str, outwards: int) -> tuple[list[float], list[float]]:
    bound = schema[keyword]
    step = 1 if schema["type"] == "integer" else 0.001
    if schema.get(f"exclusive{keyword.capitalize()}"):
        return [bound - outwards * step], [bound, bound + outwards * step]
    return [bound], [bound + outwards * step]


def _items(schema: dict[str, Any], present: list[Any], count: int) -> list[Any]:
    first = present[0]
    if isinstance(first, dict):
        key = next((key for key in ("name", "metric") if key in first), None)
        return [{**first, key: f"n{i}"} if key else copy.deepcopy(first) for i in range(count)]
    return [f"n{i}" if isinstance(first, str) else float(i) for i in range(count)]


def _properties(schema: dict[str, Any], present: dict[str, Any], count: int) -> dict[str, Any]:
    if "properties" in schema:  # one of absolute and relative
        return dict.fromkeys(list(schema["properties"])[:count], 0.1)
    return {f"k{i}": next(iter(present.values())) for i in range(count)}


assert set(RULE_CASES) == set(rule_names().values()), "every rule of tierwise.api.rules has cases here, and only they"
assert set(RULES) == set(rule_names()), "every rule is in tierwise.api.rules.RULES"
