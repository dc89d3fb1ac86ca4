"""SQL of connected platforms and exchange setups; every query names the owners that it is for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.vault.control_plane.models import ExchangeSetup, PlatformConnection
from auth_service.vault.credentials.models import Credential
from kgents_shared.db import new_id

Owners = Collection[str]


@dataclass(frozen=True, slots=True)
class ConnectionRecord:
    """A connected platform. The times are its credential's."""

    owner_id: str
    platform: str
    credential_id: UUID
    posting_identity: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """What a trading agent may do at most, and with what."""

    default_coin: str
    allowed_coins: tuple[str, ...]
    max_units_per_order: Decimal
    max_notional_inr: Decimal | None


@dataclass(frozen=True, slots=True)
class SetupRecord:
    """An exchange setup; without a credential it is not connected."""

    id: UUID
    owner_id: str
    exchange_provider: str
    credential_id: UUID | None
    limits: Limits
    created_at: datetime
    updated_at: datetime


class ControlPlaneRepository:
    """Connected platforms and exchange setups within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def put_connection(
        self, owner_id: str, platform: str, *, credential_id: UUID, posting_identity: str | None
    ) -> None:
        """Store what belongs to a platform beside its credential."""
        values = {"credential_id": credential_id, "posting_identity": posting_identity}
        statement = insert(PlatformConnection).values(owner_id=owner_id, platform=platform, **values)
        keys = [PlatformConnection.owner_id, PlatformConnection.platform]
        await self._session.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))

    async def connections(
        self, owners: Owners, *, limit: int, after: UUID | None, platform: str | None
    ) -> Sequence[ConnectionRecord]:
        """`limit + 1` connected platforms, newest first."""
        wanted = (
            select(
                PlatformConnection.owner_id,
                PlatformConnection.platform,
                PlatformConnection.credential_id,
                PlatformConnection.posting_identity,
                Credential.created_at,
                Credential.updated_at,
            )
            .join(Credential, Credential.id == PlatformConnection.credential_id)
            .where(PlatformConnection.owner_id.in_(owners))
        )
        if platform is not None:
            wanted = wanted.where(PlatformConnection.platform == platform)
        if after is not None:
            wanted = wanted.where(PlatformConnection.credential_id < after)
        rows = await self._session.execute(wanted.order_by(PlatformConnection.credential_id.desc()).limit(limit + 1))
        return [ConnectionRecord(*row) for row in rows]

    async def connected_credential(self, owner_id: str, exchange_provider: str) -> UUID | None:
        """The credential of the owner's setup at that exchange, where it has one."""
        return await self._session.scalar(
            select(ExchangeSetup.credential_id).where(
                ExchangeSetup.owner_id == owner_id, ExchangeSetup.exchange_provider == exchange_provider
            )
        )

    async def put_setup(
        self, owner_id: str, exchange_provider: str, *, credential_id: UUID, limits: Limits
    ) -> SetupRecord:
        """Make or change the owner's setup; its id stays."""
        values = {
            "credential_id": credential_id,
            "default_coin": limits.default_coin,
            "allowed_coins": list(limits.allowed_coins),
            "max_units_per_order": limits.max_units_per_order,
            "max_notional_inr": limits.max_notional_inr,
        }
        statement = (
            insert(ExchangeSetup)
            .values(id=new_id(), owner_id=owner_id, exchange_provider=exchange_provider, **values)
            .on_conflict_do_update(
                index_elements=[ExchangeSetup.owner_id, ExchangeSetup.exchange_provider],
                set_={**values, "updated_at": func.now()},
            )
            .returning(ExchangeSetup)
        )
        row = (await self._session.scalars(statement, execution_options={"populate_existing": True})).one()
        return _setup(row)

    async def setups(self, owners: Owners, *, limit: int, after: UUID | None) -> Sequence[SetupRecord]:
        """`limit + 1` exchange setups, newest first."""
        wanted = select(ExchangeSetup).where(ExchangeSetup.owner_id.in_(owners))
        if after is not None:
            wanted = wanted.where(ExchangeSetup.id < after)
        rows = await self._session.scalars(wanted.order_by(ExchangeSetup.id.desc()).limit(limit + 1))
        return [_setup(row) for row in rows]


def _setup(row: ExchangeSetup) -> SetupRecord:
    limits = Limits(row.default_coin, tuple(row.allowed_coins), row.max_units_per_order, row.max_notional_inr)
    return SetupRecord(
        row.id, row.owner_id, row.exchange_provider, row.credential_id, limits, row.created_at, row.updated_at
    )
