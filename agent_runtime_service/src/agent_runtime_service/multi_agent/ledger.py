"""The rows of exchanges and turns: what is under way in contexts, under a lease."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid5

import orjson
from psycopg.errors import UniqueViolation
from psycopg.types.json import Jsonb

from agent_runtime_service.multi_agent import statements
from agent_runtime_service.multi_agent.schemas import TurnView
from kgents_shared.db import HotPool, new_id


@dataclass(frozen=True, slots=True)
class Exchange:
    """A message and what is to be answered to it."""

    id: UUID
    context_id: UUID
    owner_id: str
    principal: str
    seq: int
    recipients: tuple[UUID, ...]
    is_private: bool
    rounds: int
    collaboration_model: str
    status: str = "running"
    request_hash: bytes | None = None

    def turn_id(self, number: int, agent_id: UUID) -> UUID:
        """The id of an agent's turn in a round: the same whoever drives it, so that its run is the same, too."""
        if number == 1 and agent_id == self.recipients[0]:
            return self.id
        return uuid5(self.id, f"{number}/{agent_id}")


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What somebody says to all in a context."""

    context_id: UUID
    principal: str
    text: str
    is_private: bool
    rounds: int


@dataclass(frozen=True, slots=True)
class Turn:
    """An agent's turn: where it answers, and what it is told."""

    id: UUID
    status: str
    agent_name: str
    agent_owner_id: str
    conversation_id: UUID | None
    messages: Sequence[Mapping[str, Any]]
    principals: frozenset[str] = frozenset()  # for whom these were said
    runs: frozenset[UUID] = frozenset()  # those that answered with them


@dataclass(frozen=True, slots=True)
class Said:
    """What a run ended with: its conversation, and the text, or why there is none."""

    run_id: UUID | None
    conversation_id: UUID | None
    text: str | None = None
    error: Mapping[str, Any] | None = None


