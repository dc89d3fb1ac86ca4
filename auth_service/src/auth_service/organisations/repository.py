"""SQL of organisations and their members. What a caller asks for is filtered by their membership."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.organisations.models import Organisation, OrganisationMember
from auth_service.users.models import User
from kgents_shared.db import PageRequest, new_id

MemberRole = Literal["owner", "member"]
# Who takes an owner away looks whether one is left, and who joins counts: one at a time an organisation or a person.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('identity.organisations:' || :about, 0))")
_HAS_JOINED = OrganisationMember.joined_at.is_not(None)


@dataclass(frozen=True, slots=True)
class OrganisationRecord:
    """An organisation, and what somebody is in it; until they have `joined`, what they are invited as."""

    id: UUID
    slug: str
    name: str
    created_at: datetime
    role: MemberRole
    joined: bool


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """Somebody in an organisation, or invited to it."""

    user_id: UUID
    name: str
    email: str
    role: MemberRole
    joined_at: datetime | None


class OrganisationRepository:
    """Organisations within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def of(self, user_id: UUID) -> dict[str, str]:
        """Slug → id of each organisation that the person has joined."""
        wanted = (
            select(Organisation.slug, Organisation.id)
            .join(OrganisationMember, OrganisationMember.organisation_id == Organisation.id)
            .where(OrganisationMember.user_id == user_id, _HAS_JOINED)
        )
        return {slug: str(organisation_id) for slug, organisation_id in await self._session.execute(wanted)}

    async def lock(self, about: UUID) -> None:
        """Let nobody else change this organisation's members, or this person's memberships, meanwhile."""
        await self._session.execute(_LOCK, {"about": str(about)})

    async def add(self, slug: str, name: str) -> UUID | None:
        """Store an organisation without members; None where the slug is taken, also against a racer."""
        row = {"id": new_id(), "slug": slug, "name": name}
        return await self._session.scalar(
            insert(Organisation).values(row).on_conflict_do_nothing().returning(Organisation.id)
        )

    async def known(self, reference: str) -> UUID | None:
        """The id of the organisation of that slug or id, whoever is in it."""
        return await self._session.scalar(select(Organisation.id).where(_named(reference)))

    async def slug_of(self, organisation_id: UUID) -> str | None:
        """The slug of an organisation, whoever is in it."""
        return await self._session.scalar(select(Organisation.slug).where(Organisation.id == organisation_id))

    async def find(self, user_id: UUID, reference: str) -> OrganisationRecord | None:
        """The organisation of that slug or id, if the person is in it or invited."""
        row = (await self._session.execute(_of(user_id).where(_named(reference)))).one_or_none()
        return None if row is None else _organisation(row)

    async def page(self, user_id: UUID, page: PageRequest) -> list[OrganisationRecord]:
        """The person's organisations and invitations by slug, one more than the page holds."""
        wanted = _of(user_id).order_by(Organisation.slug).limit(page.limit + 1)
        if page.after is not None:
            wanted = wanted.where(Organisation.slug > page.after[0])
        return [_organisation(row) for row in await self._session.execute(wanted)]

    async def rename(self, organisation_id: UUID, name: str) -> None:
        """Put another name."""
        await self._session.execute(update(Organisation).where(Organisation.id == organisation_id).values(name=name))

    async def members(self, organisation_id: UUID, page: PageRequest) -> list[MemberRecord]:
        """The members and the invited by id, one more than the page holds."""
        wanted = _members(organisation_id).order_by(User.id).limit(page.limit + 1)
        if page.after is not None:
            wanted = wanted.where(User.id > UUID(page.after[0]))
        return [_member(row) for row in await self._session.execute(wanted)]

    async def member(self, organisation_id: UUID, user_id: UUID) -> MemberRecord | None:
        """One member, or somebody invited."""
        row = (await self._session.execute(_members(organisation_id).where(User.id == user_id))).one_or_none()
        return None if row is None else _member(row)

    async def put(self, organisation_id: UUID, user_id: UUID, role: MemberRole) -> bool:
        """Invite the person in that role, or change it; False where there is no such person, or they are disabled."""
        person = select(literal(organisation_id), User.id, literal(role)).where(
            User.id == user_id, User.disabled_at.is_(None)
        )
        statement = insert(OrganisationMember).from_select(["organisation_id", "user_id", "role"], person)
        statement = statement.on_conflict_do_update(
            index_elements=[OrganisationMember.organisation_id, OrganisationMember.user_id], set_={"role": role}
        )
        return (await self._session.execute(statement.returning(OrganisationMember.user_id))).one_or_none() is not None

    async def join(self, organisation_id: UUID, user_id: UUID) -> None:
        """Make an invited person a member."""
        await self._session.execute(
            update(OrganisationMember)
            .where(OrganisationMember.organisation_id == organisation_id, OrganisationMember.user_id == user_id)
            .values(joined_at=func.now())
        )

    async def remove(self, organisation_id: UUID, user_id: UUID) -> None:
        """Take the person out, or the invitation back."""
        await self._session.execute(
            delete(OrganisationMember).where(
                OrganisationMember.organisation_id == organisation_id, OrganisationMember.user_id == user_id
            )
        )

    async def has_another_owner(self, organisation_id: UUID, user_id: UUID) -> bool:
        """Whether somebody else who isn't disabled owns it."""
        others: ColumnElement[bool] = OrganisationMember.user_id != user_id
        wanted = (
            exists()
            .where(OrganisationMember.organisation_id == organisation_id, OrganisationMember.role == "owner", others)
            .where(_HAS_JOINED, User.id == OrganisationMember.user_id, User.disabled_at.is_(None))
        )
        return bool(await self._session.scalar(select(wanted)))

    async def count(self, user_id: UUID) -> int:
        """How many organisations the person has joined."""
        wanted = select(func.count()).where(OrganisationMember.user_id == user_id, _HAS_JOINED)
        return await self._session.scalar(wanted) or 0


def _of(user_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(
            Organisation.id,
            Organisation.slug,
            Organisation.name,
            Organisation.created_at,
            OrganisationMember.role,
            OrganisationMember.joined_at,
        )
        .join(OrganisationMember, OrganisationMember.organisation_id == Organisation.id)
        .where(OrganisationMember.user_id == user_id)
    )


def _members(organisation_id: UUID) -> Select[*tuple[Any, ...]]:
    return (
        select(User.id, User.name, User.email, OrganisationMember.role, OrganisationMember.joined_at)
        .join(OrganisationMember, OrganisationMember.user_id == User.id)
        .where(OrganisationMember.organisation_id == organisation_id)
    )


def _organisation(row: Any) -> OrganisationRecord:
    return OrganisationRecord(*row[:4], role=cast("MemberRole", row[4]), joined=row[5] is not None)


def _member(row: Any) -> MemberRecord:
    return MemberRecord(*row[:3], role=cast("MemberRole", row[3]), joined_at=row[4])


def _named(reference: str) -> ColumnElement[bool]:
    try:
        return Organisation.id == UUID(reference)
    except ValueError:
        return Organisation.slug == reference
