"""SQL of clients as they come in."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from auth_service.machines.models import AppClient, AppClientRole, AppClientSecret, ClientAssertion
from auth_service.users.models import User, UserRole

ClientKind = Literal["service", "app"]


@dataclass(frozen=True, slots=True)
class Owner:
    """The person whose application it is."""

    id: UUID
    token_epoch: int
    roles: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClientRecord:
    """A client that may come in. Its live secrets are stored as SHA-256; `jwks` are its public keys."""

    client_id: str
    kind: ClientKind
    secret_hashes: tuple[bytes, ...]
    jwks: tuple[Mapping[str, Any], ...]
    scopes: frozenset[str]
    roles: frozenset[str]
    token_epoch: int
    may_exchange: bool
    owner: Owner | None


# One statement: it stands on the way of every token that a machine gets.
_ENABLED = (
    select(
        AppClient.kind,
        AppClient.owner_id,
        # Left from before applications had secrets of their own; a service's is here for good.
        case((AppClient.kind == "service", AppClient.secret_hash)).label("secret_hash"),
        AppClient.jwks,
        AppClient.scopes,
        AppClient.token_epoch,
        AppClient.may_exchange,
        User.token_epoch.label("owner_epoch"),
        func.array(
            select(AppClientRole.role).where(AppClientRole.client_id == AppClient.client_id).scalar_subquery()
        ).label("roles"),
        func.array(select(UserRole.role).where(UserRole.user_id == AppClient.owner_id).scalar_subquery()).label(
            "owner_roles"
        ),
        func.array(
            select(AppClientSecret.secret_hash)
            .where(
                AppClientSecret.client_id == AppClient.client_id,
                or_(AppClientSecret.expires_at.is_(None), AppClientSecret.expires_at > func.now()),
            )
            .scalar_subquery()
        ).label("secrets"),
    )
    .outerjoin(User, User.id == AppClient.owner_id)
    .where(AppClient.client_id == bindparam("client_id"), AppClient.disabled_at.is_(None), User.disabled_at.is_(None))
)


class ClientRepository:
    """Clients within one transaction."""

    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def find_enabled(self, client_id: str) -> ClientRecord | None:
        """The client of that id, unless it or its owner is disabled."""
        row = (await self._session.execute(_ENABLED, {"client_id": client_id})).one_or_none()
        if row is None:
            return None
        owner = None if row.owner_id is None else Owner(row.owner_id, row.owner_epoch, frozenset(row.owner_roles))
        # A service's secret is the one of the settings, and no other.
        hashes = row.secrets if row.secret_hash is None else [row.secret_hash]
        return ClientRecord(
            client_id=client_id,
            kind=row.kind,
            secret_hashes=tuple(hashes),
            jwks=tuple(row.jwks or ()),
            scopes=frozenset(row.scopes),
            roles=frozenset(row.roles),
            token_epoch=row.token_epoch,
            may_exchange=row.may_exchange or row.kind == "service",
            owner=owner,
        )

    async def existing(self, client_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that some client has."""
        wanted = select(AppClient.client_id).where(AppClient.client_id.in_(client_ids))
        return frozenset(await self._session.scalars(wanted))

    async def use_assertion(self, client_id: str, jti_hash: bytes, *, for_s: float) -> bool:
        """Whether the assertion is used for the first time; remembered as long as it could be used."""
        statement = (
            upsert(ClientAssertion)
            .values(client_id=client_id, jti_hash=jti_hash, expires_at=func.now() + timedelta(seconds=for_s))
            .on_conflict_do_nothing()
            .returning(ClientAssertion.client_id)
        )
        return (await self._session.execute(statement)).one_or_none() is not None

    async def delete_expired(self) -> None:
        """Delete the assertions and secrets that have ended."""
        await self._session.execute(delete(ClientAssertion).where(ClientAssertion.expires_at < func.now()))
        await self._session.execute(delete(AppClientSecret).where(AppClientSecret.expires_at < func.now()))

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
