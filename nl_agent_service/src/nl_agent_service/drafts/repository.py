"""All SQL on the table `drafts`, filtered by the owner. A drafting takes minutes: each call is its own transaction."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from kgents_shared.db import Database
from nl_agent_service.drafts.models import DraftRow, DraftState

KEEP_KEYS = timedelta(hours=24)
INTERRUPTED = {"code": "draft_interrupted", "detail": "The platform ended while the agent was drafted."}


@dataclass(frozen=True, slots=True)
class DraftRepository:
    """Draftings; one that runs for longer than `longest` was left behind by a process that ended."""

    database: Database
    longest: timedelta

    async def begin(self, row: DraftRow) -> DraftRow | None:
        """Keep a new drafting. Where its key is taken, nothing is kept, and the key's drafting is what is returned."""
        values = {column.name: getattr(row, column.name) for column in DraftRow.__table__.columns}
        async with self.database.transaction() as session:
            if row.idempotency_key is not None:
                await session.execute(
                    update(DraftRow)
                    .where(_of_key(row), or_(self._is_left_behind(), DraftRow.created_at < func.now() - KEEP_KEYS))
                    .values(idempotency_key=None)
                )
            kept = insert(DraftRow).values(values).on_conflict_do_nothing().returning(DraftRow.id)
            if await session.scalar(kept) is not None:
                return None
            return (await session.scalars(select(DraftRow).where(_of_key(row)))).one()

    async def end(self, row: DraftRow) -> None:
        """Keep how it ended."""
        changed = ("state", "attempts", "result", "agent_id", "prompt_tokens", "completion_tokens", "fault")
        values = {name: getattr(row, name) for name in (*changed, "idempotency_key", "ended_at")}
        async with self.database.transaction() as session:
            await session.execute(update(DraftRow).where(DraftRow.id == row.id).values(values))

    async def get(self, owner_ids: Collection[str], draft_id: UUID) -> DraftRow | None:
        """One of the owners' draftings."""
        async with self.database.reading() as session:
            return await session.scalar(
                select(DraftRow).where(DraftRow.id == draft_id, DraftRow.owner_id.in_(owner_ids))
            )

    async def end_interrupted(self) -> None:
        """End what was left behind."""
        values = {"state": DraftState.FAILED, "fault": INTERRUPTED, "idempotency_key": None}
        async with self.database.transaction() as session:
            await session.execute(
                update(DraftRow).where(self._is_left_behind()).values(**values, ended_at=datetime.now(UTC))
            )

    async def forget_old(self, keep: timedelta) -> None:
        """Drop what ended more than `keep` ago."""
        async with self.database.transaction() as session:
            await session.execute(delete(DraftRow).where(DraftRow.ended_at < func.now() - keep))

    def _is_left_behind(self) -> ColumnElement[bool]:
        return (DraftRow.state == DraftState.RUNNING) & (DraftRow.created_at < func.now() - self.longest)


def _of_key(row: DraftRow) -> ColumnElement[bool]:
    return (DraftRow.asked_by == row.asked_by) & (DraftRow.idempotency_key == row.idempotency_key)
