"""SQL of roles and permissions."""

from collections.abc import Mapping

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.roles.models import Permission, Role, RolePermission


class RoleRepository:
    """Roles within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def make_so(self, roles: Mapping[str, frozenset[str]]) -> None:
        """Make each of `roles` bring exactly its scopes; roles that aren't named stay as they are."""
        pairs = [(role, scope) for role, scopes in sorted(roles.items()) for scope in sorted(scopes)]
        names = [{"name": name} for name in sorted(roles)]
        scopes = [{"scope": scope} for scope in sorted({scope for _, scope in pairs})]
        rows = [{"role": role, "scope": scope} for role, scope in pairs]
        await self._session.execute(insert(Role).on_conflict_do_nothing(), names)
        await self._session.execute(insert(Permission).on_conflict_do_nothing(), scopes)
        await self._session.execute(insert(RolePermission).on_conflict_do_nothing(), rows)
        surplus = delete(RolePermission).where(
            RolePermission.role.in_(sorted(roles)), tuple_(RolePermission.role, RolePermission.scope).not_in(pairs)
        )
        await self._session.execute(surplus)

    async def scopes_of(self, roles: frozenset[str]) -> frozenset[str]:
        """The scopes that `roles` bring together."""
        wanted = select(RolePermission.scope).where(RolePermission.role.in_(sorted(roles))).distinct()
        return frozenset(await self._session.scalars(wanted))
