"""The converter from pydantic models to structural schemas: what it says, and what it refuses."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, create_model

from tierwise.api.common import list_map
from tierwise.api.schema.crd import KINDS, definition
from tierwise.api.schema.structural import StructuralError, structural_schema


def converted(annotation: Any, /, **field: Any) -> dict[str, Any]:
    """The schema of a model's only field."""
    given = Field(field.pop("default", ...), **({"description": "What it is."} | field))
    model = create_model("Model", __doc__="A model.", field=(annotation, given))
    return structural_schema(model, where="spec")["properties"]["field"]


class Colour(StrEnum):
    """A colour."""

    RED = "Red"
    BLUE = "Blue"


class Item(BaseModel):
    """An item."""

    name: str = Field(max_length=8, description="Its name.")
    size: int | None = Field(None, description="Its size.")


class Node(BaseModel):
    """Contains itself."""

    child: Node | None = Field(None, description="The next one.")


class Closed(BaseModel):
    """Without further fields."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field("a", max_length=8, description="Its name.")


class Open(BaseModel):
    """With further fields of any type."""

    model_config = ConfigDict(extra="allow")
    name: str = Field("a", max_length=8, description="Its name.")


def test_optional_fields_have_their_type_and_no_null():
    assert converted(int | None, default=None) == {"description": "What it is.", "type": "integer"}


def test_enums_are_inlined_under_the_fields_own_description():
    assert converted(Colour) == {"description": "What it is.", "type": "string", "enum": ["Red", "Blue"]}
    assert converted(Literal["Only"], default="Only")["enum"] == ["Only"]


def test_exclusive_bounds_are_booleans():
    schema = converted(float, gt=0, lt=1)
    assert (schema["minimum"], schema["exclusiveMinimum"]) == (0, True)
    assert (schema["maximum"], schema["exclusiveMaximum"]) == (1, True)


def test_a_number_or_text_is_int_or_string():
    schema = converted(int | str, default="20%", json_schema_extra={"maxLength": 4})
    assert schema["x-kubernetes-int-or-string"] is True
    assert "type" not in schema
    assert schema["maxLength"] == 4


def test_lists_are_atomic_unless_said_otherwise():
    assert converted(list[int], max_length=3)["x-kubernetes-list-type"] == "atomic"
    by_name = converted(list[Item], max_length=3, json_schema_extra=list_map("name"))
    assert by_name["x-kubernetes-list-map-keys"] == ["name"]
    assert by_name["items"]["required"] == ["name"]


def test_closed_models_are_plain_objects_because_unknown_fields_are_pruned():
    assert "additionalProperties" not in converted(Closed)


def test_an_empty_default_is_filled_in_with_those_below():
    assert converted(Closed, json_schema_extra={"default": {}})["default"] == {"name": "a"}


def test_maps_have_typed_values():
    schema = converted(dict[str, Annotated[str, Field(max_length=5)]], max_length=2)
    assert schema["additionalProperties"] == {"type": "string", "maxLength": 5}
    assert schema["maxProperties"] == 2


@pytest.mark.parametrize(
    ("annotation", "field", "fact"),
    [
        (int | float, {}, "it is integer or number"),
        (str | Item, {}, "it is string or a model"),
        (Any, {}, "it has no single type"),
        (Node, {}, "Node contains itself"),
        (tuple[int, str], {}, "'prefixItems' cannot be said"),
        (set[str], {"max_length": 3}, "'uniqueItems' cannot be said"),
        (dict[str, Any], {"max_length": 3}, "its values have no type"),
        (Open, {}, "it has named fields and others"),
        (list[Any], {"max_length": 3}, "its items have no type"),
        (list[Item], {"max_length": 3, "json_schema_extra": {"x-kubernetes-list-type": "set"}}, "a set of objects"),
        (list[Item], {"max_length": 3, "json_schema_extra": list_map("size")}, "'size' is not a required field"),
        (list[Item], {"max_length": 3, "json_schema_extra": list_map("nothing")}, "'nothing' is not a required field"),
        (str, {"max_length": 3, "description": ""}, "it has no description"),
        (str, {}, "it has no maxLength"),
        (list[int], {}, "it has no maxItems"),
        (dict[str, int], {}, "it has no maxProperties"),
        (str, {"max_length": 3, "json_schema_extra": {"pattern": "^(?!x)"}}, "its pattern needs look-around"),
        (str, {"max_length": 3, "json_schema_extra": {"format": "email"}}, "format 'email' is not checked"),
        (int, {"ge": 0, "gt": 0}, "minimum and exclusiveMinimum are both given"),
        (int, {"json_schema_extra": {"oneOf": [{}, {}]}}, "'oneOf' cannot be said"),
        (int, {"json_schema_extra": {"patternProperties": {}}}, "'patternProperties' cannot be said"),
        (int, {"json_schema_extra": {"readOnly": True}}, "'readOnly' cannot be said"),
    ],
)
def test_what_a_structural_schema_cannot_say_is_refused_by_field(annotation: Any, field: dict[str, Any], fact: str):
    with pytest.raises(StructuralError) as refused:
        converted(annotation, **field)
    assert str(refused.value).startswith("spec.field")
    assert fact in str(refused.value)
    assert "; " in str(refused.value), "it says what to write instead"


def test_keys_that_yaml_reads_as_booleans_are_refused():
    class Hook(BaseModel):
        """A hook."""

        on: str = Field(max_length=9, description="Which event.")

    with pytest.raises(StructuralError, match=r"spec\.on: YAML reads this key as true or false; rename it"):
        structural_schema(Hook, where="spec")


def test_status_needs_no_maxima_and_keeps_no_defaults():
    class Status(BaseModel):
        """Where it is."""

        text: str = Field("", description="Some text.")

    schema = structural_schema(Status, where="status", bounded=False, defaults=False)
    assert schema["properties"]["text"] == {"description": "Some text.", "type": "string"}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_largest_spec_stays_below_224_kib(kind: Any):
    schema = definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert largest(schema["properties"]["spec"]) < 224 * 1024


def largest(schema: dict[str, Any]) -> int:
    """Characters of the largest JSON that a schema admits; a map's key counts at most 128 (by its rule)."""
    if "properties" in schema:
        exclusive = {"query", "relative"}  # one of two
        return 2 + sum(len(n) + 4 + largest(s) for n, s in schema["properties"].items() if n not in exclusive)
    if "additionalProperties" in schema:
        return 2 + schema["maxProperties"] * (128 + 4 + largest(schema["additionalProperties"]))
    if "items" in schema:
        return 2 + schema["maxItems"] * (1 + largest(schema["items"]))
    if "enum" in schema:
        return 2 + max(len(value) for value in schema["enum"])
    return 2 + schema.get("maxLength", 22)
