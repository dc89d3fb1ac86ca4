"""SQL of revocations."""

from datetime import timedelta
from typing import Literal
from uuid import UUID

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.machines.models import AppClient
from auth_service.revocations.models import RevocationRow
from auth_service.users.models import User
from kgents_shared.auth import Principal
from kgents_shared.contracts.revocations import Revocation, RevocationPage

# Longer than any access token lives (AuthSettings.access_token_ttl_s), the clocks' leeway included.
KEPT = timedelta(hours=1, minutes=5)
PAGE = 1000
_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('identity.revocations'))")
Kind = Literal["subject", "session", "token"]
# One statement, because every process of this service asks it twice a second.
_NEWEST = select(func.coalesce(func.max(RevocationRow.position), 0).label("position")).subquery()
_FOLLOWING = (
    select(RevocationRow)
    .where(RevocationRow.position > bindparam("after"), RevocationRow.expires_at > func.now())
    .order_by(RevocationRow.position)
    .limit(PAGE + 1)
    .subquery()
)
_AFTER = (
    select(
        _NEWEST.c.position,
        _FOLLOWING.c.position,
        _FOLLOWING.c.kind,
        _FOLLOWING.c.subject,
        _FOLLOWING.c.epoch,
        _FOLLOWING.c.expires_at,
    )
    .select_from(_NEWEST.outerjoin(_FOLLOWING, true()))
    .order_by(_FOLLOWING.c.position)
)


class RevocationRepository:
    """Revocations within one transaction; they bite within a second of its commit."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session
        self._waiting: list[tuple[Kind, str, int]] = []

    async def subject(self, subject: str) -> None:
        """Refuse everything issued to this user or client until now."""
        epoch = await self._next_epoch(subject)
        if epoch is not None:
            self._waiting.append(("subject", subject, epoch))

    async def session(self, session_id: UUID | str) -> None:
        """Refuse the access tokens of one login."""
        self._waiting.append(("session", str(session_id), 0))

    async def token(self, token_id: str) -> None:
        """Refuse one access token."""
        self._waiting.append(("token", token_id, 0))

    async def api_key(self, key_id: UUID) -> None:
        """Refuse an API key, also where it was just resolved."""
        self._waiting.append(("token", key_id.hex, 0))

    async def write(self) -> int | None:
        """Write what was revoked, as the transaction's last statement; the newest position, None where nothing was.

        Only so does who holds the lock wait for nobody's rows, and nobody waits longer than for a commit.
        """
        if not self._waiting:
            return None
        await self._session.execute(_LOCK)
        newest = 0
        for start in range(0, len(self._waiting), PAGE):
            rows = [
                {"kind": kind, "subject": subject, "epoch": epoch, "expires_at": func.clock_timestamp() + KEPT}
                for kind, subject, epoch in self._waiting[start : start + PAGE]
            ]
            statement = insert(RevocationRow).values(rows).returning(RevocationRow.position)
            newest = max(await self._session.scalars(statement))
        self._waiting = []
        return newest

    async def after(self, position: int) -> RevocationPage:
        """What came after `position` and still means something, in order, a page of it."""
        rows = (await self._session.execute(_AFTER, {"after": position})).all()
        newest = rows[0][0]
        found = [row for row in rows if row[1] is not None]  # the newest position comes alone where nothing follows
        shown, more = found[:PAGE], len(found) > PAGE
        items = [
            Revocation(kind=kind, subject=subject, epoch=epoch, expires_at=expires_at.timestamp())
            for _, _, kind, subject, epoch, expires_at in shown
        ]
        return RevocationPage(position=shown[-1][1] if more else newest, more=more, items=items)

    async def refuses(self, principal: Principal) -> bool:
        """Whether the caller was revoked, as the table has it at this moment; the feed is half a second behind."""
        row = RevocationRow
        epochs = ((principal.subject, principal.epoch), *principal.depends_on)
        over = [and_(row.kind == "subject", row.subject == subject, row.epoch > epoch) for subject, epoch in epochs]
        over.append(and_(row.kind == "token", row.subject.in_([principal.token_id, *sorted(principal.derived_from)])))
        if principal.session_id is not None:
            over.append(and_(row.kind == "session", row.subject == principal.session_id))
        return bool(await self._session.scalar(select(exists().where(or_(*over)))))

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
