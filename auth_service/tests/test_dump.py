"""Somebody who reads the whole schema `identity`, as from a stolen backup, has nothing that opens anything."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from tests.external.every_secret import every_kind_of_secret, spellings
from tests.external.running_auth import RunningAuth

_SIGNED = re.compile(r"eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_PRIVATE = re.compile(r"PRIVATE KEY|\"d\"\s*:")


async def dump(auth: RunningAuth) -> str:
    """Every row of every table of the schema, bytes as hex."""
    tables = await auth.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'identity' ORDER BY 1")
    assert len(tables) > 20
    rows = [await auth.rows(f'SELECT t::text FROM identity."{table}" AS t') for (table,) in tables]  # noqa: S608
    return "\n".join(str(row[0]) for found in rows for row in found)


@pytest.fixture
def private_keys(auth: RunningAuth) -> dict[str, bytes]:
    """The key files, as bytes that a column could hold."""
    folder = auth.settings.signing_key_file.parent
    pem = auth.settings.signing_key_file.read_bytes()
    key = load_pem_private_key(pem, None)
    der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    number = key.private_numbers().private_value.to_bytes(32, "big")  # pyright: ignore[reportAttributeAccessIssue]
    vault = [base64.b64decode(line) for line in (folder / "vault-keys").read_text().split()]
    found = {"signing key": der, "signing key's number": number, "pepper": (folder / "api-key-pepper").read_bytes()}
    return found | {f"master key {place}": key for place, key in enumerate(vault)}


async def test_a_dump_of_the_schema_holds_nothing_usable(auth: RunningAuth, private_keys: dict[str, bytes]):
    walk = await every_kind_of_secret(auth)
    text = await dump(auth)
    found = {
        f"{what}, {how}" for what, one in walk.made.items() for how, form in spellings(one).items() if form in text
    }
    for what, key in private_keys.items():
        forms = (
            key.hex(),
            base64.b64encode(key).decode().rstrip("="),
            base64.urlsafe_b64encode(key).decode().rstrip("="),
        )
        found |= {what for form in forms if form in text}
    # What people choose is guessed from a bare hash; what is random and long isn't.
    for password in walk.passwords:
        for digest in (hashlib.md5, hashlib.sha1, hashlib.sha256, hashlib.sha512):
            found |= {digest.__name__ for form in [digest(password.encode()).hexdigest()] if form in text}
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
