"""A new master key for new writes at once, and for everything else in batches, while everything can be read."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from auth_service.storage import Storage, Work
from auth_service.vault.envelope import Unopenable, rewrap
from auth_service.vault.events import MASTER_KEY_ROTATED, MasterKeyRotated
from auth_service.vault.keeper import MasterKeys
from auth_service.vault.master_keys.provider import KeyStoreReadOnly, MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing
from kgents_shared.db import new_id
from kgents_shared.errors import Conflict, Unavailable

_log = structlog.get_logger("auth.vault")
_BATCH = 100
_LOOK_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class VaultStatus:
    """How far a rotation is. `counts`: credentials by master key; `waiting`: those not under the one in force."""

    key_id: str | None
    since: datetime | None
    counts: dict[str, int]

    @property
    def waiting(self) -> int:
        """How many data keys are still to be wrapped anew."""
        return sum(count for key_id, count in self.counts.items() if key_id != self.key_id)


class Rewrapping:
    """Wraps data keys anew in the background. What was cut off is found again: a row names the key that it is under."""

    def __init__(self, storage: Storage, keys: MasterKeys, *, batch: int = _BATCH) -> None:
        self._storage = storage
        self._keys = keys
        self._batch = batch
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be work."""
        self._woken.set()

    async def run(self) -> None:
        """Work off what there is, then wait; for ever. Raises what went wrong, to be run again."""
        while True:
            self._woken.clear()
            await self.work_off()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S):
                    await self._woken.wait()

    async def work_off(self) -> None:
        """One pass over everything that is not under the key in force, a transaction a batch."""
        after: UUID | None = None
        done = 0
        while True:
            async with self._storage.transaction() as work:
                seen, after, wrapped = await self.one_batch(work, after)
            done += wrapped
            if seen < self._batch:
                break
        if done:
            _log.info("data_keys_rewrapped", count=done)

    async def one_batch(self, work: Work, after: UUID | None) -> tuple[int, UUID | None, int]:
        """Wrap the next data keys anew: how many were looked at, the last one's id, how many were wrapped."""
        in_force = await work.vault_keys.in_force()
        if in_force is None:
            return 0, after, 0
        rows = await work.vault_keys.lock_waiting(in_force.key_id, after, self._batch)
        new = await self._keys.key(in_force.key_id) if rows else None
        wrapped: list[tuple[UUID, bytes]] = []
        for row in rows:
            after = row.label.credential_id
            try:
                old = await self._keys.key(row.key_id)
                if new is not None:
                    wrapped.append((after, rewrap(old, new, row.label, row.wrapped_key)))
            except (Unopenable, Unavailable) as error:
                # Left as it is: the others must not wait for one that was damaged.
                _log.error("data_key_unreadable", credential_id=str(after), error=type(error).__name__)
        await work.vault_keys.store(in_force.key_id, wrapped)
        return len(rows), after, len(wrapped)


class Rotation:
    """Changes of the master key, and how far they are."""

    def __init__(self, keys: MasterKeys, rewrapping: Rewrapping) -> None:
        self._keys = keys
        self._rewrapping = rewrapping

    async def place(self) -> str:
        """Where the master keys lie."""
        return (await self._keys.provider()).place

    async def status(self, work: Work) -> VaultStatus:
        """How far it is."""
        in_force = await work.vault_keys.in_force()
        counts = await work.vault_keys.counts()
        if in_force is None:
            return VaultStatus(None, None, counts)
        return VaultStatus(in_force.key_id, in_force.since, counts)

    async def rotate(self, work: Work, *, by: str, make_key: bool) -> None:
        """Put a new master key in force: the one that an operator put first, else, with `make_key`, a new one.

        A rotation that was cut off after its key was kept is continued with that key. Raises `Conflict`, `Unavailable`.
        """
        await work.vault_keys.lock_change()
        in_force = await work.vault_keys.in_force()
        if in_force is None:
            raise Unavailable("The vault is not open yet; the server's log says why.", code="vault_closed")
        ring = await self._newest_ring(in_force.key_id, make_key=make_key)
        if ring.newest.id == in_force.key_id:
            return
        await work.vault_keys.put_in_force(ring.newest.id, by=by)
        told = MasterKeyRotated(key_id=ring.newest.id, before=in_force.key_id, by=by)
        await work.tell(MASTER_KEY_ROTATED, new_id(), told)

    def go_on(self) -> None:
        """Begin to wrap data keys anew; call it once the rotation is committed."""
        self._rewrapping.wake()

    async def _newest_ring(self, in_force: str, *, make_key: bool) -> KeyRing:
        try:
            ring = await self._keys.read()
            if ring is None or ring.get(in_force) is None:
                place = await self.place()
                raise Unavailable(
                    f"The master key {in_force} is missing from {place}: put it back first.", code="master_key_missing"
                )
            return await self._keys.add() if make_key and ring.newest.id == in_force else ring
        except KeyStoreReadOnly as error:
            raise Conflict(f"{error}; then send make_key: false.", code="key_store_read_only") from error
        except MasterKeyError as error:
            raise Unavailable(f"No key was changed: {error}", code="key_store_away") from error
