"""SQL of clients."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, cast
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.machines.models import AppClient, AppClientRole
from auth_service.users.models import User

ClientKind = Literal["service", "app"]


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client that may come in. Its secret is stored as SHA-256."""

    client_id: str
    kind: ClientKind
    secret_hash: bytes
    roles: frozenset[str]
    token_epoch: int


class ClientRepository:
    """Clients within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find_enabled(self, client_id: str) -> ClientRecord | None:
        """The client of that id, unless it or its owner is disabled."""
        wanted = (
            select(AppClient.kind, AppClient.secret_hash, AppClient.token_epoch)
            .outerjoin(User, User.id == AppClient.owner_id)
            .where(AppClient.client_id == client_id, AppClient.disabled_at.is_(None), User.disabled_at.is_(None))
        )
        row = (await self._session.execute(wanted)).one_or_none()
        if row is None:
            return None
        kind, secret_hash, epoch = row
        roles = await self._session.scalars(select(AppClientRole.role).where(AppClientRole.client_id == client_id))
        return ClientRecord(client_id, cast("ClientKind", kind), secret_hash, frozenset(roles), epoch)

    async def existing(self, client_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that some client has."""
        wanted = select(AppClient.client_id).where(AppClient.client_id.in_(client_ids))
        return frozenset(await self._session.scalars(wanted))

    async def add_app(
        self, client_id: str, *, name: str, owner_id: UUID, secret_hash: bytes, roles: frozenset[str]
    ) -> None:
        """Store a person's application."""
        row = {"client_id": client_id, "kind": "app", "name": name, "owner_id": owner_id, "secret_hash": secret_hash}
        await self._session.execute(insert(AppClient).values(row))
        rows = [{"client_id": client_id, "role": role} for role in sorted(roles)]
        await self._session.execute(insert(AppClientRole), rows)

    async def make_services_so(self, secret_hashes: Mapping[str, bytes]) -> None:
        """Make the service clients exactly those of `secret_hashes` (name → hash); others are disabled."""
        for name, secret_hash in sorted(secret_hashes.items()):
            row = {"client_id": name, "kind": "service", "name": name, "secret_hash": secret_hash}
            changed = {"secret_hash": secret_hash, "disabled_at": None}
            statement = upsert(AppClient).values(row)
            statement = statement.on_conflict_do_update(
                index_elements=[AppClient.client_id], set_=changed, where=AppClient.kind == "service"
            )
            await self._session.execute(statement)
        surplus = update(AppClient).where(
            AppClient.kind == "service",
            AppClient.client_id.not_in(sorted(secret_hashes)),
            AppClient.disabled_at.is_(None),
        )
        await self._session.execute(surplus.values(disabled_at=func.now()))
