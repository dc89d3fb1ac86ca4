"""The vault's start: its master key is there, or is made where nothing was ever encrypted; else there is no start."""

from collections.abc import Mapping

import psycopg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from auth_service.storage import Storage, Work
from auth_service.vault.keeper import MasterKeys
from auth_service.vault.master_keys.provider import MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing
from auth_service.vault.rotation.service import Rewrapping

_log = structlog.get_logger("auth.vault")
_FIRST_KEY = "first start"


class Vault:
    """Opens the vault, and keeps its data keys under the master key in force."""

    def __init__(self, storage: Storage, keys: MasterKeys, rewrapping: Rewrapping) -> None:
        self._storage = storage
        self._keys = keys
        self._rewrapping = rewrapping
        self._is_open = False

    async def open(self) -> None:
        """Open it now; where the database can't be asked, `run` does it later.

        Raises:
            MasterKeyError: the keys can't be read, or one is missing that credentials are encrypted with.
        """
        ring = await self._keys.read()
        try:
            await self._open(ring)
        except (SQLAlchemyError, psycopg.Error, OSError) as error:
            _log.warning("vault_waits_for_the_database", error=type(error).__name__)

    async def run(self) -> None:
        """Open it if need be, then wrap data keys anew for ever. Raises what went wrong, to be run again."""
        if not self._is_open:
            await self._open(await self._keys.read())
        await self._rewrapping.run()

    async def answers(self) -> bool:
        """The probe behind /health."""
        return self._is_open

    async def close(self) -> None:
        """Let go of the key store."""
        await self._keys.close()

    async def _open(self, ring: KeyRing | None) -> None:
        async with self._storage.transaction() as work:
            await work.vault_keys.lock_change()
            await self._check(ring, await work.vault_keys.counts())
            in_force = await work.vault_keys.in_force()
            if in_force is None or ring is None or ring.get(in_force.key_id) is None:
                await self._begin(work, ring)
        self._is_open = True

    async def _check(self, ring: KeyRing | None, counts: Mapping[str, int]) -> None:
        lost = {key_id: count for key_id, count in counts.items() if ring is None or ring.get(key_id) is None}
        if lost:
            count, ids = sum(lost.values()), ", ".join(sorted(lost))
            place = (await self._keys.provider()).place
            raise MasterKeyError(
                f"the vault's master key {ids} is missing from {place}, and {count} credential{'s' * (count != 1)} "
                f"can't be read without it: put {place} back from its backup and start again"
            )

    async def _begin(self, work: Work, ring: KeyRing | None) -> None:
        """Nothing is under a key that is not here: the newest one there is comes into force, or a first one."""
        ring = ring or await self._keys.read() or await self._keys.add()
        await work.vault_keys.put_in_force(ring.newest.id, by=_FIRST_KEY)
        _log.info("master_key_in_force", key_id=ring.newest.id)
