"""Responses that aren't to be stored (`store: false`): their conversations go when they are answered.

What is noted is noted before they begin, so that one whose front dies, or whose client goes, is deleted all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog

from agent_runtime_service.messages.service import Accepted
from agent_runtime_service.passing.repository import PassingRepository
from kgents_shared.db import new_id
from kgents_shared.errors.handlers import is_database_away

_log = structlog.get_logger("kgents.runtime.passing")
_EVERY_S: Final = 10.0
_AT_ONCE: Final = timedelta(0)
_READ_FOR: Final = timedelta(seconds=30)


class PassingResponses:
    """`keep_forgetting` is an endless task."""

    def __init__(self, rows: PassingRepository, cancel: Callable[[Collection[str], UUID], Awaitable[bool]]) -> None:
        self._rows = rows
        self._cancel = cancel

    async def begin(self) -> UUID:
        """The id of a conversation that won't be kept."""
        conversation_id = new_id()
        await self._rows.note(conversation_id)
        return conversation_id

    async def not_begun(self, conversation_id: UUID) -> None:
        """It was refused."""
        await self._rows.drop(conversation_id)

    async def end(self, accepted: Accepted) -> None:
        """Delete what was answered. Nobody could read what comes of a run that waits for a person: it is cancelled.

        What can't be deleted now is deleted later: its answer is there all the same.
        """
        mine = [accepted.conversation_id]
        try:
            for owner_id, run_id in await self._rows.waiting(_AT_ONCE, mine):
                await self._cancel([owner_id], run_id)
            await self._rows.remove(_AT_ONCE, mine)
        except Exception as error:
            if not is_database_away(error):
                raise
            _log.warning("response_forgotten_later", run_id=str(accepted.run_id), error=repr(error))

    async def keep_forgetting(self) -> None:
        """Endless: delete what was over and not answered."""
        while True:
            await asyncio.sleep(_EVERY_S)
            for owner_id, run_id in await self._rows.waiting(_READ_FOR):
                await self._cancel([owner_id], run_id)
            while await self._rows.remove(_READ_FOR):
                pass
