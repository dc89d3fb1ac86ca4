"""While the database is away no client comes in and none is told that it is wrong: 503."""

from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from auth_service.settings import AuthSettings
from tests.external.app_clients import ACCESS_TOKEN, CLIENTS, EXCHANGE, RUNTIME, a_person, machine
from tests.external.running_auth import RunningAuth, running


async def test_a_service_that_never_saw_its_database(auth: RunningAuth, auth_settings: AuthSettings):
    token = (await a_person(auth)).token
    nowhere = auth_settings.model_copy(update={"database_url": SecretStr("postgresql://nobody:x@127.0.0.1:1/nowhere")})
    async with running(nowhere) as service:
        for path in ("token", "introspect", "revoke"):
            form = {"grant_type": "client_credentials", "audience": "tools", "token": token, **RUNTIME}
            answer = await service.client.post(f"/api/v1/auth/{path}", data=form)
            assert (answer.status_code, answer.json()["code"]) == (503, "starting")
        for path in (CLIENTS, "/api/v1/admin/clients"):
            answer = await service.client.get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 503
            assert answer.headers["retry-after"]


async def test_a_database_that_goes_away_while_serving(auth: RunningAuth, monkeypatch: pytest.MonkeyPatch):
    ada = await a_person(auth)
    bot = await machine(auth, await ada.made(scopes=["agents:read"]))

    def away(*_: Any) -> Any:
        raise psycopg.OperationalError("the database is away")

    monkeypatch.setattr(auth.parts.storage, "transaction", away)
    exchange = {"grant_type": EXCHANGE, "subject_token": ada.token, "subject_token_type": ACCESS_TOKEN}
    for path, form in (
        ("token", {"grant_type": "client_credentials", "audience": "tools"}),
        ("token", exchange),
        ("introspect", {"token": bot.token}),
        ("introspect", {"token": "x"}),
        ("revoke", {"token": bot.token}),
    ):
        answer = await auth.client.post(f"/api/v1/auth/{path}", data={**form, **RUNTIME})
        assert (answer.status_code, answer.json()["code"]) == (503, "database_away"), path
    assert (await ada.asks("POST", CLIENTS, json={"name": "x"})).status_code == 503
    # Who has verified tokens before goes on: the keys that were read are still the keys.
    assert (await auth.client.get("/.well-known/jwks.json")).status_code == 200
