"""What a run's listeners see as it happens: pieces of text, resets, stored steps."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any


@dataclass(slots=True)
class FeedEvent:
    """`delta` (text), `reset`, or `step` (a stored message with its place `seq` in the transcript)."""

    name: str
    text: str = ""
    seq: int = 0
    payload: dict[str, Any] | None = None


class Listener:
    """One listener's backlog. Waiting pieces of text are joined: a slow reader costs no more than the text."""

    def __init__(self) -> None:
        self._events: deque[FeedEvent] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def push(self, event: FeedEvent) -> None:
        """Add an event."""
        last = self._events[-1] if self._events else None
        if event.name == "delta" and last is not None and last.name == "delta":
            last.text += event.text
        else:
            self._events.append(FeedEvent(event.name, event.text, event.seq, event.payload))
        self._ready.set()

    def close(self) -> None:
        """Say that nothing follows."""
        self._closed = True
        self._ready.set()

    async def events(self) -> AsyncGenerator[FeedEvent]:
        """The events until the run's end."""
        while True:
            while self._events:
                yield self._events.popleft()
            if self._closed:
                return
            self._ready.clear()
            await self._ready.wait()


class Feed:
    """Hands each event to every listener; without listeners it costs nothing."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    def listen(self) -> Listener:
        """A new listener, who hears what comes from now on."""
        listener = Listener()
        self._listeners.append(listener)
        return listener

    def push(self, event: FeedEvent) -> None:
        """Tell everybody."""
        for listener in self._listeners:
            listener.push(event)

    def close(self) -> None:
        """The run has ended."""
        for listener in self._listeners:
            listener.close()
