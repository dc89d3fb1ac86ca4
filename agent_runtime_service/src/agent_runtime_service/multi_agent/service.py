"""Contexts: who takes part, and messages to some or all of them."""

import asyncio
import hashlib
from collections.abc import Collection, Sequence
from typing import Final
from uuid import UUID

import orjson

from agent_runtime_service.errors import (
    AgentNotFound,
    ContextBusy,
    ContextClosed,
    ContextEmpty,
    ContextFull,
    ContextNotFound,
    KeyReused,
    ParticipantNotFound,
    StateChanged,
)
from agent_runtime_service.messages.finder import AgentFinder, meant_agent
from agent_runtime_service.multi_agent.endings import Endings, look_again
from agent_runtime_service.multi_agent.exchanges import ExchangeDriver
from agent_runtime_service.multi_agent.ledger import Exchange, ExchangeLedger, NewMessage
from agent_runtime_service.multi_agent.repository import ContextRepository, Participant, StoredContext
from agent_runtime_service.multi_agent.schemas import (
    ContextChanges,
    ContextMessage,
    ExchangeView,
    NewContext,
    NewParticipant,
    NewState,
    StateView,
    TurnView,
)
from kgents_shared.auth import Principal
from kgents_shared.db import new_id
from kgents_shared.errors import InvalidInput, PayloadTooLarge, Unavailable
from kgents_shared.errors.refs_only import refuse_secrets

MOST_KEPT_BYTES: Final = 256 * 1024
_BUSY_PATIENCE_S: Final = 30.0


class MultiAgentService:
    """What people do with contexts. Everything is filtered by the caller's owners."""

    def __init__(
        self,
        contexts: ContextRepository,
        ledger: ExchangeLedger,
        driver: ExchangeDriver,
        finder: AgentFinder,
        endings: Endings,
    ) -> None:
        self._endings = endings
        self.contexts = contexts
        self._ledger = ledger
        self.exchanges = driver
        self._finder = finder

    async def found(self, owner_ids: Collection[str], context_id: UUID) -> StoredContext:
        """The caller's context; raises `ContextNotFound`."""
        found = await self.contexts.find(owner_ids, context_id)
        if found is None:
            raise ContextNotFound("There is no such context.")
        return found

    async def create(self, principal: Principal, owner_id: str, body: NewContext, key: str | None) -> StoredContext:
        """Make a context, or find the one that the key stands for."""
        _check_kept(body.metadata, "metadata")
        participants = [await self._participant(principal, one) for one in body.agents]
        if len({one.agent_id for one in participants}) != len(participants):
            raise InvalidInput("An agent is named twice.", code="doubled_participant")
        digest = hashlib.sha256(body.model_dump_json().encode()).digest()
        keyed = None if key is None else (key, digest)
        made = await self.contexts.create(owner_id, principal.subject, body, participants, keyed)
        if made is not None:
            return await self.found({owner_id}, made)
        earlier = await self.contexts.by_key(owner_id, key or "")
        if earlier is None:
            raise Unavailable("The context of this Idempotency-Key has just been deleted; try again.")
        if earlier[1] != digest:
            raise KeyReused("This Idempotency-Key came with another request before; use a new one.")
        return earlier[0]

    async def change(self, principal: Principal, context_id: UUID, changes: ContextChanges) -> StoredContext:
        """Change what is named."""
        if changes.metadata is not None:
            _check_kept(changes.metadata, "metadata")
        if not await self.contexts.update(principal.owner_ids, context_id, changes):
            raise ContextNotFound("There is no such context.")
        await self._endings.tell(context_id)  # who waits to say something in it may not any more
        return await self.found(principal.owner_ids, context_id)

    async def join(self, principal: Principal, context_id: UUID, body: NewParticipant) -> StoredContext:
        """Have an agent take part from now on."""
        await self.found(principal.owner_ids, context_id)
        participant = await self._participant(principal, body)
        if not await self.contexts.join(principal.owner_ids, context_id, participant):
            raise ContextFull("As many agents take part as may; have one leave first.")
        return await self.found(principal.owner_ids, context_id)

    async def leave(self, principal: Principal, context_id: UUID, agent: str) -> None:
        """Have an agent take part no longer."""
        context = await self.found(principal.owner_ids, context_id)
        participant = _named(context, agent)
        if participant is None or not await self.contexts.leave(principal.owner_ids, context_id, participant.agent_id):
            raise ParticipantNotFound(f"{agent} takes no part in this context.")

    async def persist(self, principal: Principal, context_id: UUID, body: NewState) -> StateView:
        """Keep something with a context."""
        _check_kept(body.data, "data")
        kept = await self.contexts.persist(principal.owner_ids, context_id, body.data, body.version)
        if kept is None:
            await self.found(principal.owner_ids, context_id)
            raise StateChanged("What is kept with the context has been changed by somebody else: read it again.")
        return kept

    async def state(self, owner_ids: Collection[str], context_id: UUID) -> StateView:
        """What is kept with a context."""
        kept = await self.contexts.state(owner_ids, context_id)
        if kept is None:
            raise ContextNotFound("There is no such context.")
        return kept

    async def send(self, principal: Principal, body: ContextMessage, key: str | None) -> ExchangeView:
        """Say something in a context and have it answered."""
        exchange = await self._opened(principal, body, key)
        if not body.wait:
            return await self.exchange(exchange)
        answers = await self._wait_for(exchange)
        if answers is None:
            return await self.exchange(exchange)
        return ExchangeView(
            exchange_id=exchange.id, context_id=exchange.context_id, seq=exchange.seq, status="ended", answers=answers
        )

    async def exchange(self, exchange: Exchange) -> ExchangeView:
        """How far an exchange is."""
        now = await self._ledger.find(exchange.id) or exchange
        return ExchangeView(
            exchange_id=now.id,
            context_id=now.context_id,
            seq=now.seq,
            status="ended" if now.status == "ended" else "running",
            answers=await self._ledger.turns(now.id),
        )

    async def _opened(self, principal: Principal, body: ContextMessage, key: str | None) -> Exchange:
        if body.to is None and not self._endings.has_line(body.context_id):
            said = NewMessage(body.context_id, principal.subject, body.text, body.private, body.rounds)
            keyed = None if key is None else (key, _hash(body))
            at_once = await self._ledger.open_to_all(said, principal.owner_ids, keyed)
            if at_once is not None:
                self.exchanges.start(*at_once)
                return at_once[0]
        context = await self.found(principal.owner_ids, body.context_id)
        recipients = _recipients(principal, context, body.to)
        new = Exchange(
            new_id(),
            context.id,
            context.owner_id,
            principal.subject,
            0,
            tuple(one.agent_id for one in recipients),
            body.private,
            body.rounds,
            context.collaboration_model,
            request_hash=None if key is None else _hash(body),
        )
        to = None if body.to is None else new.recipients
        if self._endings.has_line(context.id) or (seq := await self._ledger.open(new, body.text, to, key)) is None:
            if (earlier := await self._under_key(new, key)) is not None:
                return earlier
            try:
                async with asyncio.timeout(_BUSY_PATIENCE_S):
                    seq = await self._in_turn(principal, new, body.text, to, key)
            except TimeoutError as late:
                if (stored := await self._ledger.find(new.id)) is not None:  # its place came in that very moment
                    self.exchanges.start(stored)
                    return stored
                raise ContextBusy("The message before this one is still being answered; try again.") from late
        if isinstance(seq, Exchange):
            return seq
        opened = Exchange(
            new.id, new.context_id, new.owner_id, new.principal, seq, new.recipients, new.is_private, new.rounds,
            new.collaboration_model,
        )  # fmt: skip
        self.exchanges.start(opened)
        return opened

    async def _in_turn(
        self, principal: Principal, new: Exchange, text: str, to: Sequence[UUID] | None, key: str | None
    ) -> int | Exchange:
        """The place of a message once it is its turn; or the exchange that its key stands for."""
        async with self._endings.in_line(new.context_id) as ended:
            while (seq := await self._ledger.open(new, text, to, key)) is None:
                if (earlier := await self._under_key(new, key)) is not None:
                    return earlier
                if (await self.found(principal.owner_ids, new.context_id)).status == "closed":
                    raise ContextClosed("The context is closed: it takes no more messages.")
                await look_again(ended)
        return seq

    async def _under_key(self, new: Exchange, key: str | None) -> Exchange | None:
        """The exchange that the key stands for; raises `KeyReused` where that is another message."""
        earlier = None if key is None else await self._ledger.by_key(new.context_id, key)
        if earlier is not None and earlier.request_hash != new.request_hash:
            raise KeyReused("This Idempotency-Key came with another request before; use a new one.")
        return earlier

    async def _wait_for(self, exchange: Exchange) -> list[TurnView] | None:
        """Wait for the end; the answers, where they needn't be read from the table."""
        task = self.exchanges.task_of(exchange.id)
        if task is not None:
            await asyncio.wait({task})  # which another front may end, where this one is stopped
            if not task.cancelled() and task.exception() is None and (answers := task.result()) is not None:
                return answers
        with self._endings.listen(exchange.context_id) as ended:
            while (now := await self._ledger.find(exchange.id)) is not None and now.status != "ended":
                await look_again(ended)
        return None

    async def _participant(self, principal: Principal, given: NewParticipant) -> Participant:
        try:
            found = await self._finder.identity(meant_agent(principal, given.agent))
        except AgentNotFound as error:
            raise AgentNotFound(f"There is no agent {given.agent}.") from error  # one of several that were named
        return Participant(found.agent_id, found.name, found.owner_id, given.role, given.visibility)


