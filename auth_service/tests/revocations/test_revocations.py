"""What is revoked is refused within a second, whatever was cached."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from auth_service.revocations.repository import PAGE
from kgents_shared import follower
from kgents_shared.auth import RevocationFeed
from kgents_shared.contracts.revocations import RevocationPage
from kgents_shared.events import EventBus
from kgents_shared.http.identity import following
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import RUNTIME_SECRET, RunningAuth


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def status(auth: RunningAuth, token: str) -> int:
    return (await auth.client.get("/api/v1/users/me", headers=bearer(token))).status_code


async def subject_of(auth: RunningAuth, token: str) -> str:
    return str((await auth.client.get("/api/v1/users/me", headers=bearer(token))).json()["id"])


async def refused(auth: RunningAuth, token: str) -> None:
    async def is_refused() -> bool:
        return await status(auth, token) == 401

    await eventually(is_refused, describe="the token is refused")


async def test_a_revoked_subjects_tokens_are_refused_and_new_ones_are_not(auth: RunningAuth):
    email = await auth.register()
    before = await auth.log_in(email)
    assert await status(auth, before["access_token"]) == 200
    async with auth.parts.storage.transaction() as work:
        await work.revocations.subject(await subject_of(auth, before["access_token"]))
    await refused(auth, before["access_token"])
    after = await auth.log_in(email)
    assert await status(auth, after["access_token"]) == 200


async def test_a_second_use_of_a_refresh_token_ends_the_access_tokens_of_the_session_too(auth: RunningAuth):
    email = await auth.register()
    stolen, other = await auth.log_in(email), await auth.log_in(email)
    body = {"refresh_token": stolen["refresh_token"]}
    renewed = (await auth.client.post("/api/v1/auth/refresh", json=body)).json()
    assert (await auth.client.post("/api/v1/auth/refresh", json=body)).status_code == 401
    await refused(auth, renewed["access_token"])
    await refused(auth, stolen["access_token"])
    assert await status(auth, other["access_token"]) == 200


async def test_one_token_can_be_revoked_alone(auth: RunningAuth):
    email = await auth.register()
    one, other = await auth.log_in(email), await auth.log_in(email)
    principal = await auth.app.state.token_verifier.verify(one["access_token"])
    async with auth.parts.storage.transaction() as work:
        await work.revocations.token(principal.token_id)
    await refused(auth, one["access_token"])
    assert await status(auth, other["access_token"]) == 200


async def test_a_revocation_that_is_rolled_back_never_was(auth: RunningAuth):
    tokens = await auth.log_in()
    subject = await subject_of(auth, tokens["access_token"])

    async def fails_after_revoking() -> None:
        async with auth.parts.storage.transaction() as work:
            await work.revocations.subject(subject)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_after_revoking()
    assert await auth.rows("SELECT 1 FROM identity.revocations WHERE subject = :subject", subject=subject) == []
    assert await status(auth, tokens["access_token"]) == 200


async def test_services_alone_read_the_feed_and_it_goes_on_where_they_were(auth: RunningAuth):
    form = {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": RUNTIME_SECRET}
    runtime = bearer((await auth.token(**form, audience="auth")).json()["access_token"])
    person = bearer((await auth.log_in())["access_token"])
    assert (await auth.client.get("/internal/revocations", headers=person)).status_code == 404
    first = (await auth.client.get("/internal/revocations", headers=runtime)).json()
    async with auth.parts.storage.transaction() as work:
        await work.revocations.token("of-this-test")
    after = {"after": str(first["position"])}
    page = (await auth.client.get("/internal/revocations", params=after, headers=runtime)).json()
    assert "of-this-test" in [row["subject"] for row in page["items"]]
    assert page["position"] > first["position"]


async def test_positions_are_in_the_order_of_the_commits(auth: RunningAuth):
    """A reader that has seen a position never misses one that commits later: many writers, one reader."""
    seen: set[str] = set()

    async def write(name: str) -> None:
        async with auth.parts.storage.transaction() as work:
            await work.revocations.token(name)

    async def read_on(writing: "asyncio.Future[list[None]]", position: int) -> None:
        last_round = False
        while not last_round:
            last_round = writing.done()
            async with auth.parts.storage.transaction() as work:
                page = await work.revocations.after(position)
            position = page.position
            seen.update(row.subject for row in page.items)

    names = [f"racer-{number}" for number in range(60)]
    async with auth.parts.storage.transaction() as work:
        began = (await work.revocations.after(0)).position
    writing = asyncio.gather(*(write(name) for name in names))
    await read_on(writing, began)
    assert set(names) <= seen


async def test_a_long_feed_comes_in_pages(auth: RunningAuth):
    names = [f"one-of-many-{number}" for number in range(PAGE + 1)]
    async with auth.parts.storage.transaction() as work:
        before = (await work.revocations.after(0)).position
        for name in names:
            await work.revocations.token(name)
    async with auth.parts.storage.transaction() as work:
        first = await work.revocations.after(before)
        second = await work.revocations.after(first.position)
    assert (len(first.items), first.more) == (PAGE, True)
    assert not second.more
    assert set(names) <= {row.subject for row in [*first.items, *second.items]}


async def test_who_holds_a_row_and_who_revokes_its_person_never_wait_for_one_another(auth: RunningAuth):
    """A writer that took the lock before the row would block the one that has the row and comes to the lock."""
    subject = await subject_of(auth, (await auth.log_in())["access_token"])

    async def revoke() -> None:
        async with auth.parts.storage.transaction() as work:
            await work.revocations.subject(subject)

    async def waits_for_the_row() -> bool:
        waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%token_epoch%'"
        return bool(await auth.rows(waiting))

    async with auth.parts.storage.transaction() as work:
        await work.users.rename(UUID(subject), "Ada Lovelace")
        other = asyncio.create_task(revoke())
        await eventually(waits_for_the_row, describe="the other waits for the row")
        await work.revocations.subject(subject)
    await other
    kept = "SELECT epoch FROM identity.revocations WHERE subject = :subject ORDER BY position"
    assert await auth.rows(kept, subject=subject) == [(1,), (2,)]


async def test_the_news_comes_over_nats_before_the_next_poll(
    auth: RunningAuth, nats_server: Any, monkeypatch: pytest.MonkeyPatch
):
    async def read(position: int, wait_s: float) -> RevocationPage:
        del wait_s
        async with auth.parts.storage.transaction() as work:
            return await work.revocations.after(position)

    @asynccontextmanager
    async def with_a_bus(app: FastAPI) -> AsyncGenerator[None]:
        async with EventBus(nats_server.url, nats_server.token) as bus:
            app.state.event_bus = bus
            yield

    principal = await auth.app.state.token_verifier.verify((await auth.log_in())["access_token"])
    feed, app = RevocationFeed(read), FastAPI()
    app.state.health_probes = {}
    async with following(with_a_bus, feed)(app):
        await eventually(lambda: feed.is_fresh, describe="the first look")
        monkeypatch.setattr(follower, "POLL_S", 3600)

        async def heard() -> bool:
            async with auth.parts.storage.transaction() as work:
                await work.revocations.subject(principal.subject)
            return feed.refuses(principal)

        await eventually(heard, interval=0.1, describe="the news is heard")
