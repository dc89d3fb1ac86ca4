"""GET|PUT /users/me."""

from typing import Any

import pytest

from kgents_shared.auth import ROLE_SCOPES
from tests.external.running_auth import RunningAuth


async def headers_of(auth: RunningAuth, email: str | None = None, *password: str) -> dict[str, str]:
    tokens = await auth.log_in(email, *password)
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def test_a_person_sees_themselves_and_nothing_secret(auth: RunningAuth):
    email = await auth.register()
    body = (await auth.client.get("/api/v1/users/me", headers=await headers_of(auth, email))).json()
    assert set(body) == {"id", "email", "name", "roles", "scopes", "created_at"}
    assert (body["email"], body["name"], body["roles"]) == (email, "Ada", ["developer"])
    assert set(body["scopes"]) == ROLE_SCOPES["developer"]
    assert body["created_at"].endswith(("Z", "+00:00"))


async def test_a_person_changes_their_name_and_it_stays(auth: RunningAuth):
    headers = await headers_of(auth)
    changed = await auth.client.put("/api/v1/users/me", json={"name": "  Ada Lovelace "}, headers=headers)
    assert (changed.status_code, changed.json()["name"]) == (200, "Ada Lovelace")
    assert (await auth.client.get("/api/v1/users/me", headers=headers)).json() == changed.json()


async def test_one_persons_change_is_nobody_elses(auth: RunningAuth):
    mine, theirs = await headers_of(auth), await headers_of(auth)
    await auth.client.put("/api/v1/users/me", json={"name": "Changed"}, headers=mine)
    assert (await auth.client.get("/api/v1/users/me", headers=theirs)).json()["name"] == "Ada"


@pytest.mark.parametrize(
    "extra",
    [{"role": "admin"}, {"roles": ["admin"]}, {"is_admin": True}, {"id": "x"}, {"owner_id": "x"}, {"version": 7},
     {"email": "other@example.org"}, {"scopes": ["users:write"]}, {"disabled_at": None}, {"created_at": "2020-01-01"}],
    ids=str,
)  # fmt: skip
async def test_what_people_may_not_change_of_themselves_is_refused_and_nothing_changes(
    auth: RunningAuth, extra: dict[str, Any]
):
    headers = await headers_of(auth)
    before = (await auth.client.get("/api/v1/users/me", headers=headers)).json()
    answer = await auth.client.put("/api/v1/users/me", json={"name": "Mallory", **extra}, headers=headers)
    assert answer.status_code == 422
    assert (await auth.client.get("/api/v1/users/me", headers=headers)).json() == before


async def test_a_machine_has_no_profile(auth: RunningAuth):
    made = await auth.application((await auth.log_in())["access_token"], scopes=["agents:read"])
    form = {"client_id": made["client_id"], "client_secret": made["client_secret"]}
    answer = await auth.token(grant_type="client_credentials", **form)
    headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await auth.client.get("/api/v1/users/me", headers=headers)).status_code == 404


async def test_a_person_who_was_disabled_or_deleted_is_not_found(auth: RunningAuth):
    email = await auth.register()
    headers = await headers_of(auth, email)
    await auth.run("UPDATE identity.users SET disabled_at = now() WHERE email = :email", email=email)
    assert (await auth.client.get("/api/v1/users/me", headers=headers)).status_code == 404
    await auth.run("DELETE FROM identity.users WHERE email = :email", email=email)
    assert (await auth.client.get("/api/v1/users/me", headers=headers)).status_code == 404
