"""Following a feed that another service keeps: looked at twice a second, at once when woken, and never given up.

A look may itself wait at the other service for something new: the next one follows it at once.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from kgents_shared.waking import woken

POLL_S = 0.5
# However often it is woken, so that many changes at once are read together.
_LEAST_PAUSE_S: Final = 0.05


class Follower:
    """Looks again and again. What was read stays in force while the far side is away, which is told as `away_event`."""

    def __init__(self, logger_name: str, away_event: str) -> None:
        self._log = structlog.get_logger(logger_name)
        self._away_event = away_event
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Look again at once."""
        self._woken.set()

    async def run(self, look: Callable[[], Awaitable[None]], looked: Callable[[], None] = lambda: None) -> None:
        """`look`, for ever; `looked` is called after each time, however it ended."""
        away = ""
        now = asyncio.get_running_loop().time
        while True:
            began = now()
            try:
                await look()
                away = ""
            except Exception as error:  # noqa: BLE001 -- whatever it was, it is told, and the next look is in time
                if repr(error) != away:  # each kind of trouble is told once
                    away = repr(error)
                    self._log.info(self._away_event, reason=away)
            looked()
            await self._pause(POLL_S - (now() - began))

    async def _pause(self, left_s: float) -> None:
        if left_s < _LEAST_PAUSE_S or await woken(self._woken, left_s):
            await asyncio.sleep(_LEAST_PAUSE_S)
