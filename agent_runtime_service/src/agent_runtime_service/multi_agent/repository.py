"""Contexts and their participants, filtered by owners; the SQL is in `statements`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb

from agent_runtime_service.multi_agent import statements
from agent_runtime_service.multi_agent.schemas import (
    MOST_PARTICIPANTS,
    AgentMetrics,
    ContextChanges,
    ContextMetrics,
    HistoryMessage,
    NewContext,
    StateView,
)
from kgents_shared.db import HotPool, PageRequest, id_in, new_id


@dataclass(frozen=True, slots=True)
class Participant:
    """One agent of a context as it is stored."""

    agent_id: UUID
    agent_name: str
    agent_owner_id: str
    role: str
    visibility: str
    place: int = 0
    conversation_id: UUID | None = None
    joined_seq: int = 0
    joined_at: datetime | None = None
    left_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredContext:
    """One context with everybody who takes or took part."""

    id: UUID
    owner_id: str
    name: str
    collaboration_model: str
    status: str
    details: dict[str, Any]
    last_seq: int
    created_at: datetime
    last_activity: datetime
    participants: tuple[Participant, ...]

    @property
    def active(self) -> list[Participant]:
        """Who takes part now."""
        return [participant for participant in self.participants if participant.left_at is None]


class ContextRepository:
    """Reads and writes contexts."""

    def __init__(self, pool: HotPool) -> None:
        self._pool = pool

    async def find(self, owner_ids: Collection[str], context_id: UUID) -> StoredContext | None:
        """The owners' context of that id."""
        rows = await self._rows(statements.FIND, {"id": context_id, "owner_ids": sorted(owner_ids)})
        return _context(rows[0]) if rows else None

    async def page(self, owner_ids: Collection[str], request: PageRequest) -> list[StoredContext]:
        """`limit + 1` of the owners' contexts, newest first."""
        after = None if request.after is None else id_in(request.after)
        values = {"owner_ids": sorted(owner_ids), "after": after, "limit": request.limit + 1}
        return [_context(row) for row in await self._rows(statements.PAGE, values)]

    async def create(
        self,
        owner_id: str,
        by: str,
        body: NewContext,
        participants: Sequence[Participant],
        key: tuple[str, bytes] | None,
    ) -> UUID | None:
        """Store a context; its id, or None where the key stands for another one."""
        given = [
            {
                "agent_id": str(one.agent_id), "agent_name": one.agent_name, "agent_owner_id": one.agent_owner_id,
                "role": one.role, "visibility": one.visibility, "place": place,
            }
            for place, one in enumerate(participants, start=1)
        ]  # fmt: skip
        values = {
            "id": new_id(), "owner_id": owner_id, "created_by": by, "name": body.name,
            "collaboration_model": body.collaboration_model, "details": Jsonb(body.metadata),
            "participants": Jsonb(given), "key": key[0] if key else None, "hash": key[1] if key else None,
        }  # fmt: skip
        rows = await self._rows(statements.CREATE, values)
        return rows[0][0] if rows else None

    async def by_key(self, owner_id: str, key: str) -> tuple[StoredContext, bytes | None] | None:
        """The context that the key stands for, with what it was made from."""
        rows = await self._rows(statements.BY_KEY, {"owner_id": owner_id, "key": key})
        if not rows:
            return None
        context = _context(rows[0])
        return context, (await self._rows(statements.KEY_HASH, {"id": context.id}))[0][0]

    async def update(self, owner_ids: Collection[str], context_id: UUID, changes: ContextChanges) -> bool:
        """Change what is named; False where there is no such context."""
        details = None if changes.metadata is None else Jsonb(changes.metadata)
        values = changes.model_dump(exclude={"metadata"}) | {"details": details}
        return await self._did(statements.UPDATE, owner_ids, context_id, values)

    async def delete(self, owner_ids: Collection[str], context_id: UUID) -> bool:
        """Delete a context with all that was said in it; False where there is none."""
        return await self._did(statements.DELETE, owner_ids, context_id, {})

    async def join(self, owner_ids: Collection[str], context_id: UUID, one: Participant) -> bool:
        """Have an agent take part; False where as many do as may."""
        values = {
            "agent_id": one.agent_id, "agent_name": one.agent_name, "agent_owner_id": one.agent_owner_id,
            "role": one.role, "visibility": one.visibility, "most": MOST_PARTICIPANTS,
        }  # fmt: skip
        return await self._did(statements.JOIN, owner_ids, context_id, values)

    async def leave(self, owner_ids: Collection[str], context_id: UUID, agent_id: UUID) -> bool:
        """Have an agent take part no longer; False where it doesn't."""
        return await self._did(statements.LEAVE, owner_ids, context_id, {"agent_id": agent_id})

    async def persist(
        self, owner_ids: Collection[str], context_id: UUID, data: Mapping[str, Any], version: int | None
    ) -> StateView | None:
        """Keep something with a context; None where it has another version, or isn't there."""
        values = {"id": context_id, "owner_ids": sorted(owner_ids), "data": Jsonb(dict(data)), "version": version}
        rows = await self._rows(statements.PERSIST, values)
        return _state(rows[0]) if rows else None

    async def state(self, owner_ids: Collection[str], context_id: UUID) -> StateView | None:
        """What is kept with it."""
        rows = await self._rows(statements.STATE, {"id": context_id, "owner_ids": sorted(owner_ids)})
        return _state(rows[0]) if rows else None

    async def history(
        self, context_id: UUID, after: int, limit: int, agent_id: UUID | None = None
    ) -> list[HistoryMessage]:
        """Messages in their order, all or what one agent may see, of a context that the caller may see."""
        values = {"id": context_id, "after": after, "limit": limit, "agent_id": agent_id}
        names = (
            "seq", "kind", "from_id", "from_name", "to", "visible_to", "text", "run_id", "exchange_id", "governance",
            "sent_at",
        )  # fmt: skip
        rows = await self._rows(statements.HISTORY, values)
        return [HistoryMessage(**dict(zip(names, row, strict=True))) for row in rows]

    async def metrics(self, context_id: UUID) -> ContextMetrics:
        """What a context took that the caller may see."""
        names = tuple(AgentMetrics.model_fields)
        rows = await self._rows(statements.METRICS, {"id": context_id})
        agents = [AgentMetrics(**dict(zip(names, row, strict=True))) for row in rows]
        messages, by_people, by_agents, exchanges = (await self._rows(statements.TOTALS, {"id": context_id}))[0]
        return ContextMetrics(
            context_id=context_id,
            messages=messages,
            by_people=by_people,
            by_agents=by_agents,
            exchanges=exchanges,
            prompt_tokens=sum(one.prompt_tokens for one in agents),
            completion_tokens=sum(one.completion_tokens for one in agents),
            cost=_sum([one.cost for one in agents]),
            agents=agents,
        )

    async def _did(
        self, statement: str, owner_ids: Collection[str], context_id: UUID, values: Mapping[str, Any]
    ) -> bool:
        return bool(await self._rows(statement, {**values, "id": context_id, "owner_ids": sorted(owner_ids)}))

    async def _rows(self, statement: str, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)  # pyright: ignore[reportArgumentType] -- our constants
            return await cursor.fetchall()


def _sum(costs: Sequence[str | None]) -> str | None:
    known = [Decimal(cost) for cost in costs if cost is not None]
    return str(sum(known, Decimal(0))) if known else None


def _state(row: tuple[Any, ...]) -> StateView:
    return StateView(context_id=row[0], data=row[1], version=row[2], updated_at=row[3])


def _context(row: tuple[Any, ...]) -> StoredContext:
    *fields, participants = row
    return StoredContext(*fields, participants=tuple(_participant(one) for one in participants))


def _participant(row: Mapping[str, Any]) -> Participant:
    conversation, left = row["conversation_id"], row["left_at"]
    return Participant(
        agent_id=UUID(row["agent_id"]),
        agent_name=row["agent_name"],
        agent_owner_id=row["agent_owner_id"],
        role=row["role"],
        visibility=row["visibility"],
        place=row["place"],
        conversation_id=None if conversation is None else UUID(conversation),
        joined_seq=row["joined_seq"],
        joined_at=datetime.fromisoformat(row["joined_at"]),
        left_at=None if left is None else datetime.fromisoformat(left),
    )
