"""Drives exchanges: each participant's turn is a run of that agent, in its own conversation.

Every step is stored before the next, and a turn's run has the turn's id as its key: whoever takes an exchange over
does the same again, and finds what is there.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from agent_runtime_service.execution.active import WAITING
from agent_runtime_service.messages.schemas import MessageRequest
from agent_runtime_service.messages.service import Asker, MessageService
from agent_runtime_service.multi_agent.endings import Endings
from agent_runtime_service.multi_agent.ledger import Exchange, ExchangeLedger, Said, Turn
from agent_runtime_service.multi_agent.schemas import TurnView
from agent_runtime_service.multi_agent.telling import told
from kgents_shared.auth import Reference
from kgents_shared.errors import ApiError

_log = structlog.get_logger("kgents.runtime.contexts")
_OPEN: Final = ("running", "waiting")


class ExchangeDriver:
    """Has the participants answer; `start` gives a task that no client's going away ends."""

    def __init__(self, ledger: ExchangeLedger, messages: MessageService, endings: Endings) -> None:
        self._endings = endings
        self._ledger = ledger
        self._messages = messages
        self._under_way: dict[UUID, asyncio.Task[list[TurnView] | None]] = {}

    def start(self, exchange: Exchange, first: Turn | None = None) -> "asyncio.Task[list[TurnView] | None]":
        """Drive an exchange that was opened, with its `first` turn if that has begun, or adopted."""
        task = asyncio.create_task(self._drive(exchange, first))
        self._under_way[exchange.id] = task
        task.add_done_callback(lambda _: self._under_way.pop(exchange.id, None))
        return task

    def task_of(self, exchange_id: UUID) -> "asyncio.Task[list[TurnView] | None] | None":
        """The task that drives an exchange here; None where another front does."""
        return self._under_way.get(exchange_id)

    async def keep(self, every_s: float) -> None:
        """Endless: renew what is driven here, take over what nobody drives, and store what waited and has ended."""
        while True:
            await asyncio.sleep(every_s)
            mine = list(self._under_way)
            if mine:
                await self._ledger.renew(mine)
            for exchange in await self._ledger.adopt(mine):
                _log.info("exchange_adopted", exchange_id=str(exchange.id))
                self.start(exchange)
            for turn_id, said in await self._ledger.settled():
                await self._store(turn_id, said)

    async def stop(self) -> None:
        """Let go of what is under way: another front may take it at once."""
        mine = dict(self._under_way)
        for task in mine.values():
            task.cancel()
        await asyncio.gather(*mine.values(), return_exceptions=True)
        if mine:
            try:
                await self._ledger.release(list(mine))
            except (psycopg.Error, PoolTimeout) as error:
                _log.warning("exchanges_not_released", error=repr(error))

    async def _drive(self, exchange: Exchange, first: Turn | None) -> list[TurnView] | None:
        """The turns, in their order; None where it was not driven to its end here, or not from its beginning."""
        told: list[TurnView | None] = []
        try:
            for number in range(1, exchange.rounds + 1):
                told += await self._round(exchange, number, first if number == 1 else None)
            if not _ended_with_an_answer(exchange, told):
                await self._ledger.end(exchange)
            await self._endings.tell(exchange.context_id)
        except (psycopg.Error, PoolTimeout) as error:
            # Nothing can be stored now: it is taken up again when its lease is over.
            _log.warning("exchange_left_behind", exchange_id=str(exchange.id), error=repr(error))
            return None
        known = [turn for turn in told if turn is not None]
        return known if len(known) == len(told) else None

    async def _round(self, exchange: Exchange, number: int, first: Turn | None) -> list[TurnView | None]:
        is_last = number == exchange.rounds
        if exchange.collaboration_model == "sequential" or len(exchange.recipients) == 1:
            last = exchange.recipients[-1]
            told: list[TurnView | None] = []
            for agent_id in exchange.recipients:
                turn = (None if told else first) or await self._ledger.begin_turn(exchange, number, agent_id, None)
                told.append(await self._turn(exchange, number, agent_id, turn, is_last=is_last and agent_id == last))
            return told
        # Side by side, nobody sees what another says in the same round.
        until = exchange.seq if number == 1 else await self._ledger.last_seq(exchange.context_id)
        return list(
            await asyncio.gather(*(self._begun(exchange, number, agent_id, until) for agent_id in exchange.recipients))
        )

    async def _begun(self, exchange: Exchange, number: int, agent_id: UUID, until: int) -> TurnView | None:
        turn = await self._ledger.begin_turn(exchange, number, agent_id, until)
        return await self._turn(exchange, number, agent_id, turn)

    async def _turn(
        self, exchange: Exchange, number: int, agent_id: UUID, turn: Turn | None, *, is_last: bool = False
    ) -> TurnView | None:
        """What became of an agent's turn; None where it is known from the table alone."""
        if turn is None or turn.status not in _OPEN:
            return None
        if turn.messages:
            said = await self._asked(exchange, agent_id, turn)
            status, seq = await self._store(turn.id, said, is_last=is_last)
        else:
            said, status, seq = Said(None, None), "silent", None
            await self._ledger.close_turn(turn.id, status, said)
        return TurnView(
            agent_id=agent_id,
            agent=turn.agent_name,
            round=number,
            status=status,
            seq=seq,
            text=said.text,
            run_id=said.run_id,
            error=None if said.error is None else dict(said.error),
        )

    async def _asked(self, exchange: Exchange, agent_id: UUID, turn: Turn) -> Said:
        """Have the agent's run done, or find the one that was begun for this turn."""
        reference = Reference(frozenset({turn.agent_owner_id}), id=agent_id)
        asker = Asker(exchange.owner_id, exchange.principal, reference)
        body = MessageRequest(text=told(turn.agent_name, turn.messages), conversation_id=turn.conversation_id)
        try:
            accepted = await self._messages.begin(asker, body, f"context/{turn.id}")
            await self._ledger.note_quoted(exchange, turn, accepted.run_id)
            ended = await self._messages.outcome(accepted)
        except ApiError as error:
            return Said(None, None, error={"code": error.code, "detail": error.detail})
        if ended.end.status == WAITING:
            return Said(accepted.run_id, accepted.conversation_id)
        fault = ended.end.fault
        if fault is not None:
            error = {"code": fault.code, "detail": fault.detail}
            return Said(accepted.run_id, accepted.conversation_id, error=error)
        return Said(accepted.run_id, accepted.conversation_id, ended.end.text)

    async def _store(self, turn_id: UUID, said: Said, *, is_last: bool = False) -> tuple[str, int | None]:
        """What the turn's status is now, and the answer's place."""
        if said.text is not None and said.error is None:
            return "answered", await self._ledger.answer(turn_id, said, is_last=is_last)
        status = "waiting" if said.error is None else "failed"
        await self._ledger.close_turn(turn_id, status, said)
        return status, None


def _ended_with_an_answer(exchange: Exchange, told: Sequence[TurnView | None]) -> bool:
    """Whether the last answer has ended the exchange already."""
    one_by_one = exchange.collaboration_model == "sequential" or len(exchange.recipients) == 1
    last = told[-1] if told else None
    return one_by_one and last is not None and last.seq is not None
