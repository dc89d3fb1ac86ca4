"""API keys: made once, seen once, worth at most what their owner is worth now."""

import asyncio
import re
import zlib
from typing import Any

import httpx
import pytest

from kgents_shared.auth.api_keys import key_id_of
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import RUNTIME_SECRET, RunningAuth

KEYS = "/api/v1/users/me/api-keys"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class Person:
    """Somebody who is logged in."""

    def __init__(self, auth: RunningAuth, email: str, token: str) -> None:
        self.auth = auth
        self.email = email
        self.headers = bearer(token)

    async def asks_for(self, **body: Any) -> httpx.Response:
        asked = {"name": "ci", "scopes": ["agents:read"], "expires_in_days": 7, **body}
        return await self.auth.client.post(KEYS, json=asked, headers=self.headers)

    async def makes_a_key(self, **body: Any) -> dict[str, Any]:
        answer = await self.asks_for(**body)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
async def person(auth: RunningAuth) -> Person:
    email = await auth.register()
    return Person(auth, email, (await auth.log_in(email))["access_token"])


async def me(auth: RunningAuth, key: str) -> httpx.Response:
    return await auth.client.get("/api/v1/users/me", headers=bearer(key))


async def is_refused(auth: RunningAuth, key: str) -> None:
    async def refused() -> bool:
        return (await me(auth, key)).status_code == 401

    await eventually(refused, describe="the key is refused")


async def test_a_key_is_a_bearer_like_a_token(auth: RunningAuth, person: Person):
    made = await person.makes_a_key()
    assert (await me(auth, made["key"])).json()["email"] == person.email
    principal = await auth.app.state.token_verifier.verify(made["key"])
    assert (principal.kind, principal.scopes) == ("person", {"agents:read"})


async def test_secret_scanners_find_it_and_tell_a_real_one(person: Person):
    key: str = (await person.makes_a_key())["key"]
    assert re.fullmatch(r"kg_[0-9a-f]{32}_[0-9A-Za-z]{46}", key)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    told = 0
    for digit in key[-6:]:
        told = told * 62 + digits.index(digit)
    assert told == zlib.crc32(key[:-6].encode())


async def test_the_key_is_shown_once_and_is_in_no_row(auth: RunningAuth, person: Person):
    made = await person.makes_a_key(name="laptop")
    listed = (await auth.client.get(KEYS, headers=person.headers)).json()["items"]
    assert [row["name"] for row in listed] == ["laptop"]
    assert "key" not in listed[0]
    secret = made["key"].rsplit("_", 1)[1]
    for row in await auth.rows("SELECT row_to_json(k)::text FROM identity.api_keys k"):
        assert secret not in row[0]


async def test_a_slip_of_the_pen_is_seen_without_asking_anybody(person: Person):
    key: str = (await person.makes_a_key())["key"]
    assert key_id_of(key) is not None
    assert key_id_of(key[:-1] + ("A" if key[-1] != "A" else "B")) is None
    assert key_id_of(key + "x") is None


async def test_another_secret_under_a_known_id_is_refused(auth: RunningAuth, person: Person):
    key: str = (await person.makes_a_key())["key"]
    other: str = (await person.makes_a_key())["key"]
    body = key[:36] + other[36:-6]
    digits, value, checksum = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 0, ""
    value = zlib.crc32(body.encode())
    for _ in range(6):
        value, digit = divmod(value, 62)
        checksum = digits[digit] + checksum
    forged = body + checksum
    assert key_id_of(forged) == key_id_of(key)
    assert (await me(auth, forged)).status_code == 401


async def test_a_deleted_key_is_refused_within_a_second(auth: RunningAuth, person: Person):
    made = await person.makes_a_key()
    assert (await me(auth, made["key"])).status_code == 200
    assert (await auth.client.delete(f"{KEYS}/{made['id']}", headers=person.headers)).status_code == 204
    await is_refused(auth, made["key"])
    assert (await auth.client.delete(f"{KEYS}/{made['id']}", headers=person.headers)).status_code == 404


