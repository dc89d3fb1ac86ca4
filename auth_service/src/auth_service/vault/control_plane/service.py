"""The rules of connected platforms and exchange setups: a `PUT` makes or changes, the references stay."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from pydantic import SecretStr

from auth_service.storage import Work
from auth_service.vault.control_plane.repository import ConnectionRecord, Limits, SetupRecord
from auth_service.vault.control_plane.schemas import NewExchangeSetup, PlatformCredentials
from auth_service.vault.credentials.repository import CredentialRecord, NewCredentialRow
from auth_service.vault.credentials.service import Credentials, place_of
from kgents_shared.contracts.credentials import CredentialType
from kgents_shared.db import PageRequest, new_id
from kgents_shared.errors import FaultItem, InvalidInput


@dataclass(frozen=True, slots=True)
class Caller:
    """Who changes something, and for which owner."""

    owner_id: str
    subject: str


class ControlPlane:
    """What customers connect by themselves (document 004)."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def put_platform(
        self, work: Work, body: PlatformCredentials, caller: Caller
    ) -> tuple[CredentialRecord, str | None]:
        """Connect a platform, or replace what it is connected with."""
        record = await self._put(work, "platform", body.platform, body.credentials, caller)
        await work.control_plane.put_connection(
            caller.owner_id, body.platform, credential_id=record.id, posting_identity=body.posting_identity
        )
        return record, body.posting_identity

    async def platforms(
        self, work: Work, owners: Collection[str], page: PageRequest, platform: str | None
    ) -> Sequence[ConnectionRecord]:
        """`limit + 1` connected platforms, newest first."""
        return await work.control_plane.connections(owners, limit=page.limit, after=place_of(page), platform=platform)

    async def put_exchange(self, work: Work, body: NewExchangeSetup, caller: Caller) -> SetupRecord:
        """Make or change the owner's setup at an exchange. Raises `InvalidInput` where it has no keys at all."""
        limits = Limits(
            body.default_coin,
            body.coins,
            Decimal(body.risk_limits.max_units_per_order),
            None if body.risk_limits.max_notional_inr is None else Decimal(body.risk_limits.max_notional_inr),
        )
        credential_id = await self._exchange_keys(work, body, caller)
        return await work.control_plane.put_setup(
            caller.owner_id, body.exchange_provider, credential_id=credential_id, limits=limits
        )

    async def exchanges(self, work: Work, owners: Collection[str], page: PageRequest) -> Sequence[SetupRecord]:
        """`limit + 1` exchange setups, newest first."""
        return await work.control_plane.setups(owners, limit=page.limit, after=place_of(page))

    async def _exchange_keys(self, work: Work, body: NewExchangeSetup, caller: Caller) -> UUID:
        if body.api_key is not None and body.api_secret is not None:
            secret = {"api_key": body.api_key, "api_secret": body.api_secret}
            return (await self._put(work, "exchange", body.exchange_provider, secret, caller)).id
        kept = await work.control_plane.connected_credential(caller.owner_id, body.exchange_provider)
        if kept is None:
            faults = [
                FaultItem(("body", name), f'"{name}" is required', "missing", "send the keys of the exchange account")
                for name in ("api_key", "api_secret")
            ]
            raise InvalidInput("There are no keys yet for this exchange.", errors=faults)
        return kept

    async def _put(
        self, work: Work, type_: CredentialType, provider: str, secret: dict[str, SecretStr], caller: Caller
    ) -> CredentialRecord:
        # No name that a person may choose has a colon in it: what is made here is never mixed up with those.
        name = f"{type_}:{provider}"
        new = NewCredentialRow(new_id(), caller.owner_id, name, type_, provider)
        return await self._credentials.put(work, new, secret, by=caller.subject)