def _recipients(principal: Principal, context: StoredContext, to: list[str] | None) -> list[Participant]:
    """Who is to answer; raises what keeps anybody from that."""
    if context.status == "closed":
        raise ContextClosed("The context is closed: it takes no more messages.")
    if to is None:
        named = context.active
    else:
        found = {agent: _named(context, agent) for agent in to}
        unknown = [agent for agent, participant in found.items() if participant is None]
        if unknown:
            raise ParticipantNotFound(f"{', '.join(unknown)} takes no part in this context.")
        named = list({one.agent_id: one for one in found.values() if one is not None}.values())
    # Who has left an organisation may have its agents say nothing more.
    allowed = [one for one in named if one.agent_owner_id in principal.owner_ids]
    if not allowed:
        raise ContextEmpty("No agent of yours takes part in this context: add one first.")
    return allowed


def _named(context: StoredContext, agent: str) -> Participant | None:
    """The participant of that name or id; of a name that two have, the first."""
    name = agent.rpartition("~")[2]
    return next((one for one in context.active if agent == str(one.agent_id) or name == one.agent_name), None)


def _hash(body: ContextMessage) -> bytes:
    return hashlib.sha256(body.model_dump_json(exclude={"wait"}).encode()).digest()


def _check_kept(document: dict[str, object], name: str) -> None:
    refuse_secrets(document, "body", name)
    if len(orjson.dumps(document)) > MOST_KEPT_BYTES:
        raise PayloadTooLarge(f"{name} is over {MOST_KEPT_BYTES} bytes, the most that is kept with a context.")
