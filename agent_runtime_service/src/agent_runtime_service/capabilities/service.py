"""A message to a capability: which agent gets it, and the note of that."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final
from uuid import UUID

from agent_runtime_service.capabilities.balance import Ranked, ranked
from agent_runtime_service.capabilities.deliveries import Delivery, DeliveryLog
from agent_runtime_service.capabilities.registry import CapabilityRegistry, KnownAgent
from agent_runtime_service.capabilities.repository import DeliveryRepository
from agent_runtime_service.conversations.repository import ConversationRepository
from agent_runtime_service.errors import (
    AgentLoop,
    AgentNotFound,
    AgentNotPublished,
    AgentStarting,
    AgentStopped,
    CapabilityNotFound,
    CapabilityUnavailable,
    ConversationNotFound,
)
from agent_runtime_service.execution.active import RunEnd
from agent_runtime_service.messages.finder import AgentFinder
from agent_runtime_service.messages.schemas import MessageRequest
from agent_runtime_service.messages.service import Accepted, Asker, MessageService
from kgents_shared.auth import Reference
from kgents_shared.errors import ApiError

MOST_TOLD: Final = 100
_MOST_TRIED: Final = 3
_CAN_NOT_BE_HAD = (AgentStarting, AgentStopped, AgentNotPublished, AgentNotFound)


@dataclass(frozen=True, slots=True)
class Call:
    """A message to a capability: whose run it will be, who asks, and the owners whose agents may answer.

    `to` is who is asked where nobody who has the capability can be; `hops` are the agents whose questions led here.
    """

    owner_id: str
    principal: str
    owner_ids: frozenset[str]
    capability: str
    body: MessageRequest
    key: str | None = None
    to: Reference | None = None
    hops: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class Delivered:
    """The run that answers, and the agent whose it is."""

    accepted: Accepted
    agent_id: UUID
    agent: str


@dataclass(slots=True)
class _Routing:
    """What is known of one message while it is routed."""

    call: Call
    known: int = 0
    healthy: int = 0
    began: float = field(default_factory=time.perf_counter)

    def noted(self, why: str, delivered: Delivered | None, routed: float, refusal: str | None = None) -> Delivery:
        """The row of the log."""
        call = self.call
        return Delivery(
            owner_id=call.owner_id,
            principal=call.principal,
            from_agent_id=call.hops[-1] if call.hops else None,
            capability=call.capability,
            agent_id=delivered.agent_id if delivered else None,
            agent_name=delivered.agent if delivered else None,
            run_id=delivered.accepted.run_id if delivered else None,
            why=why,
            known=self.known,
            healthy=self.healthy,
            refusal=refusal,
            routing_us=round((routed - self.began) * 1e6),
        )


@dataclass(frozen=True, slots=True)
class _Target:
    agent_id: UUID
    name: str
    reference: Reference


class CapabilityService:
    """Routes messages by what agents can do; everything else of a message is as that of any message."""

    def __init__(
        self,
        registry: CapabilityRegistry,
        messages: MessageService,
        finder: AgentFinder,
        conversations: ConversationRepository,
        repository: DeliveryRepository,
        log: DeliveryLog,
        random: Random | None = None,
    ) -> None:
        self.registry = registry
        self._messages = messages
        self._finder = finder
        self._conversations = conversations
        self._repository = repository
        self._log = log
        self._random = random or Random()  # noqa: S311 -- it draws whom to ask; nothing secret

    async def begin(self, call: Call) -> Delivered:
        """Begin a run of an agent that has the capability, or find the one that the key stands for.

        Raises `CapabilityNotFound`, `CapabilityUnavailable`, `ConversationNotFound`, `AgentLoop` where every agent that
        has it waits for this answer, and what a message raises.
        """
        routing = _Routing(call)
        try:
            if call.body.conversation_id is not None:
                return await self._in_conversation(routing, call.body.conversation_id)
            having = self.registry.having(call.owner_ids, call.capability)
            free = [agent for agent in having if agent.agent_id not in call.hops]
            order = ranked(free, lambda agent: self.registry.latency(agent.agent_id), self._random)
            routing.known, routing.healthy = len(having), len(order.agents)
            if having and not free:
                raise AgentLoop(f"Every agent that can do {call.capability} is already waiting for this answer.")
            return await self._among(routing, order, free)
        except ApiError as error:
            self._log.add(routing.noted("", None, time.perf_counter(), error.code))
            raise

    async def _in_conversation(self, routing: _Routing, conversation_id: UUID) -> Delivered:
        call = routing.call
        found = await self._conversations.find([call.owner_id], conversation_id)
        if found is None:
            raise ConversationNotFound("There is no such conversation of yours.")
        target = _Target(found.agent_id, found.agent, Reference(call.owner_ids, id=found.agent_id))
        return await self._give(routing, target, "its conversation is with this one", self._run_key(call))

    async def _among(self, routing: _Routing, order: Ranked, free: list[KnownAgent]) -> Delivered:
        """Try the healthy ones in their order; then, for a moment, one that isn't; then whom the caller names."""
        call, why = routing.call, order.why
        unwell = [agent for agent in free if agent not in order.agents][:1]
        for agent in (*order.agents[:_MOST_TRIED], *unwell):
            target = _Target(agent.agent_id, agent.name, Reference(frozenset({agent.owner_id}), id=agent.agent_id))
            try:
                return await self._give_once(routing, target, why)
            except _CAN_NOT_BE_HAD:
                why = f"{agent.name} could not be had"
        if call.to is not None:
            agent_id = await self._finder.agent_id(call.to)
            target = _Target(agent_id, call.to.name or str(agent_id), call.to)
            return await self._give(routing, target, "nobody who has it can be had: the one named", self._run_key(call))
        raise self._nobody(call, there=bool(free))

    def _nobody(self, call: Call, *, there: bool) -> ApiError:
        if there or self.registry.was_there(call.owner_ids, call.capability):
            return CapabilityUnavailable(f"No agent that can do {call.capability} is ready right now; try again.")
        names = list(self.registry.of_owners(call.owner_ids))[:MOST_TOLD]
        told = f"there are: {', '.join(names)}" if names else "none of your agents runs"
        return CapabilityNotFound(
            f"No agent of yours that runs can do {call.capability}; {told}.", extra={"capabilities": names}
        )

    async def _give_once(self, routing: _Routing, target: _Target, why: str) -> Delivered:
        """Give it to the agent, or under a key to whom that stood for before."""
        call = routing.call
        if call.key is None:
            return await self._give(routing, target, why, None)
        run_key = self._run_key(call) or ""
        kept = await self._repository.claim(call.owner_id, call.capability, call.key, target.agent_id)
        if kept == target.agent_id:
            return await self._give(routing, target, why, run_key)
        first = _Target(kept, self.registry.name_of(kept) or str(kept), Reference(call.owner_ids, id=kept))
        try:
            return await self._give(routing, first, "its Idempotency-Key stands for this one", run_key)
        except _CAN_NOT_BE_HAD:
            both = (kept, target.agent_id)
            if await self._repository.hand_on(call.owner_id, call.capability, call.key, run_key, both) is None:
                raise
        return await self._give(routing, target, why, run_key)

    async def _give(self, routing: _Routing, target: _Target, why: str, run_key: str | None) -> Delivered:
        call = routing.call
        if target.agent_id in call.hops:
            raise AgentLoop(f"{target.name} is already waiting for this answer: asking it again would never end.")
        routed = time.perf_counter()
        asker = Asker(call.owner_id, call.principal, target.reference, None, call.hops)
        accepted = await self._messages.begin(asker, call.body, run_key)
        run = accepted.active
        delivered = Delivered(accepted, target.agent_id, run.agent_name if run is not None else target.name)
        if run is not None and not accepted.repeated:
            self._log.add(routing.noted(why, delivered, routed))
            run.done.add_done_callback(self._measured(target.agent_id))
        return delivered

    def _measured(self, agent_id: UUID) -> Callable[["asyncio.Future[RunEnd]"], None]:
        loop = asyncio.get_running_loop()
        began = loop.time()

        def note(done: "asyncio.Future[RunEnd]") -> None:
            if not done.cancelled() and done.exception() is None:
                self.registry.note_latency(agent_id, loop.time() - began)

        return note

    @staticmethod
    def _run_key(call: Call) -> str | None:
        """A key of its own: a capability's keys are no agent's."""
        return None if call.key is None else f"capability/{call.capability}/{call.key}"
