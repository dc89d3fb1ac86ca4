"""All SQL about authorizations that wait for a person."""

from datetime import UTC, datetime
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from tool_registry_service.authorization.models import PendingAuthorization


class PendingRepository:
    """Authorizations that wait, of every owner: whoever brings a `state` back is known by nothing else."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put(self, pending: PendingAuthorization) -> None:
        """Store one in place of those that its server has."""
        await self._session.execute(
            delete(PendingAuthorization).where(
                (PendingAuthorization.server_id == pending.server_id)
                | (PendingAuthorization.expires_at < datetime.now(UTC))
            )
        )
        self._session.add(pending)
        await self._session.flush()

    async def take(self, state_hash: str) -> tuple[UUID, str] | None:
        """The server and owner that the one with this state is of, which waits no more; None where none does."""
        taken = await self._session.execute(
            delete(PendingAuthorization)
            .where(PendingAuthorization.state_hash == state_hash, PendingAuthorization.expires_at > datetime.now(UTC))
            .returning(PendingAuthorization.server_id, PendingAuthorization.owner_id)
        )
        row = taken.one_or_none()
        return None if row is None else (row[0], row[1])
