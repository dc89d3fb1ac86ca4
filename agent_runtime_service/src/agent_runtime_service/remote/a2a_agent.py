"""An agent elsewhere over the Agent2Agent protocol; the SDK is imported when the first one is asked."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from agent_runtime_service.gateway.faults import REMOTE
from agent_runtime_service.gateway.providers import EVENT_STREAM, ProviderAnswer
from agent_runtime_service.remote import faults
from agent_runtime_service.remote.asking import question_of, streamed, whole_text

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    import aiohttp

    from agent_runtime_service.remote.contexts import ConversationContext
    from kgents_shared.http.addresses import AddressPolicy


class A2aAgent:
    """One conversation with such an agent, which goes on in the context that the agent has for it."""

    name = REMOTE

    def __init__(
        self,
        session: aiohttp.ClientSession,
        policy: AddressPolicy,
        url: str,
        bearer: str | None,
        context: ConversationContext,
    ) -> None:
        self._session = session
        self._policy = policy
        self._url = url
        self._bearer = bearer
        self._context = context

    @asynccontextmanager
    async def complete(self, request: dict[str, Any], time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """See `Provider.complete`. Its task is cancelled where the answer is given up."""
        asked = question_of(request)
        await asyncio.to_thread(import_module, "agent_runtime_service.remote.a2a_exchange")
        from agent_runtime_service.remote.a2a_exchange import Exchange  # noqa: PLC0415 -- see the module's text

        known = await self._context.known()
        exchange = Exchange(self._session, self._policy, self._url, self._bearer)
        async with exchange:
            text = asked.text if known is not None else whole_text(asked)
            pieces = exchange.pieces(text, known, self._context.keep)
            until = asyncio.get_running_loop().time() + time_left_s
            first = await _next(pieces, until)
            yield ProviderAnswer(EVENT_STREAM, streamed(_all(first, pieces, until)))


async def _next(pieces: AsyncIterator[str], until: float) -> str | None:
    try:
        async with asyncio.timeout_at(until):
            return await anext(pieces, None)
    except TimeoutError as error:
        raise faults.timed_out() from error


async def _all(first: str | None, pieces: AsyncIterator[str], until: float) -> AsyncIterator[str]:
    piece = first
    while piece is not None:
        yield piece
        piece = await _next(pieces, until)
