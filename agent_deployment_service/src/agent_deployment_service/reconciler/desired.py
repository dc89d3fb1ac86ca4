"""Hearing what should run: by event as it happens, and by asking for all of it every so often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

import structlog

from agent_deployment_service.clients import AgentSource
from agent_deployment_service.reconciler.store import ReconcilerStore
from kgents_shared.contracts.events import CloudEvent
from kgents_shared.contracts.published_agent import PublishedAgent

SUBJECTS = ("kgents.agents.agent.published", "kgents.agents.agent.stopped", "kgents.agents.agent.deleted")

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DesiredState:
    """Stores desired states and wakes the reconciler for what is new. The generation makes late and doubled ones
    harmless, whichever way they come."""

    store: ReconcilerStore
    source: AgentSource
    wake: Callable[[UUID], None]

    async def on_event(self, event: CloudEvent) -> None:
        """`agent.published`, `agent.stopped` or `agent.deleted`, each of which carries a `PublishedAgent`."""
        wanted = PublishedAgent.model_validate(event.data)
        if await self.store.apply(wanted):
            self.wake(wanted.agent_id)

    async def resync(self) -> None:
        """Asks management for everything; heals what events missed."""
        began = await self.store.listing_began()
        changed = await self.store.apply_listing(await self.source.desired(), began)
        if changed:
            _log.info("desired_state_healed", agents=len(changed))
        for agent_id in changed:
            self.wake(agent_id)

    async def resync_for_ever(self, interval_s: float) -> None:
        """Resyncs at once and then at the interval; raises where a sibling is away, to be called again."""
        while True:
            await self.resync()
            await asyncio.sleep(interval_s)
