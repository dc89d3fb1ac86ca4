"""Secrets go in, references come out; services alone get them back."""

import asyncio
import base64
import json
import re
import secrets
import uuid
from typing import Any

import pytest

from auth_service.vault.credentials.service import KEEPERS, RESOLVERS
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, RunningAuth
from tests.external.subscriptions import listening

from .conftest import CREDENTIALS, KEEP, RESOLVE, Keeper, a_canary, keeper_of, resolve, service_headers


async def test_a_kept_secret_comes_back_as_a_reference_alone(keeper: Keeper):
    canary = a_canary()
    body = {"name": "my model", "type": "llm_provider", "secret": canary, "provider": "openai"}
    answer = await keeper.ask("POST", CREDENTIALS, {**body, "base_url": "https://models.example/v1"})
    assert answer.status_code == 201
    made = answer.json()
    assert re.fullmatch(r"cred_[0-9a-f]{32}", made["credential_ref"])
    assert (made["name"], made["type"], made["provider"], made["version"]) == ("my model", "llm_provider", "openai", 1)
    assert (made["owner_id"], made["base_url"]) == (keeper.owner_id, "https://models.example/v1")
    for path in (CREDENTIALS, f"{CREDENTIALS}/{made['credential_ref']}"):
        shown = await keeper.ask("GET", path)
        assert shown.status_code == 200
        assert canary not in shown.text
        assert made["credential_ref"] in shown.text


@pytest.mark.parametrize("secret", ["s", "ä€🔑 with spaces\n", "x" * 16_384, {"api_key": "a", "api_secret": "b"}])
async def test_what_was_kept_is_what_a_service_gets(auth: RunningAuth, keeper: Keeper, secret: Any):
    made = await keeper.keep(secret)
    answer = await resolve(auth, made["credential_ref"], keeper.owner_id)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {
        "credential_ref": made["credential_ref"],
        "type": "generic",
        "version": 1,
        "provider": None,
        "base_url": None,
        "secret": secret,
    }


async def test_a_rotation_keeps_the_reference_and_nothing_of_the_old_secret(auth: RunningAuth, keeper: Keeper):
    made = await keeper.keep("old")
    ref = made["credential_ref"]
    answer = await keeper.ask("POST", f"{CREDENTIALS}/{ref}/rotate", {"secret": {"new": "one"}})
    assert answer.status_code == 200
    assert (answer.json()["credential_ref"], answer.json()["version"]) == (ref, 2)
    assert (await resolve(auth, ref, keeper.owner_id)).json()["secret"] == {"new": "one"}
    assert await auth.rows("SELECT count(*) FROM identity.credentials WHERE name = :n", n=made["name"]) == [(1,)]


async def test_rotations_at_once_come_one_after_the_other(auth: RunningAuth, keeper: Keeper):
    ref = (await keeper.keep("first"))["credential_ref"]
    path = f"{CREDENTIALS}/{ref}/rotate"
    answers = await asyncio.gather(*(keeper.ask("POST", path, {"secret": str(n)}) for n in range(8)))
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 10))
    last = max(range(8), key=lambda n: answers[n].json()["version"])
    assert (await resolve(auth, ref, keeper.owner_id)).json()["secret"] == str(last)


async def test_a_deleted_credential_is_gone_and_its_uses_stay_on_record(auth: RunningAuth, keeper: Keeper):
    ref = (await keeper.keep("x"))["credential_ref"]
    assert (await resolve(auth, ref, keeper.owner_id)).status_code == 200
    assert (await keeper.ask("DELETE", f"{CREDENTIALS}/{ref}")).status_code == 204
    assert (await keeper.ask("GET", f"{CREDENTIALS}/{ref}")).status_code == 404
    assert (await keeper.ask("DELETE", f"{CREDENTIALS}/{ref}")).status_code == 404
    assert (await resolve(auth, ref, keeper.owner_id)).status_code == 404
    uses = await auth.rows(
        "SELECT used_by, purpose FROM identity.credential_uses WHERE owner_id = :o", o=keeper.owner_id
    )
    assert uses == [("runtime", "a test")]


async def test_each_use_is_on_record_for_its_owner(auth: RunningAuth, keeper: Keeper):
    ref = (await keeper.keep("x"))["credential_ref"]
    for service in ("runtime", "tools"):
        await resolve(auth, ref, keeper.owner_id, by=service)
    first = (await keeper.ask("GET", f"{CREDENTIALS}/{ref}/uses?limit=1")).json()
    second = (await keeper.ask("GET", f"{CREDENTIALS}/{ref}/uses?limit=1&cursor={first['next_cursor']}")).json()
    assert [row["used_by"] for row in first["items"] + second["items"]] == ["tools", "runtime"]
    assert first["items"][0] == {**first["items"][0], "purpose": "a test", "version": 1}
    assert second["next_cursor"] is None


