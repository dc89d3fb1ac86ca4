"""SQL of revocations."""

from datetime import timedelta
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.machines.models import AppClient
from auth_service.revocations.models import RevocationRow
from auth_service.users.models import User
from kgents_shared.contracts.revocations import Revocation, RevocationPage

# Longer than any access token lives (AuthSettings.access_token_ttl_s), the clocks' leeway included.
KEPT = timedelta(hours=1, minutes=5)
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('identity.revocations'))")
Kind = Literal["subject", "session", "token"]


class RevocationRepository:
    """Revocations within one transaction; they bite within a second of its commit."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def subject(self, subject: str) -> None:
        """Refuse everything issued to this user or client until now."""
        await self._session.execute(_LOCK)
        epoch = await self._next_epoch(subject)
        if epoch is not None:
            await self._add("subject", subject, epoch)

    async def session(self, session_id: UUID | str) -> None:
        """Refuse the access tokens of one login."""
        await self._add("session", str(session_id))

    async def token(self, token_id: str) -> None:
        """Refuse one access token."""
        await self._add("token", token_id)

    async def api_key(self, key_id: UUID) -> None:
        """Refuse an API key, also where it was just resolved."""
        await self._add("token", key_id.hex)

    async def after(self, position: int) -> RevocationPage:
        """What came after `position` and still means something, in order."""
        newest = await self._session.scalar(select(func.max(RevocationRow.position)))
        rows = await self._session.scalars(
            select(RevocationRow)
            .where(RevocationRow.position > position, RevocationRow.expires_at > func.now())
            .order_by(RevocationRow.position)
        )
        items = [
            Revocation(
                kind=cast("Kind", row.kind), subject=row.subject, epoch=row.epoch, expires_at=row.expires_at.timestamp()
            )
            for row in rows
        ]
        # What was committed between the two statements comes again with the next page, which changes nothing.
        return RevocationPage(position=newest or 0, items=items)

    async def delete_expired(self) -> int:
        """Delete what means nothing any more, but for the newest row: it holds the position."""
        newest = select(func.max(RevocationRow.position)).scalar_subquery()
        deleted = await self._session.execute(
            delete(RevocationRow)
            .where(RevocationRow.expires_at < func.now(), RevocationRow.position < newest)
            .returning(RevocationRow.position)
        )
        return len(deleted.all())

    async def _next_epoch(self, subject: str) -> int | None:
        try:
            user_id = UUID(subject)
        except ValueError:
            statement = update(AppClient).where(AppClient.client_id == subject)
            return await self._session.scalar(
                statement.values(token_epoch=AppClient.token_epoch + 1).returning(AppClient.token_epoch)
            )
        statement = update(User).where(User.id == user_id)
        return await self._session.scalar(
            statement.values(token_epoch=User.token_epoch + 1).returning(User.token_epoch)
        )

    async def _add(self, kind: Kind, subject: str, epoch: int = 0) -> None:
        await self._session.execute(_LOCK)
        await self._session.execute(
            insert(RevocationRow).values(
                kind=kind, subject=subject, epoch=epoch, expires_at=func.clock_timestamp() + KEPT
            )
        )
