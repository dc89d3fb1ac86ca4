"""SQL of people."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import exists, func, literal, select, update
from sqlalchemy.dialects.postgresql import array_agg, insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.users.models import User, UserRole
from kgents_shared.db import PageRequest, new_id


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A person with the names of their roles. `created_at` is UTC."""

    id: UUID
    email: str
    name: str
    created_at: datetime
    disabled: bool
    roles: frozenset[str]
    token_epoch: int


class UserRepository:
    """People within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def ensure(self, provider: str, subject: str, email: str, name: str, *, role: str) -> tuple[UUID, bool]:
        """The id of the provider's `subject`, and whether it is new; a new one gets `role`.

        Known or new, the same statements run and the same rows are touched, so that time tells nothing. An address that
        the provider has changed meanwhile is changed here.
        """
        row = {"id": new_id(), "identity_provider": provider, "provider_subject": subject, "email": email, "name": name}
        upsert = (
            insert(User)
            .values(row)
            .on_conflict_do_update(
                index_elements=[User.identity_provider, User.provider_subject], set_={"email": email}
            )
            .returning(User.id)
        )
        user_id = (await self._session.execute(upsert)).scalar_one()
        is_new = user_id == row["id"]
        granted = select(literal(user_id), literal(role)).where(literal(is_new))
        await self._session.execute(insert(UserRole).from_select(["user_id", "role"], granted))
        return user_id, is_new

    async def grant(self, user_id: UUID, role: str) -> None:
        """Give a role; nothing changes for a person who has it."""
        await self._session.execute(insert(UserRole).values(user_id=user_id, role=role).on_conflict_do_nothing())

    async def somebody_has(self, role: str) -> bool:
        """Whether anybody has `role`."""
        return bool(await self._session.scalar(select(exists().where(UserRole.role == role))))

    async def id_of(self, provider: str, subject: str) -> UUID | None:
        """The id of the provider's `subject`, if they have come here before."""
        wanted = select(User.id).where(User.identity_provider == provider, User.provider_subject == subject)
        return await self._session.scalar(wanted)

    async def origin_of(self, user_id: UUID) -> tuple[str, str] | None:
        """The provider that a person comes from, and what it calls them."""
        wanted = select(User.identity_provider, User.provider_subject).where(User.id == user_id)
        row = (await self._session.execute(wanted)).one_or_none()
        return None if row is None else (row[0], row[1])

    async def lock_address(self, email: str) -> None:
        """Until this transaction ends nobody else who locks this address makes a person with it."""
        await self._session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"address {email}", 0))))

    async def find(self, user_id: UUID) -> UserRecord | None:
        """A person by id, disabled ones too."""
        wanted = select(User.email, User.name, User.created_at, User.disabled_at, User.token_epoch).where(
            User.id == user_id
        )
        row = (await self._session.execute(wanted)).one_or_none()
        if row is None:
            return None
        email, name, created_at, disabled_at, epoch = row
        roles = await self._session.scalars(select(UserRole.role).where(UserRole.user_id == user_id))
        return UserRecord(user_id, email, name, created_at, disabled_at is not None, frozenset(roles), epoch)

    async def ids_of(self, addresses: Collection[str]) -> dict[str, UUID]:
        """The ids of those addresses that somebody has. An address is of one person a provider; the newest counts."""
        wanted = select(User.email, User.id).where(User.email.in_(addresses)).order_by(User.id)
        return {row.email: row.id for row in await self._session.execute(wanted)}

    async def page(
        self, page: PageRequest, *, email: str | None, role: str | None, disabled: bool | None
    ) -> list[UserRecord]:
        """People, newest first, one more than the page holds."""
        roles = select(array_agg(UserRole.role)).where(UserRole.user_id == User.id).scalar_subquery()
        wanted = (
            select(User.id, User.email, User.name, User.created_at, User.disabled_at, roles, User.token_epoch)
            .order_by(User.id.desc())
            .limit(page.limit + 1)
        )
        if email is not None:
            wanted = wanted.where(User.email == email)
        if role is not None:
            wanted = wanted.where(exists().where(UserRole.user_id == User.id, UserRole.role == role))
        if disabled is not None:
            wanted = wanted.where(User.disabled_at.is_not(None) if disabled else User.disabled_at.is_(None))
        if page.after is not None:
            wanted = wanted.where(User.id < UUID(page.after[0]))
        return [
            UserRecord(row[0], row[1], row[2], row[3], row[4] is not None, frozenset(row[5] or ()), row[6])
            for row in await self._session.execute(wanted)
        ]

    async def set_disabled(self, user_id: UUID, *, disabled: bool) -> None:
        """Disable a person, or let them in again."""
        moment = func.now() if disabled else None
        await self._session.execute(
            update(User).where(User.id == user_id).values(disabled_at=moment, updated_at=func.now())
        )

    async def rename(self, user_id: UUID, name: str) -> None:
        """Set a person's name."""
        await self._session.execute(update(User).where(User.id == user_id).values(name=name, updated_at=func.now()))
