"""Bodies of the kinds' API: JSON without secrets, as what the repositories store."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from fastapi import Request

from agent_management_service.dependencies import INLINE_BYTES, json_document
from agent_management_service.kinds.repository import Columns
from agent_management_service.kinds.schemas import (
    BotBody,
    GhostBody,
    ModelBody,
    TeamBody,
)
from kgents_shared.contracts.model import Contract
from kgents_shared.definitions.compile import compile_body
from kgents_shared.definitions.documents import Document
from kgents_shared.errors import FaultItem, InvalidInput
from kgents_shared.errors.refs_only import refuse_secrets

ReadBody = Callable[[Request], Awaitable[Columns]]
_NAME_HINT = 'take 1 to 63 of a-z, 0-9 and "-", with a letter or digit first and last'


async def ghost_body(request: Request) -> Columns:
    """A ghost's columns."""
    return (await read_body(request, lambda _: GhostBody)).model_dump()


async def model_body(request: Request) -> Columns:
    """A model's columns."""
    return (await read_body(request, lambda _: ModelBody)).model_dump()


async def bot_body(request: Request) -> Columns:
    """A bot's columns."""
    return (await read_body(request, lambda _: BotBody)).model_dump()


async def team_body(request: Request) -> Columns:
    """A team's columns."""
    return (await read_body(request, lambda _: TeamBody)).model_dump(mode="json")


def described(*models: type[Contract]) -> dict[str, Any]:
    """What an OpenAPI document says of a body that is one of these."""
    schemas = [_inlined(model.model_json_schema()) for model in models]
    schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


async def read_body(request: Request, model_of: Callable[[object], type[Contract]]) -> Contract:
    """The body as what `model_of` its JSON is; `InvalidInput` with every fault, `SecretInDocument`."""
    body = await request.body()

    def read() -> Contract:
        document = json_document(request, body)
        refuse_secrets(document.value)
        return compiled(document, model_of(document.value))

    # A long one takes up to a tenth of a second: others are served meanwhile.
    return read() if len(body) <= INLINE_BYTES else await asyncio.to_thread(read)


def compiled(document: Document, model: type[Contract]) -> Contract:
    """A parsed body as its model, its name judged in words."""
    try:
        return compile_body(document, model)
    except InvalidInput as error:
        raise InvalidInput(
            error.detail, code=error.code, errors=[_in_words(fault) for fault in error.errors]
        ) from error


def _in_words(fault: FaultItem) -> FaultItem:
    if fault.loc == ("name",) and fault.code == "string_pattern_mismatch":
        return replace(fault, msg="has characters that can't stand here", hint=_NAME_HINT)
    return fault


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A JSON Schema with each definition where it is used, since a document has them elsewhere."""
    definitions: dict[str, Any] = schema.pop("$defs", {})

    def put(node: Any) -> Any:
        if isinstance(node, list):
            return [put(item) for item in cast("list[Any]", node)]
        if not isinstance(node, dict):
            return node
        fields = cast("dict[str, Any]", node)
        named = definitions.get(str(fields.get("$ref", "")).rpartition("/")[2])
        rest = {key: put(value) for key, value in fields.items() if named is None or key != "$ref"}
        return rest if named is None else put(named) | rest

    return cast("dict[str, Any]", put(schema))
