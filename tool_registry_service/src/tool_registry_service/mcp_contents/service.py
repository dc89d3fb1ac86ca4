"""Resources and prompts of a server, as its owner is told of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from tool_registry_service import heavy_imports
from tool_registry_service.errors import ToolCallFault
from tool_registry_service.mcp_servers.discovery import as_problem

if TYPE_CHECKING:
    from tool_registry_service.mcp_client.connection import McpConnection
    from tool_registry_service.mcp_client.pool import SessionPool
    from tool_registry_service.mcp_client.targets import ServerTarget
    from tool_registry_service.mcp_contents.schemas import (
        FilledPrompt,
        PromptFilling,
        Prompts,
        ResourceContents,
        Resources,
    )

T = TypeVar("T")


class ContentService:
    """Asks one server. Each method raises what `mcp_servers.discovery` says of a server that gives no answer."""

    def __init__(self, sessions: SessionPool, target: ServerTarget) -> None:
        self._sessions = sessions
        self._target = target
        self._within_s = sessions.answer_within_s

    async def resources(self) -> Resources:
        """What it offers now."""
        await heavy_imports.load()
        from tool_registry_service.mcp_contents import reading  # noqa: PLC0415 -- stands on the SDK

        return await self._asked(lambda connection: reading.resources_of(connection, self._within_s))

    async def resource(self, uri: str) -> ResourceContents:
        """What is in a resource."""
        await heavy_imports.load()
        from tool_registry_service.mcp_contents import reading  # noqa: PLC0415 -- stands on the SDK

        return await self._asked(lambda connection: reading.resource_at(connection, uri, self._within_s))

    async def prompts(self) -> Prompts:
        """What it offers now."""
        await heavy_imports.load()
        from tool_registry_service.mcp_contents import reading  # noqa: PLC0415 -- stands on the SDK

        return await self._asked(lambda connection: reading.prompts_of(connection, self._within_s))

    async def prompt(self, wanted: PromptFilling) -> FilledPrompt:
        """A prompt with its arguments put in."""
        await heavy_imports.load()
        from tool_registry_service.mcp_contents import reading  # noqa: PLC0415 -- stands on the SDK

        return await self._asked(
            lambda connection: reading.filled_prompt(connection, wanted.name, wanted.arguments, self._within_s)
        )

    async def _asked(self, work: Callable[[McpConnection], Awaitable[T]]) -> T:
        try:
            return await self._sessions.use(self._target, work)
        except ToolCallFault as error:
            raise as_problem(error) from error
