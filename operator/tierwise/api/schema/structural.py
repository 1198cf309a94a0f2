"""pydantic models -> structural OpenAPI v3 schemas, as apiextensions/v1 defines them. Pure.

A model that a structural schema cannot express is refused here. The error names the field and an alternative. Otherwise
the API server would refuse the CRD later or, worse, accept it and check something else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

# Keywords that are copied unchanged, in the order in which they are written.
_KEYWORDS = (
    "description", "type", "format", "default", "enum", "pattern", "minLength", "maxLength", "minimum",
    "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "minProperties",
    "maxProperties", "x-kubernetes-int-or-string", "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    "x-kubernetes-map-type", "x-kubernetes-validations", "required", "properties", "additionalProperties", "items",
)  # fmt: skip
_DROPPED = frozenset({"title", "$defs"})
_REMEDIES = {
    "oneOf": "use one type, or optional fields with a CEL rule",
    "not": "use a CEL rule",
    "if": "use a CEL rule",
    "discriminator": "use optional fields with a CEL rule",
    "prefixItems": "use an object with named fields instead of a tuple",
    "uniqueItems": "use a list with x-kubernetes-list-type: set",
    "patternProperties": "use a map with a CEL rule over its keys",
    "propertyNames": "use a map with a CEL rule over its keys",
    "contains": "use a CEL rule",
}
_FORMATS = frozenset({"date-time", "duration", "int32", "int64", "float", "double"})
_TYPES = frozenset({"string", "integer", "number", "boolean", "object", "array"})
_MAXIMUM_OF = {"string": "maxLength", "array": "maxItems"}
_YAML_BOOLEANS = frozenset({"on", "off", "yes", "no", "y", "n", "true", "false"})
_NOT_RE2 = re.compile(r"\(\?[=!<]|\\[1-9]|\(\?P=")


class StructuralError(ValueError):
    """A model has something that a structural schema cannot express."""

    def __init__(self, where: str, fact: str, remedy: str) -> None:
        super().__init__(f"{where}: {fact}; {remedy}")


@dataclass(frozen=True, slots=True)
class _Scope:
    """The position in the schema: its path for messages, the models above (to find recursion), and the options."""

    where: str
    definitions: Mapping[str, Schema]
    above: tuple[str, ...] = ()
    bounded: bool = True
    defaults: bool = True

    def at(self, name: str) -> _Scope:
        return _Scope(self.where + name, self.definitions, self.above, self.bounded, self.defaults)


def structural_schema(model: type[BaseModel], *, where: str, bounded: bool = True, defaults: bool = True) -> Schema:
    """The structural schema of a model, with references inlined.

    `bounded` requires a maximum of every string, list and map, because the cost budget of CEL and the size of the
    object depend on it. `defaults` keeps the fields' defaults.

    Raises:
        StructuralError: names the field, what cannot be expressed, and what to write instead.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(schema, _Scope(where, schema.get("$defs", {}), (model.__name__,), bounded, defaults))


def _convert(raw: Schema, scope: _Scope) -> Schema:
    node, scope = _flatten(raw, scope)
    _refuse_unknown(node, scope)
    if "x-kubernetes-int-or-string" not in node and node.get("type") not in _TYPES:
        raise StructuralError(scope.where, "it has no single type", "give the field one type (not Any, no union)")
    if not node.get("description") and not scope.where.endswith(("[]", "{}")):
        raise StructuralError(scope.where, "it has no description", "kubectl explain needs one; add description=")
    _bound_numbers(node, scope)
    match node.get("type"):
        case "object":
            _convert_object(node, scope)
        case "array":
            _convert_list(node, scope)
        case "string":
            if _NOT_RE2.search(node.get("pattern", "")):
                raise StructuralError(scope.where, "its pattern needs look-around", "RE2 has none; use a CEL rule")
    _require_maximum(node, scope)
    if not scope.defaults or node.get("default", "") is None:
        node.pop("default", None)
    return {key: node[key] for key in _KEYWORDS if key in node}


