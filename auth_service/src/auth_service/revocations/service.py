"""The feed of revocations: this process looks at the table, and whoever follows it waits for what that look finds."""

import asyncio

from auth_service.storage import Storage
from kgents_shared.contracts.revocations import RevocationPage
from kgents_shared.waking import first_of


class RevocationNews:
    """One look at the table, twice a second, for all who wait; nobody waits on once the process is `ending`."""

    def __init__(self, storage: Storage, ending: asyncio.Event) -> None:
        self._storage = storage
        self._ending = ending
        self._newest: int | None = None
        self._told = asyncio.Event()

    async def look(self, position: int) -> RevocationPage:
        """What came after `position`, read for this process itself; who waits for it is told."""
        newest = None  # where it can't be read, everybody is to learn that
        try:
            page = await self._read(position)
            newest = page.position
        finally:
            if newest != self._newest:
                self._newest = newest
                self._told.set()
                self._told = asyncio.Event()
        return page

    async def after(self, position: int, wait_s: float) -> RevocationPage:
        """What came after `position`; where nothing did, it is waited for, up to `wait_s` seconds."""
        if wait_s > 0 and position == self._newest:
            await first_of(wait_s, self._told, self._ending)
        return await self._read(position)

    async def _read(self, position: int) -> RevocationPage:
        async with self._storage.reading() as work:
            return await work.revocations.after(position)
