"""Nobody learns from an answer whether an address is known: same status, same body, same work."""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import httpx
from sqlalchemy import event

from tests.external.running_auth import PASSWORD, RunningAuth


class Work:
    """What a request cost: argon2 runs and SQL statements."""

    def __init__(self) -> None:
        self.hashes = 0
        self.statements: list[str] = []


@contextmanager
def counted(auth: RunningAuth) -> Generator[Work]:
    """Count what this task has the service do; what runs beside the requests (mails, the feed) isn't theirs."""
    engine = auth.app.state.database.engine.sync_engine
    hasher = auth.app.state.password_hasher
    work = Work()
    before = hasher.runs

    asking = asyncio.current_task()

    def on_statement(_: Any, __: Any, statement: str, *___: Any) -> None:
        if asyncio.current_task() is asking:
            work.statements.append(statement)

    event.listen(engine, "before_cursor_execute", on_statement)
    try:
        yield work
    finally:
        event.remove(engine, "before_cursor_execute", on_statement)
        work.hashes = hasher.runs - before


def shown(answer: httpx.Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    """All of an answer that could differ, without the id that every request has of its own."""
    body = {key: value for key, value in answer.json().items() if key != "correlation_id"}
    headers = {key: value for key, value in answer.headers.items() if key != "x-correlation-id"}
    return answer.status_code, body, headers


async def test_a_wrong_password_and_an_unknown_address_are_answered_alike_after_the_same_work(auth: RunningAuth):
    email = await auth.register()
    with counted(auth) as for_known:
        known = await auth.client.post("/api/v1/auth/login", json={"email": email, "password": "wrong"})
    with counted(auth) as for_unknown:
        unknown = await auth.client.post(
            "/api/v1/auth/login", json={"email": "nobody@example.org", "password": "wrong"}
        )
    assert shown(known) == shown(unknown)
    assert known.status_code == 401
    assert for_known.hashes == for_unknown.hashes == 1
    assert for_known.statements == for_unknown.statements != []


async def test_a_known_and_a_new_address_are_registered_alike_with_the_same_work(auth: RunningAuth):
    email = await auth.register()
    body = {"password": PASSWORD, "name": "Ada"}
    with counted(auth) as for_known:
        known = await auth.client.post("/api/v1/auth/register", json={**body, "email": email})
    with counted(auth) as for_new:
        new = await auth.client.post("/api/v1/auth/register", json={**body, "email": f"new-{email}"})
    assert shown(known) == shown(new)
    assert (known.status_code, known.json()) == (202, {"status": "accepted"})
    assert for_known.hashes == for_new.hashes == 1
    assert for_known.statements == for_new.statements != []


async def test_a_password_that_is_too_weak_is_refused_alike_for_known_and_new_addresses(auth: RunningAuth):
    email = await auth.register()
    body = {"password": "password123", "name": "Ada"}
    known = await auth.client.post("/api/v1/auth/register", json={**body, "email": email})
    new = await auth.client.post("/api/v1/auth/register", json={**body, "email": f"new-{email}"})
    assert shown(known) == shown(new)
    assert known.status_code == 422


async def test_an_unknown_client_and_a_wrong_secret_are_answered_alike(auth: RunningAuth):
    wrong = await auth.token(grant_type="client_credentials", client_id="runtime", client_secret="x", audience="tools")
    unknown = await auth.token(grant_type="client_credentials", client_id="no-one", client_secret="x", audience="tools")
    assert shown(wrong) == shown(unknown)
    assert wrong.status_code == 401