def _flatten(node: Schema, scope: _Scope) -> tuple[Schema, _Scope]:
    """Replace references, optional types and constants by their meaning. Keys beside them have precedence."""
    node = dict(node)
    while True:
        if "$ref" in node:
            name = str(node.pop("$ref")).rpartition("/")[2]
            if name in scope.above:
                raise StructuralError(
                    scope.where, f"{name} contains itself", "a structural schema is finite; flatten it"
                )
            scope = _Scope(scope.where, scope.definitions, (*scope.above, name), scope.bounded, scope.defaults)
            node = {**scope.definitions[name], **node}
        elif len(node.get("allOf", ())) == 1:
            node = {**node.pop("allOf")[0], **node}
        elif "anyOf" in node:
            node = {**_single(node.pop("anyOf"), scope), **node}
        else:
            break
    if "const" in node:
        node["enum"] = [node.pop("const")]
    return node, scope


def _single(choices: list[Schema], scope: _Scope) -> Schema:
    kept = [choice for choice in choices if choice.get("type") != "null"]
    if len(kept) == 1:
        return kept[0]
    if sorted(str(choice.get("type")) for choice in kept) == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True} | {k: v for c in kept for k, v in c.items() if k == "maxLength"}
    kinds = " or ".join(str(choice.get("type", "a model")) for choice in kept)
    raise StructuralError(scope.where, f"it is {kinds}", "use one type; only int | str can be said (int-or-string)")


def _refuse_unknown(node: Schema, scope: _Scope) -> None:
    for keyword in node:
        if keyword not in _KEYWORDS and keyword not in _DROPPED:
            remedy = _REMEDIES.get(keyword, "a structural schema has no such keyword; leave it out")
            raise StructuralError(scope.where, f"{keyword!r} cannot be said", remedy)
    if node.get("format", "date-time") not in _FORMATS:
        raise StructuralError(scope.where, f"format {node['format']!r} is not checked", "use a pattern")


def _bound_numbers(node: Schema, scope: _Scope) -> None:
    """Convert numeric exclusive bounds (JSON Schema 2020) to the boolean form of OpenAPI 3.0."""
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if exclusive in node and not isinstance(node[exclusive], bool):
            if inclusive in node:
                raise StructuralError(scope.where, f"{inclusive} and {exclusive} are both given", "keep one of them")
            node[inclusive], node[exclusive] = node[exclusive], True


def _convert_object(node: Schema, scope: _Scope) -> None:
    extra = node.pop("additionalProperties", None)
    if "properties" in node:
        if extra not in (None, False):
            raise StructuralError(scope.where, "it has named fields and others", "use a map in a field of its own")
        for name in node["properties"]:
            if name.lower() in _YAML_BOOLEANS:
                raise StructuralError(f"{scope.where}.{name}", "YAML reads this key as true or false", "rename it")
        node["properties"] = {n: _convert(s, scope.at(f".{n}")) for n, s in node["properties"].items()}
        if node.get("default") == {}:
            # The whole default is needed: the API server checks it by the CEL rules before it fills in defaults below.
            node["default"] = {n: s["default"] for n, s in node["properties"].items() if "default" in s}
    elif isinstance(extra, dict) and extra:
        node["additionalProperties"] = _convert(extra, scope.at("{}"))
    else:
        raise StructuralError(
            scope.where, "its values have no type", "give the map's values a type, or name the fields"
        )


def _convert_list(node: Schema, scope: _Scope) -> None:
    if not node.get("items"):
        raise StructuralError(scope.where, "its items have no type", "give them one")
    node["items"] = items = _convert(node["items"], scope.at("[]"))
    kind = node.setdefault("x-kubernetes-list-type", "atomic")
    if kind == "set" and items["type"] in ("object", "array"):
        raise StructuralError(scope.where, "a set of objects or lists", "use a list-map, or strings joined by a comma")
    if kind == "map":
        for key in node.get("x-kubernetes-list-map-keys") or [""]:
            field = items.get("properties", {}).get(key)
            if field is None or not (key in items.get("required", ()) or "default" in field):
                raise StructuralError(scope.where, f"list-map key {key!r} is not a required field", "name one that is")


def _require_maximum(node: Schema, scope: _Scope) -> None:
    if not scope.bounded or "enum" in node or node.get("format") in ("duration", "date-time"):
        return
    maximum = _MAXIMUM_OF.get(node.get("type", ""))
    if "additionalProperties" in node:
        maximum = "maxProperties"
    if maximum and maximum not in node:
        raise StructuralError(scope.where, f"it has no {maximum}", "CEL budgets and the object's size need one")
