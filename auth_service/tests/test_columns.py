"""Whatever is written to the schema `identity`, also for a moment, can be read, or it is known why it opens nothing."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterator
from typing import Any, cast

import pytest
from sqlalchemy import text as sql

from tests.external.every_secret import every_kind_of_secret
from tests.external.running_auth import RunningAuth

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
# Tables of which the walk writes no row: names and numbers alone, or looked at by tests of their own.
NOT_WALKED = {
    "alembic_version": "a number",
    "attestation_keys": "public halves of keys",
    "app_client_roles": "names",
    "client_assertions": "SHA-256 of what an assertion is called: test_signed_assertions",
    "erasures": "ids and times",
    "erasure_parts": "ids, names of services, and sentences of refusals",
    "oidc_attempts": "SHA-256 of 256 random bits: oidc/test_logging_in",
    "permissions": "names",
    "role_permissions": "names",
    "roles": "names",
    "signing_keys": "sealed by the key file: test_the_database_holds_no_private_key_that_opens_without_the_file",
    "vault_keys": "names of keys: vault/test_rotation",
}
_ID = re.compile(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}|(cred|mk|app)_[0-9a-f]+|\d{4}-\d\d-\d\dT[0-9:.+]+")
WRITTEN = "SELECT of, body FROM identity.written"
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


@pytest.fixture
async def written(auth: RunningAuth) -> AsyncGenerator[None]:
    """Every row that is written meanwhile is kept in `identity.written`, also where it is changed or deleted later."""
    tables = [table for (table,) in await auth.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'identity'")]
    await auth.run("CREATE TABLE identity.written (of text, body jsonb)")
    await auth.run(
        "CREATE FUNCTION identity.write_down() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " INSERT INTO identity.written VALUES (TG_TABLE_NAME, to_jsonb(NEW)); RETURN NEW; END $$"
    )
    for table in tables:
        made = "CREATE TRIGGER write_down AFTER INSERT OR UPDATE ON identity.{} FOR EACH ROW"
        await auth.run(f"{made.format(table)} EXECUTE FUNCTION identity.write_down()")
    yield
    await auth.run("DROP FUNCTION identity.write_down() CASCADE")
    await auth.run("DROP TABLE identity.written")


@pytest.mark.usefixtures("written")
async def test_every_column_that_nobody_can_read_is_known(auth: RunningAuth):
    walk = await every_kind_of_secret(auth)
    await auth.parts.failures.tell_now()
    async with auth.database.transaction() as session:
        rows = [(str(of), cast("dict[str, Any]", body)) for of, body in await session.execute(sql(WRITTEN))]
    found = {f"{of}.{name}" for of, body in rows for name, value in body.items() if any(map(is_opaque, texts(value)))}
    assert found <= OPAQUE.keys(), found - OPAQUE.keys()
    assert len(found) >= 6
    assert {password for password in walk.passwords if any(password in texts(body) for _, body in rows)} == set()
    tables = {table for (table,) in await auth.rows("SELECT tablename FROM pg_tables WHERE schemaname = 'identity'")}
    unwalked = tables - {of for of, _ in rows} - {"written"}
    assert unwalked == NOT_WALKED.keys()
    columns = await auth.rows(
        "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'identity'"
    )
    assert OPAQUE.keys() <= {name for (name,) in columns}
