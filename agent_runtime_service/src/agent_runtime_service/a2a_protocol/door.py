"""The way to what stands on the A2A SDK, which is imported when the first client comes: it takes half a second."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from agent_runtime_service.a2a_protocol.parts import TaskParts
    from kgents_shared.contracts.instances import InstanceRegistration

_PACKAGE = "agent_runtime_service.a2a_protocol"


class A2aDoor:
    """Answers the calls of this process's clients, and makes the cards of agents."""

    def __init__(self, parts: TaskParts, issuer: str) -> None:
        self._parts = parts
        self._issuer = issuer
        self._dispatch: Any = None

    async def answer(self, request: Request) -> Response:
        """Carry out one JSON-RPC request; the request's state has its `Call`."""
        if self._dispatch is None:
            await asyncio.to_thread(import_module, f"{_PACKAGE}.dispatch")
            from agent_runtime_service.a2a_protocol.dispatch import dispatcher  # noqa: PLC0415 -- see above

            self._dispatch = self._dispatch or dispatcher(self._parts)
        return await self._dispatch.handle_requests(request)

    async def card(self, registration: InstanceRegistration) -> dict[str, Any]:
        """The card of an agent, as clients of both versions of the protocol read it."""
        await asyncio.to_thread(import_module, f"{_PACKAGE}.cards")
        from agent_runtime_service.a2a_protocol.cards import card_of  # noqa: PLC0415 -- see above

        return card_of(registration, self._issuer)
