"""SQL of the master keys' ids, and of data keys that wait to be wrapped anew."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import bindparam, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.vault.credentials.models import Credential
from auth_service.vault.envelope import Label
from auth_service.vault.rotation.models import VaultKey

_WRITES = "hashtext('kgents.vault.writes')"
_CHANGE = "hashtext('kgents.vault.change')"


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored."""

    label: Label
    key_id: str
    wrapped_key: bytes


@dataclass(frozen=True, slots=True)
class KeyInForce:
    """A master key that is or was the one for new writes."""

    key_id: str
    since: datetime


class VaultKeyRepository:
    """Master keys' ids and wrapped data keys within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def in_force(self) -> KeyInForce | None:
        """The key for new writes."""
        wanted = select(VaultKey.key_id, VaultKey.current_since).order_by(VaultKey.position.desc()).limit(1)
        row = (await self._session.execute(wanted)).one_or_none()
        return None if row is None else KeyInForce(*row)

    async def in_force_for_writing(self) -> KeyInForce | None:
        """The same; it stays the one until this transaction ends."""
        await self._session.execute(text(f"SELECT pg_advisory_xact_lock_shared({_WRITES})"))
        return await self.in_force()

    async def lock_change(self) -> None:
        """One change at a time, over all replicas, until this transaction ends."""
        await self._session.execute(text(f"SELECT pg_advisory_xact_lock({_CHANGE})"))

    async def put_in_force(self, key_id: str, *, by: str) -> None:
        """From the end of this transaction on new writes take `key_id`; those that are under way end first."""
        await self._session.execute(text(f"SELECT pg_advisory_xact_lock({_WRITES})"))
        await self._session.execute(insert(VaultKey).values(key_id=key_id, made_current_by=by))

    async def counts(self) -> dict[str, int]:
        """How many credentials each master key guards."""
        wanted = select(Credential.key_id, func.count()).group_by(Credential.key_id)
        rows = await self._session.execute(wanted)
        return {row[0]: row[1] for row in rows}

    async def lock_waiting(self, in_force: str, after: UUID | None, limit: int) -> Sequence[WrappedKey]:
        """Up to `limit` data keys under other master keys, by id, locked; those that somebody works on are left out."""
        wanted = select(
            Credential.owner_id,
            Credential.id,
            Credential.name,
            Credential.version,
            Credential.key_id,
            Credential.wrapped_key,
        ).where(Credential.key_id != in_force)
        if after is not None:
            wanted = wanted.where(Credential.id > after)
        wanted = wanted.order_by(Credential.id).limit(limit).with_for_update(skip_locked=True)
        rows = await self._session.execute(wanted)
        return [WrappedKey(Label(*row[:4]), row.key_id, row.wrapped_key) for row in rows]

    async def store(self, key_id: str, wrapped: Sequence[tuple[UUID, bytes]]) -> None:
        """Store data keys that are wrapped by `key_id` now."""
        if not wrapped:
            return
        statement = (
            update(Credential)
            .where(Credential.id == bindparam("this"))
            .values(key_id=key_id, wrapped_key=bindparam("wrapped"))
        )
        rows = [{"this": id_, "wrapped": blob} for id_, blob in wrapped]
        await (await self._session.connection()).execute(statement, rows)
