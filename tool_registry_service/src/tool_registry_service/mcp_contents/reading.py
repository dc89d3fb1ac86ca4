"""Asking a server for its resources and prompts, within bounds, over the sessions that calls use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from mcp import types
from pydantic import AnyUrl

from tool_registry_service.errors import CallTimedOut
from tool_registry_service.mcp_client.connection import McpConnection
from tool_registry_service.mcp_client.content import storable, text_of
from tool_registry_service.mcp_contents.schemas import (
    FilledPrompt,
    PromptArgument,
    PromptMessage,
    Prompts,
    PromptView,
    ResourceContents,
    ResourcePart,
    Resources,
    ResourceView,
)

MOST = 1000
_MAX_TEXT = 8_192
PageT = TypeVar("PageT", bound=types.PaginatedResult)
ItemT = TypeVar("ItemT")
Asked = Callable[[types.PaginatedRequestParams | None], types.ClientRequest]


async def resources_of(connection: McpConnection, within_s: float) -> Resources:
    """Every resource and template of resources. Raises `ToolCallFault`."""
    if connection.about is None or "resources" not in connection.about.offers:
        return Resources(items=[], more=False)
    single, more = await _all(
        connection, lambda params: types.ClientRequest(types.ListResourcesRequest(params=params)),
        types.ListResourcesResult, lambda page: page.resources, within_s,
    )  # fmt: skip
    many, more_many = await _all(
        connection, lambda params: types.ClientRequest(types.ListResourceTemplatesRequest(params=params)),
        types.ListResourceTemplatesResult, lambda page: page.resourceTemplates, within_s,
    )  # fmt: skip
    items = [
        ResourceView(
            uri=_cut(str(row.uri)), uri_template=None, name=_cut(row.name), title=_maybe(row.title),
            description=_maybe(row.description), mime_type=_maybe(row.mimeType), size=row.size,
        )
        for row in single
    ]  # fmt: skip
    items += [
        ResourceView(
            uri=None, uri_template=_cut(row.uriTemplate), name=_cut(row.name), title=_maybe(row.title),
            description=_maybe(row.description), mime_type=_maybe(row.mimeType), size=None,
        )
        for row in many
    ]  # fmt: skip
    return Resources(items=items, more=more or more_many)


async def resource_at(connection: McpConnection, uri: str, within_s: float) -> ResourceContents:
    """What is in a resource. Raises `ToolCallFault`."""
    params = types.ReadResourceRequestParams(uri=AnyUrl(uri))
    request = types.ClientRequest(types.ReadResourceRequest(params=params))
    read = await connection.ask(request, types.ReadResourceResult, within_s)
    return ResourceContents(
        parts=[
            ResourcePart(
                uri=_cut(str(part.uri)), mime_type=_maybe(part.mimeType),
                text=storable(part.text) if isinstance(part, types.TextResourceContents) else None,
                blob=part.blob if isinstance(part, types.BlobResourceContents) else None,
            )
            for part in read.contents
        ]
    )  # fmt: skip


async def prompts_of(connection: McpConnection, within_s: float) -> Prompts:
    """Every prompt. Raises `ToolCallFault`."""
    if connection.about is None or "prompts" not in connection.about.offers:
        return Prompts(items=[], more=False)
    found, more = await _all(
        connection, lambda params: types.ClientRequest(types.ListPromptsRequest(params=params)),
        types.ListPromptsResult, lambda page: page.prompts, within_s,
    )  # fmt: skip
    return Prompts(
        items=[
            PromptView(
                name=_cut(row.name), title=_maybe(row.title), description=_maybe(row.description),
                arguments=[
                    PromptArgument(
                        name=_cut(wanted.name), description=_maybe(wanted.description), required=bool(wanted.required)
                    )
                    for wanted in (row.arguments or [])[:100]
                ],
            )
            for row in found
        ],
        more=more,
    )  # fmt: skip


async def filled_prompt(
    connection: McpConnection, name: str, arguments: dict[str, str], within_s: float
) -> FilledPrompt:
    """A prompt with its arguments put in. Raises `ToolCallFault`."""
    params = types.GetPromptRequestParams(name=name, arguments=arguments)
    request = types.ClientRequest(types.GetPromptRequest(params=params))
    got = await connection.ask(request, types.GetPromptResult, within_s)
    messages = [PromptMessage(role=row.role, text=storable(text_of(row.content))) for row in got.messages]
    return FilledPrompt(description=_maybe(got.description), messages=messages)


async def _all(
    connection: McpConnection,
    request: Asked,
    answer: type[PageT],
    rows: Callable[[PageT], list[ItemT]],
    within_s: float,
) -> tuple[list[ItemT], bool]:
    """The items of every page, at most 1,000; and whether there are more."""
    found: list[ItemT] = []
    try:
        async with asyncio.timeout(within_s):
            async for page in connection.pages(request, answer, within_s):
                found += rows(page)
                if len(found) > MOST:
                    return found[:MOST], True
    except TimeoutError as error:
        raise CallTimedOut("The server did not list that in time.") from error
    return found, False


def _cut(text: str) -> str:
    return storable(text[:_MAX_TEXT])


def _maybe(text: str | None) -> str | None:
    return None if text is None else _cut(text)
