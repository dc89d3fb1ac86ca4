"""The rules of API keys: who makes them, whom they stand for, what they may do at this moment."""

import asyncio
import hashlib
import hmac
from uuid import UUID

from auth_service.api_keys.events import API_KEY_DELETED, API_KEY_MADE, ApiKeyChanged
from auth_service.api_keys.pepper import Pepper
from auth_service.api_keys.repository import KeyRecord, NewKey
from auth_service.in_person import check_in_person
from auth_service.storage import Storage, Work
from auth_service.users import service as users
from kgents_shared.auth import Principal
from kgents_shared.auth.api_keys import key_id_of, new_key
from kgents_shared.contracts.revocations import ResolvedApiKey
from kgents_shared.db import new_id
from kgents_shared.errors import Conflict, FaultItem, InvalidInput, NotFound

_MOST_KEYS = 100
_WRITE_USES_EVERY_S = 30.0
_NOBODYS_HASH = bytes(32)


class ApiKeys:
    """API keys, and an `ApiKeySource` over this service's own table."""

    def __init__(self, storage: Storage, pepper: Pepper) -> None:
        self._storage = storage
        self._pepper = pepper
        self._used: set[UUID] = set()

    async def make(
        self, work: Work, principal: Principal, *, name: str, scopes: list[str], days: int
    ) -> tuple[KeyRecord, str]:
        """A new key of the caller, and what it is this once. Raises Forbidden, InvalidInput, Conflict or NotFound."""
        check_in_person(principal)
        owner = await users.profile(work, principal.subject)
        excess = frozenset(scopes) - principal.scopes
        if excess:
            faults = [_not_yours(place, scope) for place, scope in enumerate(scopes) if scope in excess]
            raise InvalidInput("The request has faults; each is listed in errors.", errors=faults)
        if await work.api_keys.count(owner.user.id) >= _MOST_KEYS:
            raise Conflict(f"You have {_MOST_KEYS} keys; delete one that isn't used.", code="too_many_keys")
        key_id = new_id()
        key = new_key(key_id)
        wanted = sorted(frozenset(scopes))
        record = await work.api_keys.add(NewKey(key_id, owner.user.id, name, wanted, self._hash(key), days))
        await work.tell(API_KEY_MADE, key_id, ApiKeyChanged(key_id=key_id, user_id=owner.user.id))
        return record, key

    async def delete(self, work: Work, principal: Principal, key_id: UUID) -> None:
        """Delete a key of the caller; it is refused within a second. Raises NotFound."""
        owner = await users.profile(work, principal.subject)
        if not await work.api_keys.delete(key_id, owner.user.id):
            raise NotFound("You have no such key.", code="no_such_key")
        await work.revocations.api_key(key_id)
        await work.tell(API_KEY_DELETED, key_id, ApiKeyChanged(key_id=key_id, user_id=owner.user.id))

    async def resolve(self, key: str) -> ResolvedApiKey | None:
        """See `ApiKeySource.resolve`. What a key may do is at most what its owner may do now."""
        key_id = key_id_of(key)
        if key_id is None:
            return None
        async with self._storage.transaction() as work:
            stored = await work.api_keys.in_use(key_id)
            known = _NOBODYS_HASH if stored is None else stored.key_hash
            if not hmac.compare_digest(known, self._hash(key)) or stored is None:
                return None
            owner = await work.users.find(stored.user_id)
            if owner is None or owner.disabled:
                return None
            scopes = stored.scopes & await work.roles.scopes_of(owner.roles)
            organisations = await work.organisations.of(owner.id)
        self._used.add(key_id)
        return ResolvedApiKey(
            key_id=key_id.hex,
            subject=str(owner.id),
            epoch=owner.token_epoch,
            scopes=sorted(scopes),
            roles=sorted(owner.roles),
            organisations=organisations,
            expires_at=int(stored.expires_at.timestamp()),
        )

    async def write_uses(self) -> None:
        """Write down which keys were used, now and then, for ever, and when the service ends."""
        try:
            while True:
                await asyncio.sleep(_WRITE_USES_EVERY_S)
                await self.write_uses_now()
        finally:
            await self.write_uses_now()

    async def write_uses_now(self) -> None:
        """Write down which keys were used since the last time."""
        used, self._used = self._used, set()
        if not used:
            return
        try:
            async with self._storage.transaction() as work:
                await work.api_keys.mark_used(used)
        except BaseException:
            self._used |= used
            raise

    def _hash(self, key: str) -> bytes:
        return hmac.digest(self._pepper.value, key.encode("ascii"), hashlib.sha256)


def _not_yours(place: int, scope: str) -> FaultItem:
    return FaultItem(("body", "scopes", place), f"{scope} is not yours to give", "invalid_scope")
