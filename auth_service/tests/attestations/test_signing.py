"""Attestations as a third party sees them: verified by PyJWT and by authlib's JOSE library with the published keys.

And as an attacker does: they open nothing.
"""

from __future__ import annotations

import base64
import json
import time
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from joserfc import jwt as authlibs_jwt
from joserfc.errors import BadSignatureError
from joserfc.jwk import KeySet

from auth_service.tokens.access_tokens import AccessTokens
from kgents_shared.contracts.attestations import ATTESTATION_TYPE
from tests.external.app_clients import RUNTIME, Caller, a_person
from tests.external.running_auth import ISSUER, RunningAuth

SIGN = "/internal/attestations/sign"


def wanted(attester: dict[str, str], **changes: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()),
        "attester": attester,
        "profile": {"id": str(uuid4()), "name": "front-desk", "owner_id": "owner-1"},
        "agent": {"id": str(uuid4()), "name": "desk", "version": 3, "content_hash": "c0ffee"},
        "claims": {"type": "capability", "statement": "It books rooms.", "capabilities": ["booking"]},
        "valid_days": 30,
        "status_path": "/api/v1/agents/profiles/attestations/1/status",
        **changes,
    }


def person(caller: Caller) -> dict[str, str]:
    return {"kind": "person", "id": caller.id}


async def sign(auth: RunningAuth, body: dict[str, Any], service: str = "management") -> httpx.Response:
    tokens = AccessTokens(auth.parts.keys, ISSUER, 900)
    token = tokens.issue(subject=service, audience="auth", client_id=service, scopes=(), roles=(), epoch=0)
    return await auth.client.post(SIGN, json=body, headers={"Authorization": f"Bearer {token}"})


async def signed(auth: RunningAuth, body: dict[str, Any]) -> str:
    answer = await sign(auth, body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["jws"])


async def published_keys(auth: RunningAuth) -> Any:
    return (await auth.client.get("/.well-known/jwks.json")).json()


@pytest.fixture
async def ada(auth: RunningAuth) -> Caller:
    return await a_person(auth)


async def test_pyjwt_verifies_it_with_the_published_keys_and_reads_who_said_what(auth: RunningAuth, ada: Caller):
    body = wanted(person(ada))
    jws = await signed(auth, body)
    header = jwt.get_unverified_header(jws)
    keys = jwt.PyJWKSet.from_dict(await published_keys(auth))
    claims = jwt.decode(jws, keys[header["kid"]], algorithms=["ES256"], issuer=ISSUER)
    assert (header["typ"], header["alg"]) == (ATTESTATION_TYPE, "ES256")
    assert (claims["jti"], claims["sub"]) == (body["id"], body["profile"]["id"])
    assert claims["attester"] == {"kind": "person", "id": ada.id, "name": "Ada"}
    assert claims["attestation"] == body["claims"] | {"evidence_url": None}
    assert (claims["profile"], claims["agent"]) == (body["profile"], body["agent"])
    assert claims["status"] == {"uri": f"{ISSUER}/api/v1/agents/profiles/attestations/1/status"}
    assert claims["exp"] - claims["iat"] == 30 * 86_400
    assert abs(claims["iat"] - time.time()) < 60


async def test_authlibs_library_verifies_it_and_refuses_it_with_another_statement(auth: RunningAuth, ada: Caller):
    jws = await signed(auth, wanted(person(ada)))
    keys = KeySet.import_key_set(await published_keys(auth))
    found = authlibs_jwt.decode(jws, keys, algorithms=["ES256"])
    assert found.claims["attestation"]["statement"] == "It books rooms."
    head, payload, signature = jws.split(".")
    said = json.loads(base64.urlsafe_b64decode(payload + "=="))
    said["attestation"]["statement"] = "It books planes."
    forged = base64.urlsafe_b64encode(json.dumps(said).encode()).decode().rstrip("=")
    with pytest.raises(BadSignatureError):
        authlibs_jwt.decode(f"{head}.{forged}.{signature}", keys, algorithms=["ES256"])


async def test_it_opens_no_route_and_is_no_active_token(auth: RunningAuth, ada: Caller):
    jws = await signed(auth, wanted(person(ada)))
    for path in ("/api/v1/users/me", "/internal/revocations"):
        answer = await auth.client.get(path, headers={"Authorization": f"Bearer {jws}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    seen = await auth.client.post("/api/v1/auth/introspect", data={"token": jws, **RUNTIME})
    assert seen.json() == {"active": False}


async def test_claims_of_a_token_under_its_type_open_nothing_either(auth: RunningAuth):
    admin = (await auth.rows("SELECT id FROM identity.users ORDER BY id LIMIT 1"))[0][0]
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": str(admin), "aud": "kgents", "exp": now + 900, "iat": now, "jti": "1"}
    more = {"client_id": "kgents-cli", "scope": "users:read", "roles": ["admin"], "epoch": 0}
    for media_type, status in ((ATTESTATION_TYPE, 401), ("at+jwt", 200)):
        bearer = auth.parts.keys.sign_as(media_type, claims | more).jws
        answer = await auth.client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {bearer}"})
        assert answer.status_code == status, media_type


async def test_only_the_management_service_may_have_one_signed(auth: RunningAuth, ada: Caller):
    body = wanted(person(ada))
    for service in ("runtime", "tools", "deployment"):
        assert (await sign(auth, body, service)).status_code == 403
    assert (await ada.asks("POST", SIGN, json=body)).status_code == 404
    assert (await auth.client.post(SIGN, json=body)).status_code == 401


async def test_an_organisation_and_an_application_are_named_as_they_are_known_here(auth: RunningAuth, ada: Caller):
    team = (await ada.asks("POST", "/api/v1/organisations", json={"slug": f"a{uuid4().hex[:8]}", "name": "x"})).json()
    machine = await ada.made(name="auditor")
    for kind, its_id, name in (
        ("organisation", team["id"], team["slug"]),
        ("machine", machine["client_id"], "auditor"),
    ):
        answer = await sign(auth, wanted({"kind": kind, "id": its_id}))
        assert answer.json()["attester"] == {"kind": kind, "id": its_id, "name": name}


@pytest.mark.parametrize("kind", ["person", "organisation", "machine"])
async def test_nobody_signs_for_whom_nobody_knows(auth: RunningAuth, kind: str):
    for unknown in (str(uuid4()), "nobody"):
        answer = await sign(auth, wanted({"kind": kind, "id": unknown}))
        assert (answer.status_code, answer.json()["code"]) == (404, "no_such_user")


@pytest.mark.parametrize(
    "changes",
    [{"valid_days": 0}, {"valid_days": 366}, {"status_path": "//elsewhere.example/x"}, {"iss": "me"}, {"claims": {}}],
    ids=["no-day", "years", "elsewhere", "issuer", "nothing-said"],
)
async def test_nothing_else_is_signed(auth: RunningAuth, ada: Caller, changes: dict[str, Any]):
    assert (await sign(auth, wanted(person(ada), **changes))).status_code == 422
