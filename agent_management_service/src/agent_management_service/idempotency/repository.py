"""All SQL on the table `idempotency_keys`, filtered by the owner."""

from dataclasses import dataclass
from datetime import timedelta
from typing import cast

from sqlalchemy import CursorResult, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from agent_management_service.idempotency.models import IdempotencyRow

KEEP = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class IdempotencyRepository:
    """Keys and their answers."""

    session: AsyncSession

    async def claim(self, owner_id: str, key: str, request_hash: bytes) -> IdempotencyRow | None:
        """None where the key is new and now ours; else the row of the request that had it first.

        A racer with the same key waits here until the first one's transaction ends: the index makes it.
        """
        values = {"owner_id": owner_id, "key": key, "request_hash": request_hash}
        statement = insert(IdempotencyRow).values(values).on_conflict_do_nothing().returning(IdempotencyRow.key)
        if await self.session.scalar(statement) is not None:
            return None
        return (
            await self.session.scalars(
                select(IdempotencyRow).where(IdempotencyRow.owner_id == owner_id, IdempotencyRow.key == key)
            )
        ).one()

    async def keep(self, owner_id: str, key: str, status: int, location: str | None, body: object) -> None:
        """Store the answer beside the effect."""
        await self.session.execute(
            update(IdempotencyRow)
            .where(IdempotencyRow.owner_id == owner_id, IdempotencyRow.key == key)
            .values(status=status, location=location, body=body)
        )

    async def forget_old(self) -> int:
        """Drop the keys of more than `KEEP` ago; how many."""
        statement = delete(IdempotencyRow).where(IdempotencyRow.created_at < func.now() - KEEP)
        return cast("CursorResult[object]", await self.session.execute(statement)).rowcount
