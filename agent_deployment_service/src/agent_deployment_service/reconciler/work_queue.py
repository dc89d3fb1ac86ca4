"""A queue of agents to look at: each at most once in it, and never two looks at the same one at a time."""

from __future__ import annotations

import asyncio
from uuid import UUID


class WorkQueue:
    """An agent that is added while it is being looked at is looked at again afterwards."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, None] = {}
        self._at_work: set[UUID] = set()
        self._again: set[UUID] = set()
        self._failures: dict[UUID, int] = {}
        self._timers: dict[UUID, asyncio.TimerHandle] = {}
        self._arrived = asyncio.Event()

    def add(self, key: UUID) -> None:
        """Look at it soon."""
        if key in self._at_work:
            self._again.add(key)
            return
        self._waiting[key] = None
        self._arrived.set()

    def add_after(self, key: UUID, delay_s: float) -> None:
        """Look at it in `delay_s` seconds; an earlier appointment stands."""
        loop = asyncio.get_running_loop()
        when = loop.time() + delay_s
        known = self._timers.get(key)
        if known is not None and not known.cancelled() and known.when() <= when:
            return
        if known is not None:
            known.cancel()
        self._timers[key] = loop.call_at(when, self._due, key)

    def _due(self, key: UUID) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def take(self) -> UUID:
        """The next one to look at; `done` must follow."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._at_work.add(key)
        return key

    def done(self, key: UUID, *, retry: bool) -> None:
        """The look is over; with `retry`, the next one follows after a pause that grows each time."""
        self._at_work.discard(key)
        if retry:
            failures = self._failures[key] = self._failures.get(key, 0) + 1
            self.add_after(key, min(5.0, 0.1 * 2.0 ** (failures - 1)))
        else:
            self._failures.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is being looked at; appointments don't count."""
        return not self._waiting and not self._at_work

    def close(self) -> None:
        """Cancels all appointments."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
