"""SQL of applications as they are kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, cast
from uuid import UUID

from sqlalchemy import Select, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.machines.models import AppClient, AppClientRole, AppClientSecret
from kgents_shared.db import PageRequest


@dataclass(frozen=True, slots=True)
class SecretRecord:
    """A secret without what opens anything. Times are UTC."""

    id: UUID
    created_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class Application:
    """A client as it is kept; services have no owner. `secrets` are those that work, the newest first."""

    client_id: str
    kind: Literal["service", "app"]
    name: str
    owner_id: UUID | None
    scopes: tuple[str, ...]
    roles: tuple[str, ...]
    may_exchange: bool
    disabled: bool
    created_at: datetime
    jwks: tuple[dict[str, Any], ...] | None
    secrets: tuple[SecretRecord, ...]


class ApplicationRepository:
    """Applications within one transaction. `owner_id` narrows to one person's; None is an administrator's look."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(
        self, client_id: str, *, owner_id: UUID, name: str, scopes: Sequence[str], jwks: Sequence[dict[str, Any]] | None
    ) -> None:
        """Store an application."""
        row = {"client_id": client_id, "kind": "app", "owner_id": owner_id, "name": name, "scopes": list(scopes)}
        await self._session.execute(insert(AppClient).values(**row, jwks=None if jwks is None else list(jwks)))

    async def count(self, owner_id: UUID) -> int:
        """How many applications a person has."""
        return await self._session.scalar(select(func.count()).where(AppClient.owner_id == owner_id)) or 0

    async def find(self, client_id: str, owner_id: UUID | None = None, *, lock: bool = False) -> Application | None:
        """The client of that id; with `lock` nobody else changes it until the transaction ends."""
        wanted = _of(owner_id).where(AppClient.client_id == client_id)
        row = await self._session.scalar(wanted.with_for_update() if lock else wanted)
        return None if row is None else (await self._whole([row]))[0]

    async def page(self, page: PageRequest, owner_id: UUID | None = None) -> list[Application]:
        """Clients, newest first (their ids are in the order of their making), one more than the page holds."""
        wanted = _of(owner_id).order_by(AppClient.client_id.desc()).limit(page.limit + 1)
        if page.after is not None:
            wanted = wanted.where(AppClient.client_id < page.after[0])
        return await self._whole(list(await self._session.scalars(wanted)))

    async def change(self, client_id: str, **values: Any) -> None:
        """Set columns of a client."""
        await self._session.execute(update(AppClient).where(AppClient.client_id == client_id).values(**values))

    async def switch(self, client_id: str, *, disabled: bool) -> None:
        """Disable a client, or let it in again."""
        await self.change(client_id, disabled_at=func.now() if disabled else None)

    async def delete(self, client_id: str) -> None:
        """Delete a client with its secrets and roles."""
        await self._session.execute(delete(AppClient).where(AppClient.client_id == client_id))

    async def add_secret(self, secret_id: UUID, client_id: str, secret_hash: bytes) -> SecretRecord:
        """Store a secret that works from now on."""
        statement = insert(AppClientSecret).values(id=secret_id, client_id=client_id, secret_hash=secret_hash)
        stored = await self._session.execute(statement.returning(AppClientSecret.created_at))
        return SecretRecord(secret_id, stored.scalar_one(), None)

    async def end_secret(self, secret_id: UUID, *, in_s: int) -> None:
        """Let a secret work for so many more seconds at most."""
        end = func.now() + timedelta(seconds=in_s)
        await self._session.execute(
            update(AppClientSecret)
            .where(AppClientSecret.id == secret_id)
            .values(expires_at=func.least(func.coalesce(AppClientSecret.expires_at, end), end))
        )

    async def delete_secret(self, secret_id: UUID) -> None:
        """Delete a secret."""
        await self._session.execute(delete(AppClientSecret).where(AppClientSecret.id == secret_id))

    async def _whole(self, rows: Sequence[AppClient]) -> list[Application]:
        ids = [row.client_id for row in rows]
        roles: dict[str, list[str]] = {}
        secrets: dict[str, list[SecretRecord]] = {}
        given = select(AppClientRole.client_id, AppClientRole.role).where(AppClientRole.client_id.in_(ids))
        for client_id, role in await self._session.execute(given.order_by(AppClientRole.role)):
            roles.setdefault(client_id, []).append(role)
        live = select(AppClientSecret).where(
            AppClientSecret.client_id.in_(ids),
            or_(AppClientSecret.expires_at.is_(None), AppClientSecret.expires_at > func.now()),
        )
        for row in await self._session.scalars(live.order_by(AppClientSecret.id.desc())):
            secrets.setdefault(row.client_id, []).append(SecretRecord(row.id, row.created_at, row.expires_at))
        return [_application(row, roles.get(row.client_id, []), secrets.get(row.client_id, [])) for row in rows]


def _of(owner_id: UUID | None) -> Select[AppClient]:
    # Always as the database has it now: what an update has changed is read again.
    wanted = select(AppClient).execution_options(populate_existing=True)
    return wanted if owner_id is None else wanted.where(AppClient.owner_id == owner_id)


def _application(row: AppClient, roles: Sequence[str], secrets: Sequence[SecretRecord]) -> Application:
    return Application(
        client_id=row.client_id,
        kind=cast("Literal['service', 'app']", row.kind),
        name=row.name,
        owner_id=row.owner_id,
        scopes=tuple(row.scopes),
        roles=tuple(roles),
        may_exchange=row.may_exchange or row.kind == "service",
        disabled=row.disabled_at is not None,
        created_at=row.created_at,
        jwks=None if row.jwks is None else tuple(row.jwks),
        secrets=tuple(secrets),
    )
