"""How many sessions this process holds in all: a hard bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tool_registry_service.errors import NeverSent

if TYPE_CHECKING:
    from tool_registry_service.mcp_client.connection import McpConnection

Evict = Callable[[], Awaitable[bool]]


class SessionSlots:
    """One slot a session. `evict` ends the sessions with the server that was used longest ago, if one is idle."""

    def __init__(self, most: int, within_s: float, evict: Evict) -> None:
        self._most = most
        self._within_s = within_s
        self._evict = evict
        self._taken = 0
        self._freed = asyncio.Event()
        self._finishing: set[asyncio.Task[None]] = set()

    @property
    def taken(self) -> int:
        """How many sessions are held."""
        return self._taken

    async def take(self) -> None:
        """A slot, as soon as there is one; raises `NeverSent` where there is none in time."""
        try:
            async with asyncio.timeout(self._within_s):
                while not await self.take_if_free():
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError as error:
            raise NeverSent(
                f"All {self._most} sessions with MCP servers are busy; an operator can allow more (TOOLS_MAX_SESSIONS)."
            ) from error

    async def take_if_free(self) -> bool:
        """A slot, if there is one or can be made at once."""
        while self._taken >= self._most:
            if not await self._evict():
                return False
        self._taken += 1
        return True

    def give_back(self) -> None:
        """A session has ended."""
        self._taken -= 1
        self._freed.set()

    async def end(self, connection: McpConnection) -> None:
        """End a session and give its slot back; where calls are still out, once they are answered."""
        if connection.in_flight == 0 or connection.is_over:
            await connection.close()
            self.give_back()
            return
        task = asyncio.create_task(self._end_later(connection), name="mcp-session-ends")
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _end_later(self, connection: McpConnection) -> None:
        try:
            await connection.drained()
            await connection.close()
        finally:
            self.give_back()

    async def close(self) -> None:
        """End what was left to end later."""
        for task in self._finishing:
            task.cancel()
        await asyncio.gather(*self._finishing, return_exceptions=True)
