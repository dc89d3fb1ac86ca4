"""What is there after the first start, after the next one, and while the database is away."""

import asyncio
import secrets

import pytest
from pydantic import SecretStr, ValidationError

from auth_service.settings import AuthSettings
from kgents_shared.auth import ALL_SCOPES, ROLE_SCOPES
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ADMIN_EMAIL, PASSWORD, RunningAuth, is_healthy, running


async def test_every_role_brings_its_scopes_and_no_other(auth: RunningAuth):
    rows = await auth.rows("SELECT role, scope FROM identity.role_permissions")
    found = {role: frozenset(scope for name, scope in rows if name == role) for role, _ in rows}
    # Others may have made roles of their own.
    assert {role: found[role] for role in ROLE_SCOPES} == ROLE_SCOPES
    assert {row[0] for row in await auth.rows("SELECT scope FROM identity.permissions")} >= ALL_SCOPES


async def test_seeding_again_and_at_the_same_time_changes_nothing(auth: RunningAuth):
    async def state() -> list[list[tuple[object, ...]]]:
        return [
            await auth.rows("SELECT role, scope FROM identity.role_permissions ORDER BY 1, 2"),
            await auth.rows("SELECT client_id, secret_hash, disabled_at FROM identity.app_clients ORDER BY 1"),
            await auth.rows("SELECT user_id FROM identity.user_roles WHERE role = 'admin'"),
        ]

    before = await state()
    await asyncio.gather(*(auth.parts.first_boot.seed() for _ in range(5)))
    assert await state() == before


async def test_a_scope_that_a_role_no_longer_brings_is_taken_away_at_the_next_start(auth: RunningAuth):
    await auth.run("INSERT INTO identity.permissions VALUES ('moon:write') ON CONFLICT DO NOTHING")
    await auth.run("INSERT INTO identity.role_permissions VALUES ('viewer', 'moon:write')")
    await auth.parts.first_boot.seed()
    assert await auth.rows("SELECT 1 FROM identity.role_permissions WHERE scope = 'moon:write'") == []


async def test_there_is_one_admin_whatever_the_settings_say_later(auth: RunningAuth):
    later = auth.settings.model_copy(
        update={"admin_email": "second-admin@example.org", "admin_password": SecretStr("another long password")}
    )
    async with running(later) as restarted:
        await eventually(lambda: is_healthy(restarted))
    admins = await auth.rows(
        "SELECT email FROM identity.users JOIN identity.user_roles ON id = user_id WHERE role = 'admin'"
    )
    assert admins == [(ADMIN_EMAIL,)]


async def test_a_service_whose_secret_changed_or_that_left_the_settings_keeps_no_old_way_in(auth: RunningAuth):
    new_secret = secrets.token_hex(16)
    fewer = auth.settings.model_copy(update={"service_clients": {"runtime": SecretStr(new_secret)}})

    async def status(service: RunningAuth, client_id: str, secret: str) -> int:
        answer = await service.token(
            grant_type="client_credentials", client_id=client_id, client_secret=secret, audience="tools"
        )
        return answer.status_code

    old = {name: secret.get_secret_value() for name, secret in auth.settings.service_clients.items()}
    try:
        async with running(fewer) as restarted:
            await eventually(lambda: is_healthy(restarted))
            assert await status(restarted, "runtime", new_secret) == 200
            assert await status(restarted, "runtime", old["runtime"]) == 401
            assert await status(restarted, "tools", old["tools"]) == 401
    finally:
        await auth.parts.first_boot.seed()
    assert await status(auth, "runtime", old["runtime"]) == 200
    assert await status(auth, "tools", old["tools"]) == 200


async def with_no_admin(auth: RunningAuth) -> list[str]:
    rows = await auth.rows("DELETE FROM identity.user_roles WHERE role = 'admin' RETURNING user_id::text")
    return [row[0] for row in rows]


async def give_back(auth: RunningAuth, admins: list[str]) -> None:
    await auth.run("DELETE FROM identity.user_roles WHERE role = 'admin'")
    for user_id in admins:
        await auth.run("INSERT INTO identity.user_roles VALUES (CAST(:user_id AS uuid), 'admin')", user_id=user_id)


async def test_somebody_who_registered_the_admins_address_first_does_not_become_admin(auth: RunningAuth):
    email = await auth.register()
    admins = await with_no_admin(auth)
    try:
        settings = auth.settings.model_copy(
            update={"admin_email": email, "admin_password": SecretStr("not what they registered with")}
        )
        async with running(settings) as restarted:
            await eventually(lambda: is_healthy(restarted))
        assert await auth.rows("SELECT 1 FROM identity.user_roles WHERE role = 'admin'") == []
    finally:
        await give_back(auth, admins)


async def test_a_first_boot_that_was_cut_short_after_the_account_was_made_is_finished_later(auth: RunningAuth):
    email = await auth.register()
    admins = await with_no_admin(auth)
    try:
        settings = auth.settings.model_copy(update={"admin_email": email, "admin_password": SecretStr(PASSWORD)})
        async with running(settings) as restarted:
            await eventually(lambda: is_healthy(restarted))
        made = await auth.rows(
            "SELECT email FROM identity.users JOIN identity.user_roles ON id = user_id WHERE role = 'admin'"
        )
        assert made == [(email,)]
    finally:
        await give_back(auth, admins)


async def test_with_the_database_away_it_starts_says_so_and_answers_503(auth_settings: AuthSettings):
    nowhere = auth_settings.model_copy(update={"database_url": SecretStr("postgresql://nobody:x@127.0.0.1:1/nowhere")})
    async with running(nowhere) as service:
        health = await service.client.get("/health")
        assert (health.status_code, health.json()["parts"]) == (
            503,
            {"revocations": False, "database": False, "first_boot": False, "signing_keys": False, "vault": False},
        )
        login = await service.client.post("/api/v1/auth/login", json={"email": ADMIN_EMAIL, "password": "x"})
        assert (login.status_code, login.json()["code"]) == (503, "starting")
        assert login.headers["retry-after"] == "1"
        # Half of the keys would be worse than none: who has the set keeps it, who hasn't asks again.
        assert (await service.client.get("/.well-known/jwks.json")).status_code == 503


async def test_with_nats_away_people_come_in_all_the_same(auth_settings: AuthSettings):
    async with running(auth_settings.model_copy(update={"nats_url": "nats://127.0.0.1:1"})) as service:
        await eventually(lambda: is_healthy(service))
        await service.log_in()


@pytest.mark.parametrize("secret", ["", "Zq7xw", "fifteen chars ."])
def test_a_service_secret_that_could_be_guessed_is_refused_without_being_shown(
    auth_settings: AuthSettings, secret: str
):
    values = auth_settings.model_dump() | {"service_clients": {"runtime": secret}}
    with pytest.raises(ValidationError) as refused:
        AuthSettings.model_validate(values)
    assert not secret or secret not in str(refused.value)
