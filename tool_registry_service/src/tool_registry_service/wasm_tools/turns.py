"""A bounded number of calls at a time, and servers in turn: one with many callers doesn't keep the others waiting."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from uuid import UUID

from tool_registry_service.wasm_tools.faults import ServersBusy


class Turns:
    """`await take(...)`, then `give_back()`."""

    def __init__(self, slots: int, *, max_waiting: int) -> None:
        self._free = slots
        self._max_waiting = max_waiting
        self._waiting: OrderedDict[UUID, deque[asyncio.Future[None]]] = OrderedDict()

    async def take(self, server_id: UUID, within_s: float) -> None:
        """Wait for a slot; raises `ServersBusy`."""
        if self._free:
            self._free -= 1
            return
        queue = self._waiting.setdefault(server_id, deque())
        if len(queue) >= self._max_waiting:
            raise ServersBusy(f"{len(queue)} calls of this server wait already; try again later.")
        mine = asyncio.get_running_loop().create_future()
        queue.append(mine)
        try:
            async with asyncio.timeout(within_s):
                await mine
        except BaseException as error:
            if mine.done() and not mine.cancelled():
                self.give_back()
            elif mine in queue:
                self._leave(server_id, mine)
            if isinstance(error, TimeoutError):
                raise ServersBusy(f"No thread came free within {within_s:g} s; try again later.") from error
            raise

    def give_back(self) -> None:
        """Let the next one in."""
        while self._waiting:
            server_id, queue = next(iter(self._waiting.items()))
            first = queue.popleft()
            if queue:
                self._waiting.move_to_end(server_id)
            else:
                del self._waiting[server_id]
            if not first.done():
                first.set_result(None)
                return
        self._free += 1

    def _leave(self, server_id: UUID, mine: asyncio.Future[None]) -> None:
        queue = self._waiting[server_id]
        queue.remove(mine)
        if not queue:
            del self._waiting[server_id]
