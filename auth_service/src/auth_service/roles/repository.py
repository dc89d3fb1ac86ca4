"""SQL of roles, permissions and who has which role."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, cast, delete, func, literal, select, text, tuple_, union_all, update
from sqlalchemy import Text as SqlText
from sqlalchemy.dialects.postgresql import aggregate_order_by, array_agg, insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.machines.models import AppClient, AppClientRole
from auth_service.roles.models import Permission, Role, RolePermission
from auth_service.users.models import User, UserRole
from kgents_shared.db import PageRequest

# Who takes an admin away looks whether one is left; two at once must not both see the other's.
_ADMINS_LOCK = text("SELECT pg_advisory_xact_lock(hashtext('identity.admins'))")


@dataclass(frozen=True, slots=True)
class RoleRecord:
    """A role and what it brings."""

    name: str
    description: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """A role that somebody has: a person's id or a client's, never both."""

    role: str
    user_id: UUID | None
    client_id: str | None

    @property
    def subject(self) -> str:
        """The subject of the tokens of whoever has it."""
        return str(self.client_id or self.user_id)


class RoleRepository:
    """Roles within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def make_so(self, roles: Mapping[str, frozenset[str]], descriptions: Mapping[str, str]) -> None:
        """Make each of `roles` bring exactly its scopes; roles that aren't named stay as they are."""
        pairs = [(role, scope) for role, scopes in sorted(roles.items()) for scope in sorted(scopes)]
        names = [{"name": name, "description": descriptions.get(name, "")} for name in sorted(roles)]
        scopes = [{"scope": scope} for scope in sorted({scope for _, scope in pairs})]
        rows = [{"role": role, "scope": scope} for role, scope in pairs]
        described = insert(Role)
        described = described.on_conflict_do_update(
            index_elements=[Role.name], set_={"description": described.excluded.description}
        )
        await self._session.execute(described, names)
        await self._session.execute(insert(Permission).on_conflict_do_nothing(), scopes)
        await self._session.execute(insert(RolePermission).on_conflict_do_nothing(), rows)
        surplus = delete(RolePermission).where(
            RolePermission.role.in_(sorted(roles)), tuple_(RolePermission.role, RolePermission.scope).not_in(pairs)
        )
        await self._session.execute(surplus)

    async def scopes_of(self, roles: frozenset[str]) -> frozenset[str]:
        """The scopes that `roles` bring together."""
        if not roles:
            return frozenset()
        wanted = select(RolePermission.scope).where(RolePermission.role.in_(sorted(roles))).distinct()
        return frozenset(await self._session.scalars(wanted))

    async def within(self, roles: frozenset[str], scopes: frozenset[str]) -> frozenset[str]:
        """Those of `roles` that bring nothing beyond `scopes`."""
        if not roles:
            return roles
        beyond = select(RolePermission.role).where(
            RolePermission.role.in_(sorted(roles)), RolePermission.scope.not_in(sorted(scopes))
        )
        return roles - frozenset(await self._session.scalars(beyond))

    async def find(self, name: str) -> RoleRecord | None:
        """The role of that name."""
        row = (await self._session.execute(_roles().where(Role.name == name))).one_or_none()
        return None if row is None else RoleRecord(row[0], row[1], tuple(row[2] or ()))

    async def page(self, page: PageRequest) -> list[RoleRecord]:
        """Roles by name, one more than the page holds."""
        wanted = _roles().order_by(Role.name).limit(page.limit + 1)
        if page.after is not None:
            wanted = wanted.where(Role.name > page.after[0])
        return [RoleRecord(row[0], row[1], tuple(row[2] or ())) for row in await self._session.execute(wanted)]

    async def add(self, name: str, description: str) -> bool:
        """Store a role that brings nothing yet; False where the name is taken, also against a racer."""
        statement = (
            insert(Role).values(name=name, description=description).on_conflict_do_nothing().returning(Role.name)
        )
        return (await self._session.execute(statement)).one_or_none() is not None

    async def describe(self, name: str, description: str) -> None:
        """Put another description."""
        await self._session.execute(update(Role).where(Role.name == name).values(description=description))

    async def set_permissions(self, name: str, scopes: Iterable[str]) -> None:
        """Make the role bring exactly these scopes."""
        wanted = sorted(scopes)
        await self._session.execute(
            delete(RolePermission).where(RolePermission.role == name, RolePermission.scope.not_in(wanted))
        )
        if wanted:
            rows = [{"role": name, "scope": scope} for scope in wanted]
            await self._session.execute(insert(RolePermission).on_conflict_do_nothing(), rows)

    async def delete(self, name: str) -> None:
        """Delete a role that nobody has."""
        await self._session.execute(delete(Role).where(Role.name == name))

    async def holders(self, role: str) -> list[Assignment]:
        """Everybody who has the role."""
        every = _assignments()
        return [_assignment(row) for row in await self._session.execute(select(every).where(every.c.role == role))]

    async def assignments(
        self, page: PageRequest, *, role: str | None, user_id: UUID | None, client_id: str | None
    ) -> list[Assignment]:
        """Who has which role, one more than the page holds."""
        every = _assignments()
        wanted = select(every).order_by(every.c.role, every.c.subject).limit(page.limit + 1)
        if role is not None:
            wanted = wanted.where(every.c.role == role)
        if user_id is not None:
            wanted = wanted.where(every.c.kind == "user", every.c.subject == str(user_id))
        if client_id is not None:
            wanted = wanted.where(every.c.kind == "client", every.c.subject == client_id)
        if page.after is not None:
            wanted = wanted.where(tuple_(every.c.role, every.c.subject) > tuple_(*map(literal, page.after[:2])))
        return [_assignment(row) for row in await self._session.execute(wanted)]

    async def assign(self, given: Assignment) -> bool:
        """Give the role; whether that changed something. False too where there is no such user or client."""
        if given.user_id is not None:
            person = select(literal(given.role), User.id).where(User.id == given.user_id)
            to_person = insert(UserRole).from_select(["role", "user_id"], person).on_conflict_do_nothing()
            return (await self._session.execute(to_person.returning(UserRole.role))).one_or_none() is not None
        client = select(literal(given.role), AppClient.client_id).where(AppClient.client_id == given.client_id)
        to_client = insert(AppClientRole).from_select(["role", "client_id"], client).on_conflict_do_nothing()
        return (await self._session.execute(to_client.returning(AppClientRole.role))).one_or_none() is not None

    async def take(self, given: Assignment) -> bool:
        """Take the role away; whether it was there."""
        if given.user_id is not None:
            statement = delete(UserRole).where(UserRole.role == given.role, UserRole.user_id == given.user_id)
            return (await self._session.execute(statement.returning(UserRole.role))).one_or_none() is not None
        statement = delete(AppClientRole).where(
            AppClientRole.role == given.role, AppClientRole.client_id == given.client_id
        )
        return (await self._session.execute(statement.returning(AppClientRole.role))).one_or_none() is not None

    async def another_has(self, role: str, user_id: UUID) -> bool:
        """Whether somebody else who isn't disabled has the role; one transaction at a time may ask."""
        await self._session.execute(_ADMINS_LOCK)
        others: ColumnElement[bool] = UserRole.user_id != user_id
        wanted = select(func.count()).select_from(UserRole).join(User, User.id == UserRole.user_id)
        found = await self._session.scalar(wanted.where(UserRole.role == role, others, User.disabled_at.is_(None)))
        return bool(found)


def _roles() -> Select[str, str, Sequence[str]]:
    scopes = (
        select(array_agg(aggregate_order_by(RolePermission.scope, RolePermission.scope)))
        .where(RolePermission.role == Role.name)
        .scalar_subquery()
    )
    return select(Role.name, Role.description, scopes)


def _assignments():
    people = select(UserRole.role, cast(UserRole.user_id, SqlText).label("subject"), literal("user").label("kind"))
    clients = select(AppClientRole.role, AppClientRole.client_id, literal("client"))
    return union_all(people, clients).subquery("assignments")


def _assignment(row: Sequence[str]) -> Assignment:
    role, subject, kind = row
    return Assignment(role, UUID(subject), None) if kind == "user" else Assignment(role, None, subject)