class ExchangeLedger:
    """Writes exchanges and turns; each write is one statement."""

    def __init__(self, pool: HotPool, lease_s: float) -> None:
        self._pool = pool
        self._lease = timedelta(seconds=lease_s)

    async def open(self, new: Exchange, text: str, to: Sequence[UUID] | None, key: str | None) -> int | None:
        """Store a message and its exchange; its place, or None where another is under way or has the key."""
        values = {
            "exchange_id": new.id, "context_id": new.context_id, "principal": new.principal,
            "recipients": list(new.recipients), "private": new.is_private, "rounds": new.rounds,
            "collaboration_model": new.collaboration_model, "lease": self._lease, "key": key,
            "hash": new.request_hash, "to": None if to is None else list(to),
            "visible_to": list(new.recipients) if new.is_private else None, "text": text,
            "governance": Jsonb({"principal": new.principal, "owner_id": new.owner_id, "private": new.is_private}),
        }  # fmt: skip
        try:
            rows = await self._rows(statements.OPEN, values)
        except UniqueViolation:
            return None
        return rows[0][0] if rows else None

    async def open_to_all(
        self, new: NewMessage, owner_ids: Collection[str], key: tuple[str, bytes] | None
    ) -> tuple[Exchange, Turn | None] | None:
        """Store a message to all in one of the owners' contexts; with the first turn, where that can be begun at once.

        None where there is no such context that takes it, for whatever reason.
        """
        exchange_id = new_id()
        values = {
            "exchange_id": exchange_id, "context_id": new.context_id, "owner_ids": sorted(owner_ids),
            "principal": new.principal, "private": new.is_private, "rounds": new.rounds, "lease": self._lease,
            "key": key and key[0], "hash": key and key[1], "text": new.text,
        }  # fmt: skip
        try:
            rows = await self._rows(statements.OPEN_TO_ALL, values)
        except UniqueViolation:
            return None
        if not rows:
            return None
        owner_id, seq, model, recipients, name, agent_owner_id, conversation_id, earlier = rows[0]
        exchange = Exchange(
            exchange_id, new.context_id, owner_id, new.principal, seq, tuple(recipients), new.is_private, new.rounds,
            model,
        )  # fmt: skip
        if name is None:
            return exchange, None
        # In the order that the database gives them in: whoever takes the turn over must tell the agent the very same.
        said = {"from": new.principal, "kind": "person", "text": new.text, "principal": new.principal, "run_id": None}
        messages = [*(earlier or ()), said]
        return exchange, _turn(exchange_id, "running", name, agent_owner_id, conversation_id, messages)

    async def by_key(self, context_id: UUID, key: str) -> Exchange | None:
        """The exchange that the key stands for."""
        rows = await self._rows(statements.EXCHANGE_BY_KEY, {"context_id": context_id, "key": key})
        return _exchange(rows[0]) if rows else None

    async def find(self, exchange_id: UUID) -> Exchange | None:
        """The exchange of that id."""
        rows = await self._rows(statements.EXCHANGE, {"exchange_id": exchange_id})
        return _exchange(rows[0]) if rows else None

    async def last_seq(self, context_id: UUID) -> int:
        """The place of a context's last message."""
        rows = await self._rows(statements.LAST_SEQ, {"context_id": context_id})
        return rows[0][0] if rows else 0

    async def begin_turn(self, exchange: Exchange, number: int, agent_id: UUID, until: int | None) -> Turn | None:
        """An agent's turn, as it was begun before if it was; None where the agent has left."""
        turn_id = exchange.turn_id(number, agent_id)
        values = {
            "turn_id": turn_id, "exchange_id": exchange.id, "context_id": exchange.context_id, "agent_id": agent_id,
            "round": number, "until": until,
        }  # fmt: skip
        rows = await self._rows(statements.BEGIN_TURN, values)
        if not rows:
            return None
        status, name, owner_id, conversation_id, messages = rows[0]
        return _turn(turn_id, status, name, owner_id, conversation_id, messages or [])

    async def note_quoted(self, exchange: Exchange, turn: Turn, run_id: UUID) -> None:
        """Store whose words the run of a turn was told, so that they go with them."""
        if exchange.owner_id == exchange.principal:
            return  # nobody else says anything in a context of one's own
        values = {
            "run_id": run_id, "principal": exchange.principal, "principals": sorted(turn.principals),
            "runs": list(turn.runs),
        }  # fmt: skip
        await self._execute(statements.QUOTED, values)

    async def answer(self, turn_id: UUID, said: Said, *, is_last: bool = False) -> int | None:
        """Store what an agent said, once; its place, or None where it is stored already. The last one ends it all."""
        values = {
            "turn_id": turn_id, "run_id": said.run_id, "conversation_id": said.conversation_id, "text": said.text,
            "is_last": is_last,
        }  # fmt: skip
        rows = await self._rows(statements.ANSWER, values)
        return rows[0][0] if rows else None

    async def close_turn(self, turn_id: UUID, status: str, said: Said) -> None:
        """Store that a turn has no answer, or none yet."""
        values = {
            "turn_id": turn_id, "status": status, "run_id": said.run_id, "conversation_id": said.conversation_id,
            "error": None if said.error is None else orjson.dumps(said.error).decode(),
        }  # fmt: skip
        await self._execute(statements.CLOSE_TURN, values)

    async def turns(self, exchange_id: UUID) -> list[TurnView]:
        """What became of an exchange's turns."""
        names = ("agent_id", "agent", "round", "status", "seq", "text", "run_id", "error")
        rows = await self._rows(statements.TURNS, {"exchange_id": exchange_id})
        return [TurnView(**dict(zip(names, row, strict=True))) for row in rows]

    async def settled(self) -> list[tuple[UUID, Said]]:
        """Turns that waited for an approval and whose run has ended."""
        rows = await self._rows(statements.SETTLED, {})
        return [
            (turn_id, Said(run_id, conversation_id, text, None if status == "completed" else error or {"code": status}))
            for turn_id, run_id, conversation_id, status, error, text in rows
        ]

    async def end(self, exchange: Exchange) -> None:
        """Nothing more comes."""
        await self._execute(statements.END, {"exchange_id": exchange.id})

    async def adopt(self, mine: Sequence[UUID]) -> list[Exchange]:
        """Exchanges that nobody drives any more, now this front's."""
        rows = await self._rows(statements.ADOPT, {"lease": self._lease, "mine": list(mine)})
        return [_exchange(row) for row in rows]

    async def renew(self, mine: Sequence[UUID]) -> None:
        """Prolong the leases of these."""
        await self._execute(statements.RENEW, {"lease": self._lease, "mine": list(mine)})

    async def release(self, mine: Sequence[UUID]) -> None:
        """Let another front take these at once."""
        await self._execute(statements.RELEASE, {"mine": list(mine)})

    async def _execute(self, statement: str, values: Mapping[str, Any]) -> None:
        async with self._pool.connection() as connection:
            await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()


def _turn(
    turn_id: UUID, status: str, name: str, owner_id: str, conversation_id: UUID | None, messages: list[dict[str, Any]]
) -> Turn:
    principals = frozenset(subject for one in messages if (subject := one.pop("principal")) is not None)
    runs = frozenset(UUID(run_id) for one in messages if (run_id := one.pop("run_id")) is not None)
    return Turn(turn_id, status, name, owner_id, conversation_id, messages, principals, runs)


def _exchange(row: Sequence[Any]) -> Exchange:
    (exchange_id, context_id, owner_id, principal, seq, recipients, is_private, rounds, model, status, kept) = row
    return Exchange(
        exchange_id, context_id, owner_id, principal, seq, tuple(recipients), is_private, rounds, model, status, kept
    )
