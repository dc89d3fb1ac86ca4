"""Profiles and the attestations of them, up to what the auth service signs (tests/e2e has that)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import update

from agent_management_service.profiles.models import AttestationRow
from kgents_shared.contracts.attestations import NamedAttester, SignAttestation, SignedAttestation
from kgents_shared.db import Database
from kgents_shared.errors import Unavailable
from kgents_shared.testing.tokens import TokenIssuer

PROFILES = "/api/v1/agents/profiles"
CLAIMS = {"type": "capability", "statement": "It books rooms.", "capabilities": ["booking"]}
MakeAgent = Callable[..., Awaitable[dict[str, Any]]]
Clients = Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]


class Signing:
    """An `AttestationSigner` that keeps what it was given, or is away."""

    def __init__(self) -> None:
        self.asked: list[SignAttestation] = []
        self.is_away = False

    async def sign(self, attestation: SignAttestation) -> SignedAttestation:
        if self.is_away:
            raise Unavailable("The auth service can't be reached right now.", code="auth_away")
        self.asked.append(attestation)
        now = int(datetime.now(UTC).timestamp())
        return SignedAttestation(
            jws=f"signed.{attestation.id}.x",
            issuer="http://localhost:8080",
            attester=NamedAttester(kind=attestation.attester.kind, id=attestation.attester.id, name="Ada"),
            issued_at=now,
            expires_at=now + attestation.valid_days * 86_400,
        )


@pytest.fixture
def signing(app: FastAPI) -> Generator[Signing]:
    """In the place of the auth service."""
    signing, real = Signing(), app.state.attestation_signer
    app.state.attestation_signer = signing
    yield signing
    app.state.attestation_signer = real


@pytest.fixture
async def profile(caller: httpx.AsyncClient, make_agent: MakeAgent) -> dict[str, Any]:
    agent = await make_agent("desk", publish=True)
    body = {"name": "desk", "agent_id": agent["id"], "capabilities": ["booking", "refunds"]}
    answer = await caller.post(PROFILES, json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def attest(caller: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    answer = await caller.post(f"{PROFILES}/desk/attest", json={**CLAIMS, **fields})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def status_of(client_with: Clients, attestation: dict[str, Any]) -> httpx.Response:
    """As somebody without a token asks."""
    anybody = await client_with({})
    return await anybody.get(f"{PROFILES}/attestations/{attestation['id']}/status")


async def test_a_profile_shows_its_agent_as_it_stands(caller: httpx.AsyncClient, profile: dict[str, Any]) -> None:
    found = (await caller.get(f"{PROFILES}/desk")).json()
    agent = (await caller.get("/api/v1/agents/desk")).json()
    assert found["agent"] == {
        "id": agent["id"], "name": "desk", "status": "published", "version": 1, "capabilities": ["chat"],
    }  # fmt: skip
    assert (found["capabilities"], found["attested"]) == (["booking", "refunds"], [])
    body = {"name": "desk", "agent_id": agent["id"], "description": "At the door."}
    assert (await caller.put(f"{PROFILES}/{profile['id']}", json=body)).json()["description"] == "At the door."
    assert [row["name"] for row in (await caller.get(PROFILES)).json()["items"]] == ["desk"]
    assert (await caller.delete("/api/v1/agents/desk")).status_code == 204
    assert (await caller.get(f"{PROFILES}/desk")).json()["agent"] is None


@pytest.mark.parametrize(
    ("fields", "place", "code"),
    [
        ({"agent_id": str(uuid4())}, ["agent_id"], "reference_missing"),
        ({"agent_id": "desk"}, ["agent_id"], "uuid_parsing"),
        ({"capabilities": ["a", "a"]}, ["capabilities"], "doubled_capability"),
        ({"capabilities": ["A b"]}, ["capabilities", 0], "string_pattern_mismatch"),
    ],
    ids=["agent", "no-id", "twice", "letters"],
)
async def test_a_fault_of_a_profile_is_told_with_its_place(
    caller: httpx.AsyncClient, make_agent: MakeAgent, fields: dict[str, Any], place: list[Any], code: str
) -> None:
    agent = await make_agent("desk")
    answer = await caller.post(PROFILES, json={"name": "desk", "agent_id": agent["id"], **fields})
    assert answer.status_code == 422
    assert [(fault["loc"], fault["code"]) for fault in answer.json()["errors"]] == [(place, code)]


async def test_another_owners_profile_and_agent_are_as_if_they_were_not(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    made = await attest(caller)
    for method, path in (
        ("GET", profile["id"]), ("GET", "desk/attestations"), ("POST", f"{profile['id']}/attest"),
        ("POST", f"{profile['id']}/attestations/{made['id']}/revoke"), ("DELETE", "desk"),
    ):  # fmt: skip
        answer = await stranger.request(method, f"{PROFILES}/{path}", json=CLAIMS if path.endswith("attest") else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "kind_not_found"), path
    body = {"name": "mine", "agent_id": profile["agent_id"]}
    assert (await stranger.post(PROFILES, json=body)).status_code == 422
    assert len(signing.asked) == 1


async def test_what_is_signed_is_what_was_said_of_the_agent_as_it_stood(
    caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    made = await attest(caller, valid_days=30, evidence_url="https://audits.example/7")
    (asked,) = signing.asked
    version = (await caller.get("/api/v1/agents/desk/versions/1")).json()
    assert (asked.agent.name, asked.agent.version, asked.agent.content_hash) == ("desk", 1, version["content_hash"])
    assert (asked.profile.id, asked.profile.owner_id) == (UUID(profile["id"]), profile["owner_id"])
    assert (asked.attester.kind, asked.attester.id) == ("person", profile["owner_id"])
    assert asked.status_path == f"{PROFILES}/attestations/{made['id']}/status"
    assert asked.valid_days == 30
    assert made["claims"] == {**CLAIMS, "evidence_url": "https://audits.example/7"}
    assert (made["status"], made["jws"]) == ("valid", f"signed.{made['id']}.x")
    assert (await caller.get(f"{PROFILES}/desk")).json()["attested"] == ["booking"]


async def test_an_organisations_member_attests_in_its_name_and_nobody_elses(
    client_with: Clients, issuer: TokenIssuer, make_agent: MakeAgent, signing: Signing
) -> None:
    acme = str(uuid4())
    member = await client_with(issuer.person(f"member-{uuid4().hex}", organisations={"acme": acme}))
    spec = {"name": "desk", "system_prompt": "x"}
    agent = (await member.post("/api/v1/agents", json=spec, params={"organisation": "acme"})).json()
    body = {"name": "desk", "agent_id": agent["id"]}
    made = await member.post(PROFILES, json=body, params={"organisation": "acme"})
    assert made.status_code == 201, made.text
    path, said = f"{PROFILES}/acme~desk/attest", {"type": "identity", "statement": "It is ours."}
    assert (await member.post(path, json=said, params={"organisation": "acme"})).status_code == 201
    assert (signing.asked[0].attester.kind, signing.asked[0].attester.id) == ("organisation", acme)
    assert (signing.asked[0].agent.version, signing.asked[0].agent.content_hash) == (None, None)
    assert (await member.post(path, json=said, params={"organisation": "umbrella"})).status_code == 404


async def test_whoever_acts_for_somebody_gives_no_word_in_their_name(
    client_with: Clients, issuer: TokenIssuer, caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    actor = await client_with(issuer.person(profile["owner_id"], act={"sub": "app_1"}))
    answer = await actor.post(f"{PROFILES}/desk/attest", json=CLAIMS)
    assert (answer.status_code, answer.json()["code"]) == (403, "not_in_person")
    assert signing.asked == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"capabilities": ["flying"]}, "capability_not_claimed"),
        ({"statement": ""}, "string_too_short"),
        ({"type": "oath"}, "literal_error"),
        ({"valid_days": 366}, "less_than_equal"),
        ({"evidence_url": "javascript:x"}, "string_pattern_mismatch"),
        ({"attester": {"kind": "person", "id": "somebody", "name": "Else"}}, "extra_forbidden"),
    ],
    ids=["not-claimed", "empty", "type", "long", "url", "in-anothers-name"],
)
async def test_what_can_not_be_attested_is_refused_unsigned(
    caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing, fields: dict[str, Any], code: str
) -> None:
    answer = await caller.post(f"{PROFILES}/desk/attest", json={**CLAIMS, **fields})
    assert (answer.status_code, [fault["code"] for fault in answer.json()["errors"]]) == (422, [code])
    assert signing.asked == []


async def test_a_deleted_agent_is_attested_by_nobody(
    caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    assert (await caller.delete("/api/v1/agents/desk")).status_code == 204
    answer = await caller.post(f"{PROFILES}/desk/attest", json=CLAIMS)
    assert (answer.status_code, answer.json()["code"]) == (409, "agent_deleted")
    assert signing.asked == []


async def test_with_the_auth_service_away_nothing_is_kept(
    caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    signing.is_away = True
    answer = await caller.post(f"{PROFILES}/desk/attest", json=CLAIMS, headers={"Idempotency-Key": "k"})
    assert (answer.status_code, answer.json()["code"]) == (503, "auth_away")
    assert (await caller.get(f"{PROFILES}/desk/attestations")).json()["items"] == []
    signing.is_away = False
    again = await caller.post(f"{PROFILES}/desk/attest", json=CLAIMS, headers={"Idempotency-Key": "k"})
    assert again.status_code == 201


async def test_anybody_may_ask_whether_it_stands_and_learns_nothing_else(
    client_with: Clients, caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing, app: FastAPI
) -> None:
    made, over = await attest(caller), await attest(caller)
    answer = await status_of(client_with, made)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.json() == {
        "id": made["id"], "status": "valid", "issued_at": made["issued_at"], "expires_at": made["expires_at"],
        "revoked_at": None,
    }  # fmt: skip
    database: Database = app.state.database
    async with database.transaction() as session:
        past = {"expires_at": datetime.now(UTC) - timedelta(seconds=1)}
        await session.execute(update(AttestationRow).where(AttestationRow.id == UUID(over["id"])).values(past))
    assert (await status_of(client_with, over)).json()["status"] == "expired"
    unknown = await status_of(client_with, {"id": str(uuid4())})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "attestation_not_found")


async def test_revoked_it_stays_revoked_and_its_profile_can_go(
    client_with: Clients, caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    made = await attest(caller)
    kept = await caller.delete(f"{PROFILES}/desk")
    assert (kept.status_code, kept.json()["code"]) == (409, "attestations_stand")
    path = f"{PROFILES}/desk/attestations/{made['id']}/revoke"
    revoked = (await caller.post(path, json={"reason": "It was mistaken."})).json()
    assert (revoked["status"], revoked["revocation_reason"]) == ("revoked", "It was mistaken.")
    assert (await caller.post(path)).json() == revoked, "once for good"
    told = (await status_of(client_with, made)).json()
    assert (told["status"], told["revoked_at"]) == ("revoked", revoked["revoked_at"])
    assert (await caller.get(f"{PROFILES}/desk")).json()["attested"] == []
    elsewhere = f"{PROFILES}/desk/attestations/{uuid4()}/revoke"
    assert (await caller.post(elsewhere)).json()["code"] == "attestation_not_found"
    assert (await caller.delete(f"{PROFILES}/desk")).status_code == 204
    assert (await status_of(client_with, made)).status_code == 404


async def test_attestations_are_listed_in_pages_newest_first(
    caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    made = [(await attest(caller, statement=f"Number {number}."))["id"] for number in range(3)]
    path = f"{PROFILES}/desk/attestations"
    first = (await caller.get(path, params={"limit": 2})).json()
    second = (await caller.get(path, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [row["id"] for row in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
    assert (await caller.get(path, params={"cursor": "WyJ4Il0"})).status_code == 422


async def test_the_same_attestation_under_one_key_is_signed_once(
    caller: httpx.AsyncClient, profile: dict[str, Any], signing: Signing
) -> None:
    path, key = f"{PROFILES}/desk/attest", {"Idempotency-Key": "k"}
    answers = [await caller.post(path, json=CLAIMS, headers=key) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert len(signing.asked) == 1
