"""All SQL of approvals and their records. Decisions are single statements: of all that race for one, one is made."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from governance_service.approvals.models import ApprovalRecordRow, ApprovalRow
from governance_service.approvals.states import EXPIRE, LIVE, ApprovalStatus, Move
from governance_service.metadata import OUTBOX, SCHEMA
from kgents_shared.contracts.approvals import APPROVAL_DECIDED, ApprovalDecided
from kgents_shared.db import PageRequest, id_in
from kgents_shared.events import add_to_outbox, make_event

_EXPIRED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class ApprovalFilter:
    """Which approvals a list shows."""

    status: ApprovalStatus | None = None
    action: str | None = None
    agent_id: UUID | None = None
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRepository:
    """Approvals within one transaction."""

    session: AsyncSession

    async def add(self, values: Mapping[str, Any], lasts: timedelta) -> ApprovalRow | None:
        """A new approval; None where the owner's request key has one, also against a racer."""
        given = {**values, "status": ApprovalStatus.PENDING, "expires_at": func.now() + lasts}
        statement = postgresql.insert(ApprovalRow).values(given).on_conflict_do_nothing().returning(ApprovalRow)
        return await self.session.scalar(statement)

    async def of_key(self, owner_id: str, request_key: str) -> ApprovalRow | None:
        """The approval of an owner's request."""
        return await self.session.scalar(
            select(ApprovalRow).where(ApprovalRow.owner_id == owner_id, ApprovalRow.request_key == request_key)
        )

    async def pending(self, owner_id: str) -> int:
        """How many wait for the owner."""
        wanted = select(func.count()).where(
            ApprovalRow.owner_id == owner_id, ApprovalRow.status == ApprovalStatus.PENDING
        )
        return await self.session.scalar(wanted) or 0

    async def get(self, approval_id: UUID) -> ApprovalRow | None:
        """An approval of whomever."""
        return await self.session.scalar(select(ApprovalRow).where(ApprovalRow.id == approval_id))

    async def of_owners(self, owner_ids: Collection[str], approval_id: UUID) -> ApprovalRow | None:
        """One of the owners' approvals."""
        return await self.session.scalar(
            select(ApprovalRow).where(ApprovalRow.id == approval_id, ApprovalRow.owner_id.in_(owner_ids))
        )

    async def all_of(self, ids: Collection[UUID]) -> Sequence[ApprovalRow]:
        """Those of the ids that there are."""
        return (await self.session.scalars(select(ApprovalRow).where(ApprovalRow.id.in_(ids)))).all()

    async def page(
        self, owner_ids: Collection[str], wanted: ApprovalFilter, request: PageRequest
    ) -> Sequence[ApprovalRow]:
        """The owners' approvals, newest first, one more than the page holds. `InvalidInput` for a foreign cursor."""
        statement = select(ApprovalRow).where(ApprovalRow.owner_id.in_(owner_ids))
        if wanted.status is not None:
            statement = statement.where(_status_now() == wanted.status)
        for column, value in (
            (ApprovalRow.action, wanted.action),
            (ApprovalRow.agent_id, wanted.agent_id),
            (ApprovalRow.run_id, wanted.run_id),
        ):
            if value is not None:
                statement = statement.where(column == value)
        if request.after is not None:
            statement = statement.where(ApprovalRow.id < id_in(request.after))
        statement = statement.order_by(ApprovalRow.id.desc()).limit(request.limit + 1)
        return (await self.session.scalars(statement)).all()

    async def records(self, approval_id: UUID) -> Sequence[ApprovalRecordRow]:
        """What happened to an approval, in order."""
        return (
            await self.session.scalars(
                select(ApprovalRecordRow)
                .where(ApprovalRecordRow.approval_id == approval_id)
                .order_by(ApprovalRecordRow.id)
            )
        ).all()

    async def decide(self, approval_id: UUID, move: Move, decided_by: str, note: str | None) -> ApprovalRow | None:
        """Make the move of a person's decision, in time; None where it can't be made any more."""
        values = {"decided_by": decided_by, "decided_at": func.now(), "note": note}
        return await self._move(move, values, ApprovalRow.id == approval_id, ApprovalRow.expires_at > func.now())

    async def consume(self, move: Move, row: ApprovalRow) -> ApprovalRow | None:
        """Make the move of who carries it out: of that decision, in time; None where another was first."""
        return await self._move(
            move,
            {},
            ApprovalRow.id == row.id,
            ApprovalRow.decided_by == row.decided_by,
            ApprovalRow.expires_at > func.now(),
        )

    async def void(self, move: Move, row: ApprovalRow) -> ApprovalRow | None:
        """Make the move of a decision that is withdrawn."""
        return await self._move(move, {}, ApprovalRow.id == row.id, ApprovalRow.decided_by == row.decided_by)

    async def move_run(self, move: Move, run_id: UUID) -> Sequence[ApprovalRow]:
        """Make the move for all of a run's approvals that can and whose time isn't over."""
        in_time = ApprovalRow.expires_at > func.now()
        statement = update(ApprovalRow).where(ApprovalRow.run_id == run_id, _can(move), in_time)
        statement = statement.values(status=move.after)
        return (await self.session.scalars(statement.returning(ApprovalRow))).all()

    async def expire(self) -> Sequence[ApprovalRow]:
        """End some of those whose time has passed."""
        old = (
            select(ApprovalRow.id)
            .where(_can(EXPIRE), ApprovalRow.expires_at <= func.now())
            .order_by(ApprovalRow.expires_at)
            .limit(_EXPIRED_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        statement = update(ApprovalRow).where(ApprovalRow.id.in_(old)).values(status=EXPIRE.after)
        return (await self.session.scalars(statement.returning(ApprovalRow))).all()

    async def record(self, approval_id: UUID, what: str, who: str, note: str | None = None) -> None:
        """Write down for good what happened."""
        row = {"approval_id": approval_id, "what": what, "who": who, "note": note}
        await self.session.execute(insert(ApprovalRecordRow).values(row))

    async def tell(self, row: ApprovalRow) -> None:
        """Write the event that it is pending no longer."""
        told = ApprovalDecided.model_validate(
            {"approval_id": row.id, "owner_id": row.owner_id, "run_id": row.run_id, "status": row.status}
        )
        await add_to_outbox(self.session, OUTBOX, make_event(SCHEMA, APPROVAL_DECIDED, str(row.id), told))

    async def _move(self, move: Move, values: Mapping[str, Any], *where: ColumnElement[bool]) -> ApprovalRow | None:
        statement = update(ApprovalRow).where(_can(move), *where).values({**values, "status": move.after})
        return await self.session.scalar(statement.returning(ApprovalRow))


def status_at(row: ApprovalRow, now: datetime) -> ApprovalStatus:
    """Where it stands: what has run out is expired, whether or not that is written down yet."""
    status = ApprovalStatus(row.status)
    return ApprovalStatus.EXPIRED if status in LIVE and row.expires_at <= now else status


def _status_now() -> ColumnElement[str]:
    ran_out = _can(EXPIRE) & (ApprovalRow.expires_at <= func.now())
    return case((ran_out, str(ApprovalStatus.EXPIRED)), else_=ApprovalRow.status)


def _can(move: Move) -> ColumnElement[bool]:
    return ApprovalRow.status.in_(sorted(move.before))
