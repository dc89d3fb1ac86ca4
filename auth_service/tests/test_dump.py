"""Somebody who reads the whole schema `identity`, as from a stolen backup, has nothing that opens anything."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.external.mailed import token_mailed_to
from tests.external.running_auth import (
    ADMIN_PASSWORD,
    PASSWORD,
    RUNTIME_SECRET,
    TOOLS_SECRET,
    RunningAuth,
)

_SIGNED = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_PRIVATE = re.compile(r"PRIVATE KEY|\"d\"\s*:")


async def dump(auth: RunningAuth) -> str:
    """Every row of every table of the schema, bytes as hex."""
    tables = await auth.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'identity' ORDER BY 1")
    assert len(tables) > 20
    rows = [await auth.rows(f'SELECT t::text FROM identity."{table}" AS t') for (table,) in tables]  # noqa: S608
    return "\n".join(str(row[0]) for found in rows for row in found)


def spellings(secret: str) -> dict[str, str]:
    """What would let somebody use `secret`, whichever way a column holds it; a bare hash of a password is guessed."""
    raw = secret.encode()
    return {
        "as it is": secret,
        "its bytes": raw.hex(),
        "in base64": base64.b64encode(raw).decode().rstrip("="),
        "in base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }


async def every_kind_of_secret(auth: RunningAuth) -> dict[str, str]:
    """Have one of each kind made, and what it is."""
    password = f"a password that is {secrets.token_hex(8)}"
    address = await auth.register(password=password)
    tokens = await auth.log_in(address, password)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    async def post(path: str, body: dict[str, Any], method: str = "POST") -> dict[str, Any]:
        answer = await auth.client.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code in {200, 201, 202}, answer.text
        found: dict[str, Any] = answer.json()
        return found

    canary = secrets.token_hex(16)
    key = await post("/users/me/api-keys", {"name": "ci", "scopes": ["agents:read"]})
    client = await post("/auth/clients", {"name": "ci", "scopes": ["agents:read"]})
    await post("/credentials", {"name": "model", "type": "llm_provider", "secret": f"credential {canary}"})
    platform = {"platform": "youtube", "credentials": {"access_token": f"platform {canary}"}}
    await post("/cp/platform-credentials", platform, "PUT")
    exchange = {"api_key": f"exchange {canary}", "api_secret": f"half {canary}", "default_coin": "BTC"}
    await post("/cp/exchange-setup", exchange | {"risk_limits": {"max_units_per_order": "1"}}, "PUT")
    await post("/auth/password/reset", {"email": address})
    machine = await auth.token(
        grant_type="client_credentials", client_id=client["client_id"], client_secret=client["client_secret"]
    )
    return {
        "password": password,
        "another's password": PASSWORD,
        "the first admin's password": ADMIN_PASSWORD,
        "access token": tokens["access_token"],
        "refresh token": tokens["refresh_token"],
        "API key": key["key"],
        "client secret": client["client_secret"],
        "a machine's token": machine.json()["access_token"],
        "a service's secret": RUNTIME_SECRET,
        "another service's secret": TOOLS_SECRET,
        "credential": f"credential {canary}",
        "platform credential": f"platform {canary}",
        "exchange key": f"exchange {canary}",
        "exchange secret": f"half {canary}",
        "mailed token": await token_mailed_to(auth, address),
    }


@pytest.fixture
def private_keys(auth: RunningAuth) -> dict[str, bytes]:
    """The key files, as bytes that a column could hold."""
    folder = auth.settings.signing_key_file.parent
    pem = auth.settings.signing_key_file.read_bytes()
    key = load_pem_private_key(pem, None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    number = key.private_numbers().private_value.to_bytes(32, "big")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
    vault = [base64.b64decode(line) for line in (folder / "vault-keys").read_text().split()]
    found = {"signing key": der, "signing key's number": number, "pepper": (folder / "api-key-pepper").read_bytes()}
    return found | {f"master key {place}": key for place, key in enumerate(vault)}


async def test_a_dump_of_the_schema_holds_nothing_usable(auth: RunningAuth, private_keys: dict[str, bytes]):
    made = await every_kind_of_secret(auth)
    assert len(set(made.values())) == len(made)
    text = await dump(auth)
    found = {
        f"{what}, {how}" for what, secret in made.items() for how, form in spellings(secret).items() if form in text
    }
    for what, key in private_keys.items():
        forms = (
            key.hex(),
            base64.b64encode(key).decode().rstrip("="),
            base64.urlsafe_b64encode(key).decode().rstrip("="),
        )
        found |= {what for form in forms if form in text}
    # What people choose is guessed from a bare hash; what is random and long isn't.
    for what in ("password", "another's password", "the first admin's password"):
        for digest in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512):
            found |= {
                f"{what}, {digest.__name__}" for form in [digest(made[what].encode()).hexdigest()] if form in text
            }
    assert found == set()
    assert _SIGNED.search(text) is None
    assert _PRIVATE.search(text) is None


async def test_the_search_finds_what_a_careless_column_would_hold(auth: RunningAuth):
    secret = f"kgr_{secrets.token_urlsafe(32)}"
    await auth.run("CREATE TABLE identity.careless (secret bytea)")
    try:
        await auth.run("INSERT INTO identity.careless VALUES (:secret)", secret=secret.encode())
        text = await dump(auth)
    finally:
        await auth.run("DROP TABLE identity.careless")
    assert [how for how, form in spellings(secret).items() if form in text] == ["its bytes"]
