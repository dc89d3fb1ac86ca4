"""SQL of credentials; every query names the owners that it is for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from auth_service.vault.credentials.models import Credential, CredentialUse
from auth_service.vault.envelope import Label, Sealed
from kgents_shared.contracts.credentials import CredentialType
from kgents_shared.db import PageRequest, new_id

Owners = Collection[str]


@dataclass(frozen=True, slots=True)
class CredentialRecord:
    """A credential without its secret."""

    id: UUID
    owner_id: str
    name: str
    type: CredentialType
    provider: str | None
    base_url: str | None
    version: int
    created_at: datetime
    updated_at: datetime

    @property
    def label(self) -> Label:
        """What the secret is bound to."""
        return Label(self.owner_id, self.id, self.name, self.version)


@dataclass(frozen=True, slots=True)
class NewCredentialRow:
    """What a new credential is, before it is sealed."""

    id: UUID
    owner_id: str
    name: str
    type: CredentialType
    provider: str | None = None
    base_url: str | None = None

    @property
    def label(self) -> Label:
        """What its first version is bound to."""
        return Label(self.owner_id, self.id, self.name, 1)


@dataclass(frozen=True, slots=True)
class UseRecord:
    """One resolve: who, what for, which version, when."""

    id: UUID
    used_by: str
    purpose: str
    version: int
    used_at: datetime


_COLUMNS: tuple[InstrumentedAttribute[Any], ...] = (
    Credential.id,
    Credential.owner_id,
    Credential.name,
    Credential.type,
    Credential.provider,
    Credential.base_url,
    Credential.version,
    Credential.created_at,
    Credential.updated_at,
)
_SEALED: tuple[InstrumentedAttribute[Any], ...] = (Credential.key_id, Credential.wrapped_key, Credential.ciphertext)


class CredentialRepository:
    """Credentials within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, new: NewCredentialRow, sealed: Sealed) -> CredentialRecord | None:
        """Store the first version; None where the owner has that name already, also against a racer."""
        statement = (
            upsert(Credential)
            .values(
                id=new.id,
                owner_id=new.owner_id,
                name=new.name,
                type=new.type,
                provider=new.provider,
                base_url=new.base_url,
                version=1,
                key_id=sealed.key_id,
                wrapped_key=sealed.wrapped_key,
                ciphertext=sealed.ciphertext,
            )
            .on_conflict_do_nothing(index_elements=[Credential.owner_id, Credential.name])
            .returning(*_COLUMNS)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else CredentialRecord(*row)

    async def find(self, credential_id: UUID, owners: Owners, *, lock: bool = False) -> CredentialRecord | None:
        """A credential of one of `owners`; with `lock`, held until the transaction ends."""
        wanted = select(*_COLUMNS).where(Credential.id == credential_id, Credential.owner_id.in_(owners))
        return await self._record(wanted.with_for_update() if lock else wanted)

    async def find_named(self, owner_id: str, name: str) -> CredentialRecord | None:
        """The owner's credential of that name, held until the transaction ends."""
        wanted = select(*_COLUMNS).where(Credential.owner_id == owner_id, Credential.name == name)
        return await self._record(wanted.with_for_update())

    async def _record(self, wanted: Select[*tuple[Any, ...]]) -> CredentialRecord | None:
        row = (await self._session.execute(wanted)).one_or_none()
        return None if row is None else CredentialRecord(*row)

    async def find_sealed(self, credential_id: UUID, owners: Owners) -> tuple[CredentialRecord, Sealed] | None:
        """A credential of one of `owners` with its ciphertext."""
        wanted = select(*_COLUMNS, *_SEALED).where(Credential.id == credential_id, Credential.owner_id.in_(owners))
        row: Row[*tuple[Any, ...]] | None = (await self._session.execute(wanted)).one_or_none()
        if row is None:
            return None
        return CredentialRecord(*row[: len(_COLUMNS)]), Sealed(*row[len(_COLUMNS) :])

    async def of_owner(self, owner_id: str, ids: Collection[UUID]) -> Sequence[CredentialRecord]:
        """Those of the ids that are the owner's."""
        wanted = select(*_COLUMNS).where(Credential.owner_id == owner_id, Credential.id.in_(ids))
        return [CredentialRecord(*row) for row in await self._session.execute(wanted)]

    async def page(
        self, owners: Owners, request: PageRequest, after: UUID | None, type_: CredentialType | None
    ) -> Sequence[CredentialRecord]:
        """`limit + 1` credentials, newest first."""
        wanted = select(*_COLUMNS).where(Credential.owner_id.in_(owners))
        if type_ is not None:
            wanted = wanted.where(Credential.type == type_)
        if after is not None:
            wanted = wanted.where(Credential.id < after)
        rows = await self._session.execute(wanted.order_by(Credential.id.desc()).limit(request.limit + 1))
        return [CredentialRecord(*row) for row in rows]

    async def replace(self, credential_id: UUID, version: int, sealed: Sealed) -> CredentialRecord:
        """Put another version in place; the one before is gone."""
        statement = (
            update(Credential)
            .where(Credential.id == credential_id)
            .values(
                version=version,
                key_id=sealed.key_id,
                wrapped_key=sealed.wrapped_key,
                ciphertext=sealed.ciphertext,
                updated_at=func.now(),
            )
            .returning(*_COLUMNS)
        )
        return CredentialRecord(*(await self._session.execute(statement)).one())

    async def remove(self, credential_id: UUID, owners: Owners) -> CredentialRecord | None:
        """Delete a credential; what it was, or None."""
        statement = (
            delete(Credential)
            .where(Credential.id == credential_id, Credential.owner_id.in_(owners))
            .returning(*_COLUMNS)
        )
        row = (await self._session.execute(statement)).one_or_none()
        return None if row is None else CredentialRecord(*row)

    async def add_use(self, of: CredentialRecord, *, used_by: str, purpose: str) -> None:
        """Write down one resolve."""
        await self._session.execute(
            insert(CredentialUse).values(
                id=new_id(),
                credential_id=of.id,
                owner_id=of.owner_id,
                used_by=used_by,
                purpose=purpose,
                version=of.version,
            )
        )

    async def uses(self, credential_id: UUID, request: PageRequest, after: UUID | None) -> Sequence[UseRecord]:
        """`limit + 1` uses of a credential, newest first."""
        columns = (
            CredentialUse.id,
            CredentialUse.used_by,
            CredentialUse.purpose,
            CredentialUse.version,
            CredentialUse.used_at,
        )
        wanted = select(*columns).where(CredentialUse.credential_id == credential_id)
        if after is not None:
            wanted = wanted.where(CredentialUse.id < after)
        rows = await self._session.execute(wanted.order_by(CredentialUse.id.desc()).limit(request.limit + 1))
        return [UseRecord(*row) for row in rows]
