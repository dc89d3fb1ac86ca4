"""SQL of refresh tokens."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.tokens.models import RefreshToken


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A refresh token as it stands at this moment."""

    id: UUID
    family_id: UUID
    user_id: UUID
    client_id: str
    scope: str | None
    used: bool
    revoked: bool
    expired: bool


@dataclass(frozen=True, slots=True)
class NewToken:
    """A refresh token to be stored; its lifetime is in seconds."""

    id: UUID
    family_id: UUID
    parent_id: UUID | None
    user_id: UUID
    client_id: str
    scope: str | None
    token_hash: bytes
    lifetime_s: int


class RefreshTokenRepository:
    """Refresh tokens within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, token: NewToken) -> None:
        """Store a new token; its time runs from now by the database's clock."""
        await self._session.execute(
            insert(RefreshToken).values(
                id=token.id,
                family_id=token.family_id,
                parent_id=token.parent_id,
                user_id=token.user_id,
                client_id=token.client_id,
                scope=token.scope,
                token_hash=token.token_hash,
                expires_at=func.now() + timedelta(seconds=token.lifetime_s),
            )
        )

    async def find_locked(self, token_hash: bytes) -> StoredToken | None:
        """The token of that hash, with its whole family locked until the transaction ends.

        The lock is on the family's first token: two uses of tokens of one family come one after the other, so that
        a family that is being killed can't grow a new token at that moment.
        """
        first_look = await self._find(token_hash)
        if first_look is None or (first_look.used and first_look.revoked):
            # A token that is used up in a dead family stays so: a flood of replays must not stand in line for a lock.
            return first_look
        family = first_look.family_id
        await self._session.execute(select(RefreshToken.id).where(RefreshToken.id == family).with_for_update())
        # A statement of its own, after the lock: it sees what the transaction before has committed.
        return await self._find(token_hash)

    async def _find(self, token_hash: bytes) -> StoredToken | None:
        wanted = select(
            RefreshToken.id,
            RefreshToken.family_id,
            RefreshToken.user_id,
            RefreshToken.client_id,
            RefreshToken.scope,
            RefreshToken.used_at.is_not(None),
            RefreshToken.revoked_at.is_not(None),
            RefreshToken.expires_at <= func.clock_timestamp(),
        ).where(RefreshToken.token_hash == token_hash)
        row = (await self._session.execute(wanted)).one_or_none()
        return None if row is None else StoredToken(*row)

    async def mark_used(self, token_id: UUID) -> None:
        """Say that the token was exchanged for its child."""
        await self._session.execute(
            update(RefreshToken).where(RefreshToken.id == token_id).values(used_at=func.clock_timestamp())
        )

    async def revoke_family(self, family_id: UUID) -> bool:
        """Revoke every token of a family; whether one was still alive."""
        alive: ColumnElement[bool] = RefreshToken.revoked_at.is_(None)
        revoked = await self._session.execute(
            update(RefreshToken)
            .where(RefreshToken.family_id == family_id, alive)
            .values(revoked_at=func.clock_timestamp())
            .returning(RefreshToken.id)
        )
        return bool(revoked.all())

    async def revoke_all(self, user_id: UUID, *, but: UUID | None = None) -> list[UUID]:
        """Revoke every session of a person but one; the families that were alive."""
        statement = update(RefreshToken).where(RefreshToken.user_id == user_id, RefreshToken.revoked_at.is_(None))
        if but is not None:
            statement = statement.where(RefreshToken.family_id != but)
        revoked = await self._session.execute(
            statement.values(revoked_at=func.clock_timestamp()).returning(RefreshToken.family_id)
        )
        return sorted(set(revoked.scalars()))

    async def delete_expired_families(self) -> int:
        """Delete the families whose last token has expired; how many tokens that were."""
        families = (
            select(RefreshToken.family_id)
            .group_by(RefreshToken.family_id)
            .having(func.max(RefreshToken.expires_at) < func.now())
        )
        deleted = await self._session.execute(
            delete(RefreshToken).where(RefreshToken.family_id.in_(families)).returning(RefreshToken.id)
        )
        return len(deleted.all())
