"""How far a call is, from the tool that is at work to whoever waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_MOST_CHARS = 200


class Steps:
    """The latest that a tool said of its progress; what is said faster than it is read is left out."""

    def __init__(self) -> None:
        self._said = asyncio.Event()
        self.text = ""

    async def note(self, done: float, of: float | None, text: str | None) -> None:
        """A tool is so far: `done`, of all that there is, and what it says."""
        share = f"{done:g}" if of is None else f"{done:g} of {of:g}"
        said = " ".join((text or "").replace("\x00", " ").split())[:_MOST_CHARS]
        self.text = f"{share}: {said}" if said else share
        self._said.set()

    async def next(self) -> None:
        """Wait until there is more."""
        await self._said.wait()
        self._said.clear()


_listening: ContextVar[Steps | None] = ContextVar("listening", default=None)


@contextmanager
def listening(steps: Steps) -> Generator[None]:
    """Whatever is called within the block, and in tasks that begin there, tells `steps` how far it is."""
    token = _listening.set(steps)
    try:
        yield
    finally:
        _listening.reset(token)


def listener() -> Steps | None:
    """Who wants to know how far the call is that is being made here."""
    return _listening.get()
