"""SQL of API keys."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.api_keys.models import ApiKey
from kgents_shared.db import PageRequest


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key without what opens anything. Times are UTC."""

    id: UUID
    name: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key to be stored."""

    id: UUID
    user_id: UUID
    name: str
    scopes: list[str]
    key_hash: bytes
    days: int


@dataclass(frozen=True, slots=True)
class KeyInUse:
    """A key that hasn't expired, and its hash to compare."""

    id: UUID
    user_id: UUID
    key_hash: bytes
    scopes: frozenset[str]
    expires_at: datetime


_SHOWN = (ApiKey.id, ApiKey.name, ApiKey.scopes, ApiKey.created_at, ApiKey.expires_at, ApiKey.last_used_at)


class ApiKeyRepository:
    """API keys within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def add(self, key: NewKey) -> KeyRecord:
        """Store a key; its time runs from now by the database's clock."""
        statement = insert(ApiKey).values(
            id=key.id,
            user_id=key.user_id,
            name=key.name,
            scopes=key.scopes,
            key_hash=key.key_hash,
            expires_at=func.now() + timedelta(days=key.days),
        )
        return KeyRecord(*(await self._session.execute(statement.returning(*_SHOWN))).one())

    async def count(self, user_id: UUID) -> int:
        """How many keys a person has."""
        return await self._session.scalar(select(func.count()).where(ApiKey.user_id == user_id)) or 0

    async def page(self, user_id: UUID, page: PageRequest) -> list[KeyRecord]:
        """A person's keys, newest first, one more than the page holds."""
        wanted = select(*_SHOWN).where(ApiKey.user_id == user_id).order_by(ApiKey.id.desc()).limit(page.limit + 1)
        if page.after is not None:
            wanted = wanted.where(ApiKey.id < UUID(page.after[0]))
        return [KeyRecord(*row) for row in await self._session.execute(wanted)]

    async def in_use(self, key_id: UUID) -> KeyInUse | None:
        """The key of that id, unless it has expired."""
        wanted = select(ApiKey.id, ApiKey.user_id, ApiKey.key_hash, ApiKey.scopes, ApiKey.expires_at)
        row = (
            await self._session.execute(wanted.where(ApiKey.id == key_id, ApiKey.expires_at > func.now()))
        ).one_or_none()
        return None if row is None else KeyInUse(row[0], row[1], row[2], frozenset(row[3]), row[4])

    async def delete(self, key_id: UUID, user_id: UUID) -> bool:
        """Delete a person's key; whether there was one."""
        gone = await self._session.execute(
            delete(ApiKey).where(ApiKey.id == key_id, ApiKey.user_id == user_id).returning(ApiKey.id)
        )
        return gone.one_or_none() is not None

    async def mark_used(self, key_ids: Iterable[UUID]) -> None:
        """Say that these keys were used about now."""
        await self._session.execute(
            update(ApiKey).where(ApiKey.id.in_(sorted(key_ids))).values(last_used_at=func.now())
        )
