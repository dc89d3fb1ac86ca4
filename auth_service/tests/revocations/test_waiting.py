"""Whoever follows the feed waits at the auth service: for what is revoked here or elsewhere, and never for its end."""

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from auth_service.revocations.service import RevocationNews
from auth_service.settings import AuthSettings
from auth_service.storage import Storage
from kgents_shared.contracts.revocations import RevocationPage
from kgents_shared.db import Database
from tests.external.cuttable import cuttable
from tests.external.running_auth import RUNTIME_SECRET, RunningAuth

LONG_S = 30.0


class Process:
    """One auth process whose looks at the table the test makes."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage
        self.ending = asyncio.Event()
        self.news = RevocationNews(storage, self.ending)
        self.position = 0

    async def look(self) -> None:
        more = True
        while more:
            page = await self.news.look(self.position)
            self.position, more = page.position, page.more

    async def waiting(self) -> asyncio.Task[RevocationPage]:
        """Somebody who knows what this process knows, and waits for more."""
        task = asyncio.create_task(self.news.after(self.position, LONG_S))
        await asyncio.sleep(0)  # what is known already is answered before the first look at the table ends
        return task


async def revoke(storage: Storage, token_id: str) -> None:
    async with storage.transaction() as work:
        await work.revocations.token(token_id)


async def test_who_waits_is_told_of_what_another_replica_revoked_by_the_next_look(auth: RunningAuth):
    process = Process(auth.parts.storage)
    await process.look()
    waiting = await process.waiting()
    await process.look()
    assert not waiting.done()
    await revoke(auth.parts.storage, "of-another")
    await process.look()
    page = await asyncio.wait_for(waiting, LONG_S / 2)
    assert "of-another" in [row.subject for row in page.items]


async def test_who_knows_less_than_the_process_waits_for_nothing(auth: RunningAuth):
    process = Process(auth.parts.storage)
    await process.look()
    before = process.position
    await revoke(auth.parts.storage, "known-here")
    await process.look()
    page = await asyncio.wait_for(process.news.after(before, LONG_S), LONG_S / 2)
    assert "known-here" in [row.subject for row in page.items]


async def test_nobody_waits_longer_than_asked_or_for_a_process_that_ends(auth: RunningAuth):
    process = Process(auth.parts.storage)
    await process.look()
    assert (await process.news.after(process.position, 0.01)).position >= process.position
    waiting = await process.waiting()
    process.ending.set()
    for task in (waiting, await process.waiting()):
        assert (await asyncio.wait_for(task, LONG_S / 2)).position >= process.position


async def test_who_waits_learns_at_once_that_the_database_is_away(auth_settings: AuthSettings):
    async with cuttable(auth_settings.database_url.get_secret_value()) as (url, cut):
        database = Database(url, pool_size=2)
        try:
            process = Process(Storage(database, lambda: None))
            await process.look()
            waiting = await process.waiting()
            await cut()
            with pytest.raises(OperationalError):
                await process.look()
            with pytest.raises(OperationalError):
                await asyncio.wait_for(waiting, LONG_S / 2)
        finally:
            await database.close()


async def test_a_service_that_waits_hears_of_a_revocation_of_this_process(auth: RunningAuth):
    form = {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": RUNTIME_SECRET}
    token = (await auth.token(**form, audience="auth")).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}

    async def hears_of(token_id: str, position: int) -> None:
        page = RevocationPage(position=position, items=[])
        while token_id not in [row.subject for row in page.items]:
            params = {"after": page.position, "wait_s": LONG_S}
            answer = await auth.client.get("/internal/revocations", params=params, headers=headers)
            page = RevocationPage.model_validate(answer.json())

    ((newest,),) = await auth.rows("SELECT coalesce(max(position), 0) FROM identity.revocations")
    waiting = asyncio.create_task(hears_of("of-this-process", newest))
    await revoke(auth.parts.storage, "of-this-process")
    await asyncio.wait_for(waiting, LONG_S / 2)
