"""SQL of mail requests and mailed tokens."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.mail.models import MailedToken, MailRequest
from auth_service.people.identity_provider import Identity
from kgents_shared.db import new_id

MailKind = Literal["registered", "registered_again", "verify", "reset"]
Purpose = Literal["verify", "reset"]
_LONGEST_PAUSE_S = 3600


@dataclass(frozen=True, slots=True)
class Due:
    """A mail whose time has come."""

    id: UUID
    kind: MailKind
    email: str
    attempts: int


class MailRepository:
    """Mail requests and mailed tokens within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def ask(self, kind: MailKind, email: str) -> None:
        """Ask for a mail to that address; it goes out after the commit, if the address is known."""
        await self._session.execute(insert(MailRequest).values(id=new_id(), kind=kind, email=email))

    async def due(self) -> Due | None:
        """The next mail to write, locked until the transaction ends; other replicas take others."""
        wanted = (
            select(MailRequest.id, MailRequest.kind, MailRequest.email, MailRequest.attempts)
            .where(MailRequest.next_try_at <= func.now())
            .order_by(MailRequest.next_try_at)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row = (await self._session.execute(wanted)).one_or_none()
        return None if row is None else Due(row[0], cast("MailKind", row[1]), row[2], row[3])

    async def done(self, request_id: UUID) -> None:
        """The mail is on its way, or there is nobody to send it to."""
        await self._session.execute(delete(MailRequest).where(MailRequest.id == request_id))

    async def put_off(self, due: Due) -> float:
        """Try again later, each time later; in how many seconds."""
        pause_s = min(2**due.attempts, _LONGEST_PAUSE_S)
        pause = timedelta(seconds=pause_s)
        later = update(MailRequest).where(MailRequest.id == due.id)
        await self._session.execute(later.values(attempts=due.attempts + 1, next_try_at=func.now() + pause))
        return pause_s

    async def keep_token(self, purpose: Purpose, identity: Identity, token_hash: bytes, lifetime_s: int) -> None:
        """Store a token that goes out; those sent before for the same purpose stop working."""
        await self._session.execute(
            delete(MailedToken).where(MailedToken.subject == identity.subject, MailedToken.purpose == purpose)
        )
        await self._session.execute(
            insert(MailedToken).values(
                token_hash=token_hash,
                purpose=purpose,
                subject=identity.subject,
                email=identity.email,
                name=identity.name,
                expires_at=func.now() + timedelta(seconds=lifetime_s),
            )
        )

    async def peek(self, purpose: Purpose, token_hash: bytes) -> Identity | None:
        """Whose token that is, if it can still be used; it stays."""
        wanted = select(MailedToken.subject, MailedToken.email, MailedToken.name).where(
            MailedToken.token_hash == token_hash, MailedToken.purpose == purpose, MailedToken.expires_at > func.now()
        )
        row = (await self._session.execute(wanted)).one_or_none()
        return None if row is None else Identity(*row)

    async def use(self, purpose: Purpose, token_hash: bytes) -> Identity | None:
        """Whose token that is; it works this once. None for one that is unknown, used or too old."""
        used = (
            delete(MailedToken)
            .where(MailedToken.token_hash == token_hash, MailedToken.purpose == purpose)
            .returning(MailedToken.subject, MailedToken.email, MailedToken.name, MailedToken.expires_at > func.now())
        )
        row = (await self._session.execute(used)).one_or_none()
        return Identity(row[0], row[1], row[2]) if row is not None and row[3] else None

    async def delete_expired(self) -> None:
        """Delete tokens that are too old."""
        await self._session.execute(delete(MailedToken).where(MailedToken.expires_at < func.now()))
