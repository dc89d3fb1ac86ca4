"""The master keys that this process knows, and what it seals and opens with them."""

import asyncio
import json
import time
from math import inf

import structlog
from pydantic import SecretStr

from auth_service.settings import AuthSettings
from auth_service.storage import Work
from auth_service.vault.envelope import Label, Sealed, Unopenable, seal, unseal
from auth_service.vault.master_keys.choosing import key_provider
from auth_service.vault.master_keys.provider import KeyProvider, MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing, MasterKey
from kgents_shared.errors import ApiError, Unavailable

SecretValue = SecretStr | dict[str, SecretStr]
_log = structlog.get_logger("auth.vault")
_LOOK_AGAIN_AFTER_S = 2.0


class CredentialUnreadable(ApiError):
    """500: what is stored of a credential was changed, or is not what it says it is."""

    default_code = "credential_unreadable"


class MasterKeys:
    """The keys of the store that the settings name, read at the start and again when a new one is met."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings
        self._provider: KeyProvider | None = None
        self._ring: KeyRing | None = None
        self._missed: dict[str, float] = {}
        self._lock = asyncio.Lock()

    async def provider(self) -> KeyProvider:
        """The store. Raises `MasterKeyError` where its settings are not complete."""
        if self._provider is None:
            self._provider = await key_provider(self._settings)
        return self._provider

    async def read(self) -> KeyRing | None:
        """The keys as the store has them now, None where it has none. Raises `MasterKeyError`."""
        found = await (await self.provider()).load()
        if found is not None:
            # A key that left the store while this process runs is still good for what is under it.
            known = () if self._ring is None else self._ring.keys
            self._ring = KeyRing((*found.keys, *(key for key in known if found.get(key.id) is None)))
        return found

    async def add(self) -> KeyRing:
        """Have one more key made and kept; the keys as the store gives them back. Raises `MasterKeyError`."""
        provider, made = await self.provider(), MasterKey.generate()
        await provider.add(made)
        ring = await self.read()
        # Nothing is encrypted with a key before the store has shown that it kept it.
        if ring is None or ring.get(made.id) is None:
            raise MasterKeyError(f"{provider.place} did not keep the key that was put there")
        return ring

    async def key(self, key_id: str) -> MasterKey:
        """The key of that id. For one that another replica may have added the store is asked, once in two seconds.

        Raises:
            Unavailable: there is none, or the store is away.
        """
        known = None if self._ring is None else self._ring.get(key_id)
        if known is not None:
            return known
        async with self._lock:
            known = None if self._ring is None else self._ring.get(key_id)
            if known is None and time.monotonic() - self._missed.get(key_id, -inf) >= _LOOK_AGAIN_AFTER_S:
                await self._read_or_tell()
                known = None if self._ring is None else self._ring.get(key_id)
                self._missed = {} if known is not None else self._missed | {key_id: time.monotonic()}
        if known is None:
            _log.error("master_key_missing", key_id=key_id)
            raise Unavailable("The master key of this credential can't be had right now.", code="master_key_missing")
        return known

    async def _read_or_tell(self) -> None:
        try:
            await self.read()
        except MasterKeyError as error:
            _log.error("master_keys_away", error=str(error))

    async def close(self) -> None:
        """Let go of the store."""
        if self._provider is not None:
            await self._provider.close()


class Cipher:
    """Seals secrets with the master key in force, and opens them with whichever they are under."""

    def __init__(self, keys: MasterKeys) -> None:
        self._keys = keys

    async def seal(self, work: Work, label: Label, secret: SecretValue) -> Sealed:
        """The secret as it is stored. Raises `Unavailable` while there is no master key."""
        in_force = await work.vault_keys.in_force_for_writing()
        if in_force is None:
            raise Unavailable("The vault is not open yet; the server's log says why.", code="vault_closed")
        return seal(await self._keys.key(in_force.key_id), label, _plaintext(secret))

    async def unseal(self, label: Label, sealed: Sealed) -> SecretValue:
        """The secret. Raises `Unavailable`, `CredentialUnreadable`."""
        try:
            plaintext = unseal(await self._keys.key(sealed.key_id), label, sealed)
        except Unopenable as error:
            _log.error("credential_unreadable", credential_id=str(label.credential_id), version=label.version)
            raise CredentialUnreadable(
                "The stored credential can't be decrypted: it was changed. Rotate it to put a good one in its place."
            ) from error
        return _value(plaintext)


def _plaintext(secret: SecretValue) -> bytes:
    if isinstance(secret, SecretStr):
        return json.dumps(secret.get_secret_value()).encode()
    return json.dumps({name: value.get_secret_value() for name, value in secret.items()}).encode()


def _value(plaintext: bytes) -> SecretValue:
    found: str | dict[str, str] = json.loads(plaintext)
    if isinstance(found, str):
        return SecretStr(found)
    return {name: SecretStr(value) for name, value in found.items()}
