"""Logging out, another password, and showing that an address is yours."""

import secrets
from collections.abc import AsyncGenerator
from pathlib import Path

import bcrypt
import pytest

from auth_service.people.local_provider import LocalIdentityProvider
from auth_service.people.repository import LocalAccounts
from auth_service.settings import AuthSettings
from kgents_shared.testing.polling import eventually
from tests.external.mailed import mails_to, token_mailed_to
from tests.external.running_auth import PASSWORD, RunningAuth, is_healthy, running

NEW = "another four words together"


def bcrypted(password: str) -> str:
    """The hash as another system would hand it over."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def refused(auth: RunningAuth, token: str) -> None:
    async def is_refused() -> bool:
        return (await auth.client.get("/api/v1/users/me", headers=bearer(token))).status_code == 401

    await eventually(is_refused, describe="the token is refused")


async def can_log_in(auth: RunningAuth, address: str, password: str) -> bool:
    body = {"email": address, "password": password}
    return (await auth.client.post("/api/v1/auth/login", json=body)).status_code == 200


async def refreshes(auth: RunningAuth, refresh_token: str) -> bool:
    return (await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": refresh_token})).status_code == 200


async def test_logging_out_ends_this_session_and_no_other(auth: RunningAuth):
    address = await auth.register()
    one, other = await auth.log_in(address), await auth.log_in(address)
    answer = await auth.client.post("/api/v1/auth/logout", json={}, headers=bearer(one["access_token"]))
    assert (answer.status_code, answer.content) == (204, b"")
    assert not await refreshes(auth, one["refresh_token"])
    await refused(auth, one["access_token"])
    assert await refreshes(auth, other["refresh_token"])


async def test_a_strangers_refresh_token_isnt_ended_by_naming_it(auth: RunningAuth):
    mine, strangers = await auth.log_in(), await auth.log_in()
    body = {"refresh_token": strangers["refresh_token"]}
    await auth.client.post("/api/v1/auth/logout", json=body, headers=bearer(mine["access_token"]))
    assert await refreshes(auth, strangers["refresh_token"])


async def test_a_changed_password_ends_the_other_sessions(auth: RunningAuth):
    address = await auth.register()
    mine, other = await auth.log_in(address), await auth.log_in(address)
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = await auth.client.post("/api/v1/auth/password", json=body, headers=bearer(mine["access_token"]))
    assert answer.status_code == 204, answer.text
    assert not await can_log_in(auth, address, PASSWORD)
    assert await can_log_in(auth, address, NEW)
    assert not await refreshes(auth, other["refresh_token"])
    await refused(auth, other["access_token"])
    assert await refreshes(auth, mine["refresh_token"])


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"current_password": "wrong", "new_password": NEW}, 401),
        ({"current_password": PASSWORD, "new_password": "password123"}, 422),
        ({"current_password": PASSWORD, "new_password": "short"}, 422),
        ({"current_password": PASSWORD, "new_password": NEW, "user_id": "x"}, 422),
    ],
)
async def test_what_doesnt_change_a_password(auth: RunningAuth, body: dict[str, str], status: int):
    address = await auth.register()
    mine = await auth.log_in(address)
    answer = await auth.client.post("/api/v1/auth/password", json=body, headers=bearer(mine["access_token"]))
    assert answer.status_code == status
    assert await can_log_in(auth, address, PASSWORD)


async def test_who_reads_the_mail_sets_the_password_once_and_every_session_ends(auth: RunningAuth):
    address = await auth.register()
    old = await auth.log_in(address)
    asked = await auth.client.post("/api/v1/auth/password/reset", json={"email": address})
    assert (asked.status_code, asked.json()) == (202, {"status": "accepted"})
    body = {"token": await token_mailed_to(auth, address), "password": NEW}
    weak = await auth.client.post("/api/v1/auth/password/reset/confirm", json={**body, "password": "password123"})
    assert weak.status_code == 422
    assert (await auth.client.post("/api/v1/auth/password/reset/confirm", json=body)).status_code == 204
    assert await can_log_in(auth, address, NEW)
    assert not await refreshes(auth, old["refresh_token"])
    await refused(auth, old["access_token"])
    again = await auth.client.post("/api/v1/auth/password/reset/confirm", json=body)
    assert (again.status_code, again.json()["errors"][0]["code"]) == (422, "invalid_token")


async def test_a_second_mail_makes_the_first_token_worthless(auth: RunningAuth):
    address = await auth.register()
    await auth.client.post("/api/v1/auth/password/reset", json={"email": address})
    first = await token_mailed_to(auth, address)
    await auth.client.post("/api/v1/auth/password/reset", json={"email": address})
    await token_mailed_to(auth, address, mails=2)
    body = {"token": first, "password": NEW}
    assert (await auth.client.post("/api/v1/auth/password/reset/confirm", json=body)).status_code == 422


async def test_an_unknown_address_is_answered_alike_and_gets_no_mail(auth: RunningAuth):
    nobody = f"{secrets.token_hex(8)}@example.org"
    asked = await auth.client.post("/api/v1/auth/password/reset", json={"email": nobody})
    assert (asked.status_code, asked.json()) == (202, {"status": "accepted"})

    async def is_dealt_with() -> bool:
        return await auth.rows("SELECT 1 FROM identity.mail_requests WHERE email = :email", email=nobody) == []

    await eventually(is_dealt_with)
    assert mails_to(auth, nobody) == []


async def test_no_token_lies_in_the_database(auth: RunningAuth):
    address = await auth.register()
    await auth.client.post("/api/v1/auth/password/reset", json={"email": address})
    token = await token_mailed_to(auth, address)
    for table in ("mailed_tokens", "mail_requests", "outbox"):
        for row in await auth.rows(f"SELECT row_to_json(t)::text FROM identity.{table} t"):  # noqa: S608 -- our names
            assert token not in row[0]


async def test_the_owner_hears_of_a_second_registration(auth: RunningAuth):
    address = await auth.register()
    await auth.register(address)

    async def has_come() -> bool:
        return any("again" in text for text in mails_to(auth, address))

    await eventually(has_come)


@pytest.fixture
async def strict(auth_settings: AuthSettings, tmp_path: Path) -> AsyncGenerator[RunningAuth]:
    """A service where addresses must be verified."""
    changed = {"email_verification": "required", "mail_folder": tmp_path / "mails"}
    async with running(auth_settings.model_copy(update=changed)) as service:
        await eventually(lambda: is_healthy(service))
        yield service


async def test_nobody_logs_in_before_the_address_is_verified(strict: RunningAuth):
    address = await strict.register()
    login = {"email": address, "password": PASSWORD}
    early = await strict.client.post("/api/v1/auth/login", json=login)
    assert (early.status_code, early.json()["code"]) == (403, "email_not_verified")
    wrong = await strict.client.post("/api/v1/auth/login", json={**login, "password": "a guess of mine"})
    assert wrong.json()["code"] == "invalid_credentials"
    body = {"token": await token_mailed_to(strict, address)}
    assert (await strict.client.post("/api/v1/auth/email/verify", json=body)).status_code == 204
    assert await can_log_in(strict, address, PASSWORD)
    assert (await strict.client.post("/api/v1/auth/email/verify", json=body)).status_code == 422


async def test_the_mail_can_be_sent_again(strict: RunningAuth):
    address = await strict.register()
    first = await token_mailed_to(strict, address)
    again = await strict.client.post("/api/v1/auth/email/verify/resend", json={"email": address})
    assert (again.status_code, again.json()) == (202, {"status": "accepted"})

    async def first_is_worthless() -> bool:
        return len(mails_to(strict, address)) == 2

    await eventually(first_is_worthless)
    answer = await strict.client.post("/api/v1/auth/email/verify", json={"token": first})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "invalid_token")


async def test_a_bcrypt_hash_of_another_system_lets_its_person_in_and_becomes_argon2id(auth: RunningAuth):
    provider = LocalIdentityProvider(LocalAccounts(auth.database), auth.app.state.password_hasher)
    address = f"{secrets.token_hex(8)}@example.org"
    await provider.take_over(address, "Ada", bcrypted(PASSWORD))
    assert not await can_log_in(auth, address, "a guess of mine")
    assert await can_log_in(auth, address, PASSWORD)
    rows = await auth.rows("SELECT password_hash FROM identity.local_accounts WHERE email = :email", email=address)
    assert rows[0][0].startswith("$argon2id$")
    assert await can_log_in(auth, address, PASSWORD)


@pytest.mark.parametrize("tail", ["x", "é", "\0"])
async def test_what_bcrypt_would_not_have_read_is_no_password(auth: RunningAuth, tail: str):
    provider = LocalIdentityProvider(LocalAccounts(auth.database), auth.app.state.password_hasher)
    address, long = f"{secrets.token_hex(8)}@example.org", "ab" * 36
    await provider.take_over(address, "Ada", bcrypted(long))
    assert not await can_log_in(auth, address, long + tail)
    assert await can_log_in(auth, address, long)


async def test_no_other_kind_of_hash_is_taken(auth: RunningAuth):
    provider = LocalIdentityProvider(LocalAccounts(auth.database), auth.app.state.password_hasher)
    with pytest.raises(ValueError, match="neither"):
        await provider.take_over("ada@example.org", "Ada", "5f4dcc3b5aa765d61d8327deb882cf99")
