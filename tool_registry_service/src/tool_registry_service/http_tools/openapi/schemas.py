"""Schemas of OpenAPI as JSON Schema 2020-12 that stands alone: what a model is shown and arguments are held against.

References become `$defs`, so that a schema that holds itself stays finite. Of keywords only those are taken that are
known: what an author adds (`x-…`), examples, and names that would lead outside (`$id`, `$dynamicRef`) stay behind.
"""

import re
from collections.abc import Mapping
from typing import Any, Final, Literal, cast

from tool_registry_service.http_tools.openapi.documents import ApiDocument, Unfollowed

Direction = Literal["request", "response"]
_MAX_NODES = 5_000
_MAX_DEPTH = 24
_MAX_TEXT = 2_000

_ONE: Final = frozenset({
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties",
})  # fmt: skip
_LIST: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP: Final = frozenset({"properties", "patternProperties", "dependentSchemas"})
_PLAIN: Final = frozenset({
    "type", "enum", "const", "default", "title", "format", "multipleOf", "maximum", "exclusiveMaximum", "minimum",
    "exclusiveMinimum", "maxLength", "minLength", "pattern", "maxItems", "minItems", "uniqueItems", "maxContains",
    "minContains", "maxProperties", "minProperties", "required", "dependentRequired", "deprecated",
})  # fmt: skip


class SchemaMaker:
    """Turns schemas of one document into parts of one schema; `defs` collects what they refer to."""

    def __init__(self, document: ApiDocument, direction: Direction) -> None:
        self._document = document
        self._hidden = "readOnly" if direction == "request" else "writeOnly"
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []
        self._nodes = 0
        self.defs: dict[str, Any] = {}

    def make(self, schema: Any) -> Any:
        """The schema with every reference led to `#/$defs/…`. Raises `Unfollowed`."""
        made = self._made(schema, 0)
        while self._waiting:
            pointer = self._waiting.pop()
            self.defs[self._names[pointer]] = self._made(self._document.at(pointer), 0)
        return made

    def _made(self, schema: Any, depth: int) -> Any:
        self._nodes += 1
        if self._nodes > _MAX_NODES or depth > _MAX_DEPTH:
            raise Unfollowed("has schemas that are too large or too deep")
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            raise Unfollowed("has a schema that is none")
        known = cast("Mapping[str, Any]", schema)
        if "$dynamicRef" in known or "$recursiveRef" in known:
            raise Unfollowed("has a schema with references that depend on where it is used")
        made: dict[str, Any] = {}
        if isinstance(known.get("$ref"), str):
            made["$ref"] = f"#/$defs/{self._name(known['$ref'])}"
            if self._document.version == "3.0":  # what stands beside a reference counts for nothing there
                return made
        made |= self._keywords(known, depth)
        if isinstance(made.get("required"), list) and "properties" in known:
            self._drop_required(made, known["properties"])
        return _of_3_0(known, made) if self._document.version == "3.0" else made

    def _keywords(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {}
        for keyword, value in schema.items():
            if keyword in _ONE:
                made[keyword] = self._made(value, depth + 1)
            elif keyword in _LIST and isinstance(value, list):
                made[keyword] = [self._made(entry, depth + 1) for entry in cast("list[Any]", value)]
            elif keyword in _MAP and isinstance(value, Mapping):
                made[keyword] = self._mapping(keyword, cast("Mapping[str, Any]", value), depth)
            elif keyword == "description" and isinstance(value, str):
                made[keyword] = value[:_MAX_TEXT]
            elif keyword in _PLAIN:
                made[keyword] = value
        return made

    def _mapping(self, keyword: str, entries: Mapping[str, Any], depth: int) -> dict[str, Any]:
        return {
            name: self._made(entry, depth + 1)
            for name, entry in entries.items()
            if keyword != "properties" or not self._is_hidden(entry)
        }

    def _is_hidden(self, entry: Any) -> bool:
        return isinstance(entry, Mapping) and cast("Mapping[str, Any]", entry).get(self._hidden) is True

    def _drop_required(self, made: dict[str, Any], properties: Any) -> None:
        entries = cast("Mapping[str, Any]", properties if isinstance(properties, Mapping) else {})
        wanted = [name for name in made["required"] if not self._is_hidden(entries.get(name))]
        made["required"] = wanted
        if not wanted:
            del made["required"]

    def _name(self, pointer: str) -> str:
        name = self._names.get(pointer)
        if name is None:
            self._document.at(pointer)
            stem = re.sub(r"[^A-Za-z0-9_-]", "_", pointer.rpartition("/")[2])[:60] or "schema"
            name, taken, number = stem, set(self._names.values()), 1
            while name in taken:
                number += 1
                name = f"{stem}_{number}"
            self._names[pointer] = name
            self._waiting.append(pointer)
        return name


def _of_3_0(schema: Mapping[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """What OpenAPI 3.0 writes otherwise: `nullable`, and bounds that are excluded by a true beside them."""
    for excluding, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(excluding), bool) and made.pop(excluding) and bound in made:
            made[excluding] = made.pop(bound)
    if schema.get("nullable") is not True:
        return made
    if isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
        if isinstance(made.get("enum"), list) and None not in made["enum"]:
            made["enum"] = [*made["enum"], None]
        return made
    if any(keyword in made for keyword in ("allOf", "anyOf", "oneOf", "enum")):
        return {"anyOf": [made, {"type": "null"}]}
    return made
