"""Arguments against schemas that strangers wrote."""

from typing import Any

import pytest

from tool_registry_service.errors import SchemaTooComplex
from tool_registry_service.invocation.arguments import argument_faults, schema_fault


def test_every_fault_is_named_with_its_place() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"when": {"type": "object", "properties": {"hour": {"type": "integer", "maximum": 23}}}},
        "required": ["zone"],
    }
    assert argument_faults(schema, {"when": {"hour": 24}}) == [
        "when/hour: 24 is greater than the maximum of 23",
        "arguments: 'zone' is a required property",
    ]
    assert argument_faults(schema, {"when": {"hour": 3}, "zone": "UTC"}) == []


def test_older_drafts_are_read_as_they_were_meant() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"pair": {"type": "array", "items": [{"type": "string"}, {"type": "integer"}]}},
    }
    assert schema_fault(schema) is None
    assert argument_faults(schema, {"pair": ["a", 1]}) == []
    assert argument_faults(schema, {"pair": ["a", "b"]})


def test_a_pattern_that_backtracks_for_ever_is_not_run() -> None:
    schema = {"type": "object", "properties": {"text": {"type": "string", "pattern": "^(a+)+$"}}}
    assert argument_faults(schema, {"text": "a" * 60 + "!"}) == []
    keyed: dict[str, Any] = {"type": "object", "patternProperties": {"^(a+)+$": {}}, "additionalProperties": False}
    assert argument_faults(keyed, {"a" * 60 + "!": 1}) == []


def test_references_that_multiply_are_stopped() -> None:
    definitions: dict[str, Any] = {"d40": {"type": "object"}}
    for number in range(40):
        twice = {"$ref": f"#/$defs/d{number + 1}"}
        definitions[f"d{number}"] = {"allOf": [twice, twice]}
    schema = {"$ref": "#/$defs/d0", "$defs": definitions}
    with pytest.raises(SchemaTooComplex):
        argument_faults(schema, {})


@pytest.mark.parametrize("reference", ["#", "http://127.0.0.1:1/schema.json", "file:///etc/passwd", "#/$defs/none"])
def test_references_in_circles_or_outward_are_not_followed(reference: str) -> None:
    with pytest.raises(SchemaTooComplex):
        argument_faults({"$ref": reference}, {})


def test_a_long_list_of_things_that_should_differ_is_not_compared() -> None:
    schema = {"type": "object", "properties": {"rows": {"type": "array", "uniqueItems": True}}}
    assert argument_faults(schema, {"rows": [1, 1]})
    assert argument_faults(schema, {"rows": [{"a": number % 7} for number in range(20_000)]}) == []


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "string"}, "isn't one of an object"),
        ({"type": "object", "properties": []}, "isn't valid"),
        ({"type": "object", "required": "x"}, "isn't valid"),
    ],
)
def test_a_schema_that_can_not_be_used_is_refused(schema: dict[str, Any], says: str) -> None:
    assert says in (schema_fault(schema) or "")


def test_a_schema_nested_without_measure_is_refused() -> None:
    schema: dict[str, Any] = {"type": "object"}
    for _ in range(500):
        schema = {"type": "object", "properties": {"x": schema}}
    assert "nested over" in (schema_fault(schema) or "")


def test_faults_that_each_quote_a_large_value_are_stopped() -> None:
    wishes = [{"type": "null"}] * 3000
    schema: dict[str, Any] = {"type": "object", "properties": {"text": {"anyOf": wishes}}}
    assert schema_fault(schema) is None
    assert argument_faults(schema, {"text": "short"})
    for large in ("x" * 60_000, ["x" * 1000] * 60, {"x" * 60_000: 1}):
        with pytest.raises(SchemaTooComplex):
            argument_faults(schema, {"text": large})


def test_faults_that_each_quote_a_large_piece_of_the_schema_are_stopped() -> None:
    choices = {"enum": ["x" * 100] * 200}
    schema: dict[str, Any] = {"anyOf": [{"$ref": "#/$defs/choices"}] * 1500, "$defs": {"choices": choices}}
    with pytest.raises(SchemaTooComplex):
        argument_faults(schema, {})


def test_a_large_text_for_an_ordinary_schema_is_checked() -> None:
    names = [f"field_{number}" for number in range(50)]
    properties: dict[str, Any] = {name: {"type": "string", "minLength": 1} for name in names}
    schema = {"type": "object", "properties": properties, "required": names[:1], "additionalProperties": False}
    assert argument_faults(schema, {names[0]: "x" * 1_000_000} | dict.fromkeys(names[1:], "y")) == []
    assert argument_faults(schema, {names[0]: "x" * 1_000_000, "other": 1})


def test_what_is_wrong_with_a_long_text_is_told_without_all_of_it() -> None:
    [fault] = argument_faults({"properties": {"zone": {"maxLength": 64}}}, {"zone": "x" * 100_000})
    assert fault.startswith("zone: 'xxx")
    assert fault.endswith("' is too long")
    assert len(fault) < 300


def test_arguments_that_are_nested_without_end_are_refused() -> None:
    nested: dict[str, Any] = {}
    for _ in range(5000):
        nested = {"in": nested}
    with pytest.raises(SchemaTooComplex):
        argument_faults({"type": "object"}, nested)