async def test_another_persons_key_cant_be_deleted_or_seen(auth: RunningAuth, person: Person):
    made = await person.makes_a_key()
    stranger = bearer((await auth.log_in())["access_token"])
    assert (await auth.client.delete(f"{KEYS}/{made['id']}", headers=stranger)).status_code == 404
    assert (await auth.client.get(KEYS, headers=stranger)).json()["items"] == []
    assert (await me(auth, made["key"])).status_code == 200


async def test_an_expired_key_is_refused(auth: RunningAuth, person: Person):
    made = await person.makes_a_key()
    await auth.run("UPDATE identity.api_keys SET expires_at = now() WHERE id = :id", id=made["id"])
    assert (await me(auth, made["key"])).status_code == 401


async def test_a_disabled_owners_key_is_refused(auth: RunningAuth, person: Person):
    made = await person.makes_a_key()
    await auth.run("UPDATE identity.users SET disabled_at = now() WHERE email = :email", email=person.email)
    assert (await me(auth, made["key"])).status_code == 401


async def test_a_key_loses_what_its_owner_loses(auth: RunningAuth, person: Person):
    made = await person.makes_a_key(scopes=["agents:read", "agents:write"])
    person_id = (await auth.rows("SELECT id FROM identity.users WHERE email = :email", email=person.email))[0][0]
    await auth.run("UPDATE identity.user_roles SET role = 'viewer' WHERE user_id = :id", id=person_id)
    principal = await auth.app.state.token_verifier.verify(made["key"])
    assert principal.scopes == {"agents:read"}


async def test_nobody_gives_a_key_more_than_they_have(person: Person):
    answer = await person.asks_for(scopes=["agents:read", "users:write", "agents:fly"])
    assert answer.status_code == 422
    assert [fault["loc"] for fault in answer.json()["errors"]] == [["body", "scopes", 1], ["body", "scopes", 2]]


async def test_a_key_makes_no_key(auth: RunningAuth, person: Person):
    key = (await person.makes_a_key(scopes=["keys:write"]))["key"]
    answer = await auth.client.post(KEYS, json={"name": "more", "scopes": ["keys:write"]}, headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (403, "not_in_person")


@pytest.mark.parametrize("more", [{"owner_id": "x"}, {"scopes": []}, {"expires_in_days": 0}, {"key": "kg_mine"}])
async def test_what_a_key_cant_be_is_refused(person: Person, more: dict[str, Any]):
    assert (await person.asks_for(**more)).status_code == 422


async def test_the_last_use_is_written_down_in_bulk(auth: RunningAuth, person: Person):
    made = await person.makes_a_key()
    assert (await auth.client.get(KEYS, headers=person.headers)).json()["items"][0]["last_used_at"] is None
    await me(auth, made["key"])
    async with BackgroundTasks() as tasks:
        tasks.start("uses", auth.parts.api_keys.write_uses)
        await asyncio.sleep(0)  # it begins; its turn comes in half a minute, or at the end
    (row,) = (await auth.client.get(KEYS, headers=person.headers)).json()["items"]
    assert row["last_used_at"] is not None


async def test_services_alone_ask_whose_a_key_is(auth: RunningAuth, person: Person):
    made = await person.makes_a_key()
    form = {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": RUNTIME_SECRET}
    runtime = bearer((await auth.token(**form, audience="auth")).json()["access_token"])
    path = "/internal/api-keys/resolve"
    found = (await auth.client.post(path, json={"key": made["key"]}, headers=runtime)).json()
    assert (found["scopes"], found["key_id"]) == (["agents:read"], made["id"].replace("-", ""))
    assert (await auth.client.post(path, json={"key": "kg_nothing"}, headers=runtime)).status_code == 404
    assert (await auth.client.post(path, json={"key": made["key"]}, headers=person.headers)).status_code == 404
