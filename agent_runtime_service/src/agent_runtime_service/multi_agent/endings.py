"""Who waits for the end of a context's message at this front, and is woken by it, whichever front it ended at.

Ends are whispered from front to front; what is lost of it, or ends with a front that is
killed, is found by looking now and then.
"""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from kgents_shared.events import EventBus
from kgents_shared.waking import woken

_ENDED: Final = "runtime.contexts.ended"
LOOK_EVERY_S: Final = 2.0


@dataclass(slots=True)
class _Line:
    """Those who want to say something in one context, in the order in which they came."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


class Endings:
    """`tell` of an end; `hear`, an endless task, wakes those who `listen` to it."""

    def __init__(self) -> None:
        self._bus: EventBus | None = None
        self._listening: dict[UUID, list[asyncio.Event]] = {}
        self._lines: dict[UUID, _Line] = {}

    async def hear(self, bus: EventBus) -> None:
        """Endless: wake for what ended at other fronts."""
        self._bus = bus
        async for data in bus.whispers(_ENDED):
            if len(data) == 16:
                self._wake(UUID(bytes=data))

    async def tell(self, context_id: UUID) -> None:
        """A message of this context is answered, or the context isn't what it was."""
        self._wake(context_id)
        if self._bus is not None:
            await self._bus.whisper(_ENDED, context_id.bytes)

    def _wake(self, context_id: UUID) -> None:
        for ended in self._listening.get(context_id, ()):
            ended.set()

    @contextmanager
    def listen(self, context_id: UUID) -> Generator[asyncio.Event]:
        """An event that is set at each end; from before one looks, so that nothing falls between."""
        ended = asyncio.Event()
        listening = self._listening.setdefault(context_id, [])
        listening.append(ended)
        try:
            yield ended
        finally:
            listening.remove(ended)
            if not listening:
                self._listening.pop(context_id, None)

    def has_line(self, context_id: UUID) -> bool:
        """Whether somebody waits here to say something."""
        return context_id in self._lines

    @asynccontextmanager
    async def in_line(self, context_id: UUID) -> AsyncGenerator[asyncio.Event]:
        """Wait for one's turn; then listen."""
        line = self._lines.setdefault(context_id, _Line())
        line.waiting += 1
        try:
            async with line.turn:
                with self.listen(context_id) as ended:
                    yield ended
        finally:
            line.waiting -= 1
            if not line.waiting:
                del self._lines[context_id]


async def look_again(ended: asyncio.Event) -> None:
    """Return at an end, or after a while."""
    await woken(ended, LOOK_EVERY_S)
