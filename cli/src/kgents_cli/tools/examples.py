"""Arguments that a JSON Schema would take, made from what it says: examples and defaults first, then what is least."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

_MAX_DEPTH = 6
_TEXT = "example"
_FORMATS: Mapping[str, str] = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "email": "somebody@example.com",
    "uri": "https://example.com/",
    "url": "https://example.com/",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def example_arguments(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An object with all that `schema` requires, and with whatever else it gives an example or a default of."""
    found = _example(schema, schema, 0)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _example(schema: Any, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return None
    rules = _followed(cast("Mapping[str, Any]", schema), root)
    for key in ("const", "default"):
        if key in rules:
            return rules[key]
    for key in ("examples", "enum"):
        given = rules.get(key)
        if isinstance(given, list) and given:
            return cast("list[Any]", given)[0]
    if "example" in rules:
        return rules["example"]
    for key in ("anyOf", "oneOf", "allOf"):
        ways = rules.get(key)
        if isinstance(ways, list) and ways and "type" not in rules:
            return _example(_best(cast("list[Any]", ways)), root, depth + 1)
    return _by_type(rules, root, depth)


def _by_type(rules: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> Any:
    kind = rules.get("type")
    if isinstance(kind, list):
        kind = next((one for one in cast("list[Any]", kind) if one != "null"), "null")
    if kind == "object" or (kind is None and "properties" in rules):
        return _object(rules, root, depth)
    if kind == "array":
        return _list(rules, root, depth)
    if kind == "boolean":
        return False
    if kind in ("integer", "number"):
        return _number(rules, whole=kind == "integer")
    return None if kind == "null" else _text(rules)


def _object(rules: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> dict[str, Any]:
    properties = rules.get("properties")
    fields = cast("Mapping[str, Any]", properties) if isinstance(properties, Mapping) else {}
    named = rules.get("required")
    required = cast("Sequence[Any]", named) if isinstance(named, list) else ()
    wanted = [name for name in fields if name in required or _shows_a_value(fields[name])]
    wanted += [str(name) for name in required if name not in fields]
    return {name: _example(fields.get(name, {}), root, depth + 1) for name in wanted}


def _list(rules: Mapping[str, Any], root: Mapping[str, Any], depth: int) -> list[Any]:
    least = rules.get("minItems")
    count = least if isinstance(least, int) and 0 <= least <= 10 else 1
    return [_example(rules.get("items", {}), root, depth + 1) for _ in range(count)]


def _number(rules: Mapping[str, Any], *, whole: bool) -> int | float:
    least, over, most = (rules.get(key) for key in ("minimum", "exclusiveMinimum", "maximum"))
    if isinstance(least, int | float):
        return least
    if isinstance(over, int | float):
        return over + 1
    if isinstance(most, int | float) and most < 1:
        return most
    return 1 if whole else 1.0


def _text(rules: Mapping[str, Any]) -> str:
    text = _FORMATS.get(str(rules.get("format")), _TEXT)
    least, most = rules.get("minLength"), rules.get("maxLength")
    if isinstance(least, int) and len(text) < least <= 10_000:
        text = text.ljust(least, "x")
    return text[:most] if isinstance(most, int) and most >= 0 else text


def _shows_a_value(schema: Any) -> bool:
    return isinstance(schema, Mapping) and any(key in schema for key in ("examples", "example"))


def _best(ways: Sequence[Any]) -> Any:
    """The first way that isn't just null."""
    typed = [way for way in ways if isinstance(way, Mapping) and cast("Mapping[str, Any]", way).get("type") != "null"]
    return typed[0] if typed else ways[0]


def _followed(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a local reference leads to; an empty schema where it leads nowhere."""
    for _ in range(_MAX_DEPTH):
        reference = schema.get("$ref")
        if not isinstance(reference, str):
            return schema
        found: Any = root
        for part in reference.removeprefix("#").strip("/").split("/") if reference.startswith("#") else ("",):
            key = part.replace("~1", "/").replace("~0", "~")
            found = cast("Mapping[str, Any]", found).get(key) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            return {}
        schema = cast("Mapping[str, Any]", found)
    return {}
