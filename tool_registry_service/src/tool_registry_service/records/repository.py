"""All SQL about recorded calls, beside what makes them."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from kgents_shared.db import PageRequest, id_in
from tool_registry_service.invocation.models import Invocation

# What a person may still have to look at is kept whatever its age.
KEPT_OUTCOMES = ("running", "waiting_approval", "unknown")
_LIKE_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class InvocationFilter:
    """Which calls are meant; None leaves a question out. `agent` is an id or a name, `tool` may have `*`."""

    agent: str | None = None
    run_id: UUID | None = None
    tool: str | None = None
    outcome: str | None = None
    principal: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    least_cost: Decimal | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a row must be."""
        asked: list[tuple[Any, Callable[[Any], ColumnElement[bool]]]] = [
            (self.run_id, lambda value: Invocation.run_id == value),
            (self.outcome, lambda value: Invocation.outcome == value),
            (self.principal, lambda value: Invocation.principal == value),
            (self.since, lambda value: Invocation.started_at >= value),
            (self.until, lambda value: Invocation.started_at < value),
            (self.least_cost, lambda value: Invocation.cost >= value),
            (self.tool, lambda value: Invocation.tool.like(_as_like(value), escape=_LIKE_ESCAPE)),
            (self.agent, _of_agent),
        ]
        return [condition(value) for value, condition in asked if value is not None]


class RecordRepository:
    """The calls of some owners' tools."""

    def __init__(self, session: AsyncSession, owner_ids: Collection[str]) -> None:
        self._session = session
        self._owner_ids = owner_ids

    async def find(self, invocation_id: UUID) -> Invocation | None:
        """One call."""
        query = select(Invocation).where(Invocation.owner_id.in_(self._owner_ids), Invocation.id == invocation_id)
        return (await self._session.execute(query)).scalar_one_or_none()

    async def page(self, wanted: InvocationFilter, request: PageRequest) -> Sequence[Invocation]:
        """`limit + 1` calls, newest first."""
        query = select(Invocation).where(Invocation.owner_id.in_(self._owner_ids), *wanted.conditions())
        if request.after is not None:
            query = query.where(Invocation.id < id_in(request.after))
        query = query.order_by(Invocation.id.desc()).limit(request.limit + 1)
        return (await self._session.execute(query)).scalars().all()


async def calls_of(session: AsyncSession, run_ids: Collection[UUID]) -> Sequence[Invocation]:
    """The calls of some runs, whoever owns their tools, the oldest first."""
    query = select(Invocation).where(Invocation.run_id.in_(run_ids)).order_by(Invocation.id)
    return (await session.execute(query)).scalars().all()


async def empty_calls(session: AsyncSession, run_ids: Collection[UUID]) -> None:
    """Forget what was said in the calls of some runs, whoever owns their tools."""
    said = update(Invocation).where(Invocation.run_id.in_(run_ids)).values(arguments={}, result=None)
    await session.execute(said)


async def forget_calls(session: AsyncSession, *, before: datetime, at_most: int) -> int:
    """Delete calls of every owner that began before then, the oldest first; how many there were."""
    old = (
        select(Invocation.id)
        .where(Invocation.started_at < before, Invocation.outcome.not_in(KEPT_OUTCOMES))
        .order_by(Invocation.started_at)
        .limit(at_most)
        .with_for_update(skip_locked=True)
    )
    gone = delete(Invocation).where(Invocation.id.in_(old.scalar_subquery())).returning(Invocation.id)
    return len((await session.execute(gone)).all())


def _as_like(pattern: str) -> str:
    escaped = pattern.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return escaped.replace("*", "%")


def _of_agent(agent: str) -> ColumnElement[bool]:
    try:
        return Invocation.agent_id == UUID(agent)
    except ValueError:
        return Invocation.agent_name == agent