async def test_a_name_is_taken_once_by_each_owner(auth: RunningAuth, keeper: Keeper):
    body = {"name": "only one", "type": "mcp", "secret": "x"}
    answers = await asyncio.gather(*(keeper.ask("POST", CREDENTIALS, body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409, 409]
    assert {answer.json().get("code") for answer in answers} == {None, "name_taken"}
    other = await keeper_of(auth)
    assert (await other.ask("POST", CREDENTIALS, body)).status_code == 201


async def test_the_list_comes_in_pages_newest_first_and_by_type(keeper: Keeper):
    refs = [(await keeper.keep("x", type=kind))["credential_ref"] for kind in ("mcp", "generic", "mcp")]
    first = (await keeper.ask("GET", f"{CREDENTIALS}?limit=2")).json()
    second = (await keeper.ask("GET", f"{CREDENTIALS}?limit=2&cursor={first['next_cursor']}")).json()
    assert [row["credential_ref"] for row in first["items"] + second["items"]] == refs[::-1]
    mcp = (await keeper.ask("GET", f"{CREDENTIALS}?type=mcp")).json()["items"]
    assert [row["credential_ref"] for row in mcp] == [refs[2], refs[0]]
    foreign = base64.urlsafe_b64encode(json.dumps(["no id"]).encode()).decode()
    refused = await keeper.ask("GET", f"{CREDENTIALS}?cursor={foreign}")
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "bad_cursor")


@pytest.mark.parametrize(
    "change",
    [
        {"secret": ""},
        {"secret": 5},
        {"secret": None},
        {"secret": ["a"]},
        {"secret": {}},
        {"secret": {"a": ""}},
        {"secret": {"a": {"b": "c"}}},
        {"secret": {"bad name": "c"}},
        {"secret": {f"f{n}": "c" for n in range(33)}},
        {"secret": {"a": "x" * 16_384, "b": "x" * 16_384, "c": "x"}},
        {"secret": "x" * 16_385},
        {"secret": "nul\x00"},
        {"secret": "\ud800"},
        {"name": ""},
        {"name": "platform:youtube"},
        {"name": "x" * 101},
        {"type": "password"},
        {"base_url": "https://x.example/"},
        {"type": "llm_provider", "base_url": "file:///etc/passwd"},
        {"type": "llm_provider", "base_url": "https://xn--a/v1"},
        {"type": "llm_provider", "base_url": "https://user:word@x.example/"},
        {"type": "llm_provider", "base_url": "https://x.example/?key=word"},
        {"owner_id": str(uuid.uuid4())},
        {"version": 5},
        {"credential_ref": "cred_" + "0" * 32},
    ],
)
async def test_what_can_not_be_a_credential_is_refused(keeper: Keeper, change: dict[str, Any]):
    body = json.dumps({"name": "refused", "type": "generic", "secret": "word", **change})
    headers = {**keeper.headers, "content-type": "application/json"}
    answer = await keeper.auth.client.post(CREDENTIALS, content=body, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert (await keeper.ask("GET", CREDENTIALS)).json()["items"] == []


async def test_another_owners_credential_is_not_to_be_found(auth: RunningAuth, keeper: Keeper):
    ref = (await keeper.keep("x"))["credential_ref"]
    other = await keeper_of(auth)
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/uses", None),
        ("DELETE", "", None),
        ("POST", "/rotate", {"secret": "theirs"}),
    ):
        seen = []
        for asked in (ref, f"cred_{uuid.uuid4().hex}", "no-ref", ref.upper()):
            answer = await other.ask(method, f"{CREDENTIALS}/{asked}{path}", body)
            seen.append((answer.status_code, answer.json()["code"], answer.json()["detail"]))
        assert set(seen) == {(404, "credential_not_found", "There is no such credential.")}
    assert (await other.ask("GET", CREDENTIALS)).json()["items"] == []
    refused = await resolve(auth, ref, other.owner_id)
    assert (refused.status_code, refused.json()["code"]) == (404, "credential_not_found")
    assert (await keeper.ask("GET", f"{CREDENTIALS}/{ref}")).json()["version"] == 1


async def test_reading_and_writing_need_their_scopes(auth: RunningAuth):
    email = await auth.register()
    reader = {"Authorization": f"Bearer {(await auth.log_in(email, scope='credentials:read'))['access_token']}"}
    body = {"name": "x", "type": "generic", "secret": "x"}
    assert (await auth.client.get(CREDENTIALS)).status_code == 401
    assert (await auth.client.get(CREDENTIALS, headers=reader)).status_code == 200
    refused = await auth.client.post(CREDENTIALS, json=body, headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    vault = await auth.client.get("/api/v1/admin/vault", headers=(await keeper_of(auth, email)).headers)
    assert vault.status_code == 403


async def test_named_services_alone_resolve_and_only_the_types_that_are_theirs(auth: RunningAuth, keeper: Keeper):
    ref = (await keeper.keep("x"))["credential_ref"]
    body = {"credential_ref": ref, "owner_id": keeper.owner_id, "purpose": "a test"}
    admin = await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    for headers, status in (
        ({}, 401),
        (keeper.headers, 404),
        ({"Authorization": f"Bearer {admin['access_token']}"}, 404),
        (await service_headers(auth, "runtime"), 200),
    ):
        assert (await auth.client.post(RESOLVE, json=body, headers=headers)).status_code == status
    for kind, services in RESOLVERS.items():
        if kind in KEEPERS:
            continue  # what services keep, people can't
        made = await keeper.keep("x", type=kind)
        for service in ("runtime", "tools"):
            answer = await resolve(auth, made["credential_ref"], keeper.owner_id, by=service)
            assert answer.status_code == (200 if service in services else 403), f"{kind} {service}"
            assert service in services or answer.json()["code"] == "service_not_allowed"


async def test_a_row_that_somebody_moved_or_changed_is_not_opened(auth: RunningAuth, keeper: Keeper):
    mine, other = await keeper.keep("mine"), await keeper_of(auth)
    theirs = await other.keep("theirs")
    ids = {"m": uuid.UUID(mine["credential_ref"][5:]), "t": uuid.UUID(theirs["credential_ref"][5:])}
    moved = (
        "UPDATE identity.credentials AS a SET wrapped_key = b.wrapped_key, ciphertext = b.ciphertext"
        " FROM identity.credentials AS b WHERE a.id = :m AND b.id = :t"
    )
    for statement in (
        "UPDATE identity.credentials SET name = 'renamed' WHERE id = :m",
        "UPDATE identity.credentials SET name = :n, version = 7 WHERE id = :m",
        moved,
        "UPDATE identity.credentials SET ciphertext = 'short' WHERE id = :m",
    ):
        await auth.run(statement, **({"n": mine["name"]} if ":n" in statement else {}), **ids)
        answer = await resolve(auth, mine["credential_ref"], keeper.owner_id)
        assert (answer.status_code, answer.json()["code"]) == (500, "credential_unreadable")
    mended = await keeper.ask("POST", f"{CREDENTIALS}/{mine['credential_ref']}/rotate", {"secret": "good"})
    assert mended.status_code == 200
    assert (await resolve(auth, mine["credential_ref"], keeper.owner_id)).json()["secret"] == "good"


async def test_a_secret_is_in_no_answer_log_event_or_dump(
    auth: RunningAuth, keeper: Keeper, capsys: pytest.CaptureFixture[str]
):
    jetstream = await auth.app.state.event_bus.jetstream()
    subscription = await listening(jetstream, "kgents.identity.credential.*")
    canary = a_canary()
    answers = [
        await keeper.ask("POST", CREDENTIALS, {"name": "loud", "type": "generic", "secret": canary}),
        await keeper.ask("POST", CREDENTIALS, {"name": "loud", "type": "mcp", "secret": canary}),
        await keeper.ask("POST", CREDENTIALS, {"name": "", "type": "generic", "secret": canary}),
        await keeper.ask("POST", CREDENTIALS, {"name": "loud2", "type": "generic", "secret": [canary]}),
        await keeper.ask("POST", CREDENTIALS, {"name": "loud2", "type": "generic", "secret": canary * 1000}),
        await keeper.ask("POST", CREDENTIALS, {"name": "loud2", "type": "generic", "secret": canary, "x": canary}),
        await auth.client.post(CREDENTIALS, content=f'{{"secret": "{canary}"', headers=keeper.headers),
    ]
    ref = answers[0].json()["credential_ref"]
    answers += [
        await keeper.ask("POST", f"{CREDENTIALS}/{ref}/rotate", {"secret": {"key": canary + "2"}}),
        await keeper.ask("GET", CREDENTIALS),
        await keeper.ask("GET", f"{CREDENTIALS}/{ref}/uses"),
        await keeper.ask("PUT", "/api/v1/cp/platform-credentials", {"platform": "x", "credentials": {"a": canary}}),
        await keeper.ask("PUT", "/api/v1/cp/exchange-setup", {"api_key": canary, "api_secret": canary}),
    ]
    assert (await resolve(auth, ref, keeper.owner_id)).json()["secret"] == {"key": canary + "2"}
    assert (await keeper.ask("DELETE", f"{CREDENTIALS}/{ref}")).status_code == 204
    told: list[tuple[str, str]] = []

    async def all_were_told() -> bool:
        for message in await subscription.fetch(100, timeout=1):
            told.append((message.subject.rsplit(".", 1)[1], message.data.decode()))
            await message.ack()
        return len([body for _, body in told if ref in body]) >= 4

    await eventually(all_were_told, retry_on=(TimeoutError,))
    assert [kind for kind, body in told if ref in body] == ["made", "rotated", "resolved", "deleted"]
    captured = capsys.readouterr()
    seen = "".join(answer.text for answer in answers) + str(told) + captured.out + captured.err
    for hidden in forms_of(canary):
        assert hidden not in seen
        assert hidden not in await dump(auth)


async def test_a_dump_of_the_schema_holds_no_master_key(auth: RunningAuth, keeper: Keeper):
    await keeper.keep("x")
    file = auth.settings.signing_key_file.with_name("vault-keys")
    keys = [base64.b64decode(line) for line in file.read_text().splitlines()]
    assert keys
    dumped = await dump(auth)
    assert "credential_uses" in dumped
    for key in keys:
        assert key.hex() not in dumped
        assert base64.b64encode(key).decode() not in dumped


def forms_of(secret: str) -> tuple[str, ...]:
    return secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode().rstrip("=")


async def dump(auth: RunningAuth) -> str:
    """Every row of every table of the schema as text; bytes in hexadecimal."""
    tables = await auth.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'identity'")
    lines: list[str] = []
    for (table,) in tables:
        lines.append(table)
        lines += [row[0] for row in await auth.rows(f'SELECT t::text FROM identity."{table}" AS t')]  # noqa: S608
    return "\n".join(lines)


async def test_what_a_service_got_for_an_owner_is_kept_by_that_service_alone(auth: RunningAuth, keeper: Keeper):
    canary, name = a_canary(), f"mcp-oauth-{secrets.token_hex(8)}"
    body = {"owner_id": keeper.owner_id, "name": name, "type": "mcp_oauth", "secret": {"tokens": canary}}
    as_tools, as_runtime = await service_headers(auth, "tools"), await service_headers(auth, "runtime")
    for headers, status in (({}, 401), (keeper.headers, 404), (as_runtime, 403)):
        assert (await auth.client.put(KEEP, json=body, headers=headers)).status_code == status
    kept = await auth.client.put(KEEP, json=body, headers=as_tools)
    again = await auth.client.put(KEEP, json=body | {"secret": {"tokens": f"{canary}2"}}, headers=as_tools)
    ref = kept.json()["credential_ref"]
    assert again.json() == {"credential_ref": ref, "version": 2}
    assert (await resolve(auth, ref, keeper.owner_id, by="tools")).json()["secret"] == {"tokens": f"{canary}2"}
    assert (await resolve(auth, ref, keeper.owner_id, by="runtime")).status_code == 403
    assert canary not in (await keeper.ask("GET", f"{CREDENTIALS}/{ref}")).text
    gone = {"owner_id": keeper.owner_id, "credential_ref": ref}
    for _ in range(2):
        assert (await auth.client.post(f"{KEEP}/forget", json=gone, headers=as_tools)).status_code == 204
    assert (await keeper.ask("GET", f"{CREDENTIALS}/{ref}")).status_code == 404


async def test_a_service_takes_nothing_of_a_persons_away(auth: RunningAuth, keeper: Keeper):
    made = await keeper.keep("of a person", name="theirs", type="mcp")
    as_tools = await service_headers(auth, "tools")
    body = {"owner_id": keeper.owner_id, "name": "theirs", "type": "mcp_oauth", "secret": {"tokens": "x"}}
    taken = await auth.client.put(KEEP, json=body, headers=as_tools)
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    gone = {"owner_id": keeper.owner_id, "credential_ref": made["credential_ref"]}
    assert (await auth.client.post(f"{KEEP}/forget", json=gone, headers=as_tools)).status_code == 403
    by_hand = await keeper.ask("POST", CREDENTIALS, {"name": "x", "type": "mcp_oauth", "secret": {"tokens": "x"}})
    assert by_hand.status_code == 422
