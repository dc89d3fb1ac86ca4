"""What a run's listeners see as it happens: pieces of text, resets, stored steps."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any, Final

import orjson

_MOST_BEHIND: Final = 512


@dataclass(slots=True)
class FeedEvent:
    """`delta` (text), `reset`, `step` (a stored message with its place `seq` in the transcript), `retrying` (the try
    that failed), or `look`: something is stored that isn't told here.
    """

    name: str
    text: str = ""
    seq: int = 0
    payload: dict[str, Any] | None = None


class Listener:
    """One listener's backlog. Waiting pieces of text are joined: a slow reader costs no more than the text.

    One that falls behind by `_MOST_BEHIND` events is closed: what it missed is stored, and read there.
    """

    def __init__(self) -> None:
        self._events: deque[FeedEvent] = deque()
        self._ready = asyncio.Event()
        self._closed = False

    def push(self, event: FeedEvent) -> None:
        """Add an event."""
        if self._closed:
            return
        last = self._events[-1] if self._events else None
        if event.name == "delta" and last is not None and last.name == "delta":
            last.text += event.text
        elif len(self._events) >= _MOST_BEHIND:
            self._events.clear()
            self._closed = True
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
    """Hands each event to every listener; without listeners it costs next to nothing."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []
        self._said: list[str] = []

    def listen(self) -> Listener:
        """A new listener, who hears what comes from now on, and what has been said of the answer that is under way."""
        listener = Listener()
        if self._said:
            listener.push(FeedEvent("delta", text="".join(self._said)))
        self._listeners.append(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """A listener went away."""
        if listener in self._listeners:
            self._listeners.remove(listener)

    def say(self, text: str) -> None:
        """Tell a piece of the answer, and keep it for who listens later."""
        self._said.append(text)
        if self._listeners:
            self.push(FeedEvent("delta", text=text))

    def stored(self, seq: int, payload: bytes) -> None:
        """Tell of a step that was stored at this place."""
        self._said.clear()
        if self._listeners:
            self.push(FeedEvent("step", seq=seq, payload=orjson.loads(payload)))

    def nudge(self) -> None:
        """Tell everybody to look at what is stored; the answer that is under way goes on."""
        for listener in self._listeners:
            listener.push(FeedEvent("look"))

    def push(self, event: FeedEvent) -> None:
        """Tell everybody."""
        if event.name != "delta":
            self._said.clear()
        for listener in self._listeners:
            listener.push(event)

    def close(self) -> None:
        """The run has ended."""
        for listener in self._listeners:
            listener.close()
