"""Somebody who reads the whole schema `identity`, as from a stolen backup, has nothing that opens anything."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Iterator
from typing import Any, cast

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
    number = key.private_numbers().private_value.to_bytes(32, "big")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
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


# Where something stands that nobody can read, and why it opens nothing. A column that is not here must be looked at.
OPAQUE = {
    "api_keys.key_hash": "HMAC-SHA-256 under the pepper, which is a file",
    "app_client_secrets.secret_hash": "SHA-256 of 256 random bits",
    "app_clients.secret_hash": "SHA-256 of a service's secret, which is long and random",
    "credentials.ciphertext": "under a data key",
    "credentials.wrapped_key": "the data key under a master key, which is a file or in a key store",
    "credentials.key_id": "a master key's name",
    "limits.key": "SHA-256 of what is counted",
    "local_accounts.password_hash": "argon2id",
    "mailed_tokens.token_hash": "SHA-256 of 256 random bits",
    "oidc_attempts.browser_hash": "SHA-256 of 256 random bits",
    "oidc_attempts.state_hash": "SHA-256 of 256 random bits",
    "refresh_tokens.token_hash": "SHA-256 of 256 random bits",
    "outbox.body": "ids alone",
}
_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|(cred|mk|app)_[0-9a-f]+|\d{4}-\d\d-\d\dT[0-9:.+]+")
_LONG = re.compile(r"[A-Za-z0-9+/_-]{20,}")


def texts(value: object) -> Iterator[str]:
    """Every text within a row."""
    if isinstance(value, dict):
        for inner in cast("dict[str, object]", value).values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in cast("list[object]", value):
            yield from texts(inner)
    elif isinstance(value, str):
        yield value


def is_opaque(text: str) -> bool:
    """Whether something stands in a text that is long, in one piece, and no word, id or time."""
    pieces: list[str] = _LONG.findall(_ID.sub(" ", text))
    return any(len(set(piece)) > 9 and re.search(r"\d", piece) for piece in pieces)


def test_what_is_opaque_is_told_from_words_ids_and_times():
    for secret in ("kgr_7Jq-x0V_pYtWc2mL9sBdAg", "9f86d081884c7d659a2feaa0c55ad015", "key 4bQz8sT1uVwXyZaBcDeFg"):
        assert is_opaque(secret)
    for told in ("2026-11-21T07:33:55.123456+00:00", "the words of a person", "organisations:write", "a@b.example"):
        assert not is_opaque(told)
    assert not is_opaque("01a1fd02-8a48-73a9-b0fe-4f67707598ff and cred_01a1fd028a4873a9b0fe4f67707598ff")


async def test_every_column_that_nobody_can_read_is_known(auth: RunningAuth):
    before = (await auth.rows("SELECT pg_current_xact_id()::text::bigint"))[0][0]
    await every_kind_of_secret(auth)
    found = set[str]()
    for (table,) in await auth.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'identity'"):
        written = f'SELECT row_to_json(t) FROM identity."{table}" AS t WHERE xmin::text::bigint >= :before'  # noqa: S608
        for (row,) in await auth.rows(written, before=before):
            columns = cast("dict[str, Any]", row)
            found |= {f"{table}.{name}" for name, value in columns.items() if any(map(is_opaque, texts(value)))}
    assert len(found) >= 6
    assert found <= OPAQUE.keys(), found - OPAQUE.keys()
    columns = await auth.rows(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'identity'"
    )
    assert OPAQUE.keys() <= {name for (name,) in columns}
