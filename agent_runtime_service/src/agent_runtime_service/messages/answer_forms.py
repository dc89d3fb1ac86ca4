"""The form that an answer is asked for in: a JSON Schema, checked before any model is asked."""

from typing import Any, Final, Literal

import orjson
from pydantic import ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.json_values import JsonObject
from kgents_shared.contracts.model import Contract

_MOST_BYTES: Final = 64 * 1024
_MOST_DEPTH: Final = 32
# Looking through a schema takes a third of a millisecond for each part of it, and nobody else is served meanwhile.
_MOST_PARTS: Final = 500


class AnswerFormat(Contract):
    """The answer is JSON that fits `schema` (JSON Schema 2020-12, without references to elsewhere)."""

    model_config = ConfigDict(populate_by_name=True)

    type: Literal["json_schema"]
    json_schema: JsonObject = Field(alias="schema")

    @field_validator("json_schema")
    @classmethod
    def _is_a_schema(cls, schema: dict[str, Any]) -> dict[str, Any]:
        if len(orjson.dumps(schema)) > _MOST_BYTES:
            raise PydanticCustomError("schema_too_large", "must not be larger than 64 KiB")
        if _checked_parts(schema, _MOST_DEPTH) > _MOST_PARTS:
            raise PydanticCustomError("schema_too_large", "must not have more than 500 parts")
        # Only who asks for a form needs the library.
        from jsonschema import Draft202012Validator, SchemaError  # noqa: PLC0415

        try:
            Draft202012Validator.check_schema(schema)
        except SchemaError as error:
            told = {"where": error.json_path, "why": error.message[:300]}
            raise PydanticCustomError("not_a_schema", "is no JSON Schema: {where}: {why}", told) from error
        return schema


def _checked_parts(part: Any, depth: int) -> int:
    """How many parts a schema has that are looked through one by one; refuses references to elsewhere."""
    if depth == 0:
        raise PydanticCustomError("schema_too_deep", "must not be nested deeper than 32")
    if isinstance(part, list):
        return sum(_checked_parts(item, depth - 1) for item in part)
    if isinstance(part, dict):
        for name, value in part.items():
            if name in {"$ref", "$dynamicRef"} and not (isinstance(value, str) and value.startswith("#")):
                raise PydanticCustomError("reference_elsewhere", "must refer to its own parts only, as in '#/$defs/x'")
        return 1 + sum(_checked_parts(value, depth - 1) for value in part.values())
    return int(isinstance(part, bool))
