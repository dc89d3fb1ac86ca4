"""Roles, who has them, and people: nobody gives what they don't have, and one administrator is always left."""

import asyncio
import secrets
from typing import Any

import bcrypt
import httpx
import pytest

from kgents_shared.auth import ALL_SCOPES, ROLE_SCOPES
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, PASSWORD, RunningAuth

ADMIN = "/api/v1/admin"


class Caller:
    """Somebody who is logged in."""

    def __init__(self, auth: RunningAuth, user_id: str, email: str, tokens: dict[str, Any]) -> None:
        self.auth = auth
        self.id = user_id
        self.email = email
        self.tokens = tokens

    async def asks(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        return await self.auth.client.request(method, path, headers=headers, **more)

    async def gets(self, path: str, **params: Any) -> Any:
        answer = await self.asks("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()


async def caller(auth: RunningAuth, email: str, password: str = PASSWORD) -> Caller:
    tokens = await auth.log_in(email, password)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    me = (await auth.client.get("/api/v1/users/me", headers=headers)).json()
    return Caller(auth, me["id"], email, tokens)


@pytest.fixture
async def admin(auth: RunningAuth) -> Caller:
    return await caller(auth, ADMIN_EMAIL, ADMIN_PASSWORD)


@pytest.fixture
async def person(auth: RunningAuth) -> Caller:
    return await caller(auth, await auth.register())


def a_name() -> str:
    return f"role-{secrets.token_hex(4)}"


async def is_refused(who: Caller) -> None:
    async def refused() -> bool:
        return (await who.asks("GET", "/api/v1/users/me")).status_code == 401

    await eventually(refused, describe="the token is refused")


async def test_a_role_is_made_given_changed_taken_and_deleted(admin: Caller, person: Caller):
    name = a_name()
    made = await admin.asks(
        "POST", f"{ADMIN}/roles", json={"name": name, "description": "Looks", "permissions": ["users:read"]}
    )
    assert (made.status_code, made.json()) == (
        201,
        {"name": name, "description": "Looks", "permissions": ["users:read"], "seeded": False},
    )
    given = {"role": name, "user_id": person.id}
    assert (await admin.asks("POST", f"{ADMIN}/assignments", json=given)).status_code == 201
    assert (await admin.asks("DELETE", f"{ADMIN}/roles/{name}")).json()["code"] == "role_in_use"
    await is_refused(person)
    raised = await caller(person.auth, person.email)
    assert (await raised.asks("GET", f"{ADMIN}/users")).status_code == 200
    changed = {"description": "Looks no more", "permissions": []}
    assert (await admin.asks("PUT", f"{ADMIN}/roles/{name}", json=changed)).json()["permissions"] == []
    await is_refused(raised)
    lowered = await caller(person.auth, person.email)
    assert (await lowered.asks("GET", f"{ADMIN}/users")).status_code == 403
    assert (await admin.asks("DELETE", f"{ADMIN}/assignments", params=given)).status_code == 204
    assert (await admin.asks("DELETE", f"{ADMIN}/roles/{name}")).status_code == 204
    assert (await admin.asks("GET", f"{ADMIN}/roles/{name}")).status_code == 404


async def test_every_installation_has_these_roles_and_they_cant_be_changed(admin: Caller):
    seeded = {row["name"]: row for row in (await admin.gets(f"{ADMIN}/roles", limit=1000))["items"] if row["seeded"]}
    assert set(seeded) == {"admin", "developer", "operator", "viewer", "approver"}
    for name, row in seeded.items():
        assert set(row["permissions"]) == ROLE_SCOPES[name]
        assert row["description"]
    put = await admin.asks("PUT", f"{ADMIN}/roles/viewer", json={"permissions": ["users:write"]})
    assert (put.status_code, put.json()["code"]) == (409, "role_is_seeded")
    assert (await admin.asks("DELETE", f"{ADMIN}/roles/viewer")).status_code == 409
    assert (await admin.asks("POST", f"{ADMIN}/roles", json={"name": "viewer", "permissions": []})).status_code == 409


async def test_every_permission_says_what_it_lets_somebody_do(admin: Caller):
    items = (await admin.gets(f"{ADMIN}/permissions"))["items"]
    assert {row["scope"] for row in items} == ALL_SCOPES
    assert all(row["description"].endswith(".") for row in items)


async def test_unknown_permissions_are_told_all_at_once_with_what_was_meant(admin: Caller):
    body = {"name": a_name(), "permissions": ["agents:raed", "agents:read", "x"]}
    answer = await admin.asks("POST", f"{ADMIN}/roles", json=body)
    assert answer.status_code == 422
    faults = answer.json()["errors"]
    assert [fault["loc"] for fault in faults] == [["body", "permissions", 0], ["body", "permissions", 2]]
    assert 'did you mean "agents:read"?' in faults[0]["hint"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/roles", {"name": "mine", "permissions": ["users:write"]}),
        ("POST", "/assignments", {"role": "admin", "user_id": "ME"}),
        ("POST", "/users", {"email": "x@example.org", "name": "X", "password": PASSWORD}),
        ("PATCH", "/users/ME", {"disabled": False}),
        ("DELETE", "/roles/viewer", None),
        ("GET", "/users", None),
        ("GET", "/roles", None),
        ("GET", "/assignments", None),
        ("GET", "/permissions", None),
    ],
)
async def test_who_is_no_administrator_is_told_so(person: Caller, method: str, path: str, body: Any):
    given = None if body is None else {key: person.id if value == "ME" else value for key, value in body.items()}
    answer = await person.asks(method, ADMIN + path.replace("ME", person.id), json=given)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


async def helper_with(admin: Caller, auth: RunningAuth, *permissions: str) -> Caller:
    """A person whose one role brings these scopes."""
    name, email = a_name(), await auth.register()
    await admin.asks("POST", f"{ADMIN}/roles", json={"name": name, "permissions": list(permissions)})
    found = (await admin.gets(f"{ADMIN}/users", email=email))["items"][0]["id"]
    for role, method in ((name, "POST"), ("developer", "DELETE")):
        given = {"role": role, "user_id": found}
        more = {"json": given} if method == "POST" else {"params": given}
        answer = await admin.asks(method, f"{ADMIN}/assignments", **more)
        assert answer.status_code in {201, 204}, answer.text
    return await caller(auth, email)


async def test_nobody_gives_or_takes_what_they_dont_have(admin: Caller, auth: RunningAuth, person: Caller):
    helper = await helper_with(admin, auth, "roles:read", "roles:write", "users:read", "users:write")
    make = await helper.asks("POST", f"{ADMIN}/roles", json={"name": a_name(), "permissions": ["agents:write"]})
    give = await helper.asks("POST", f"{ADMIN}/assignments", json={"role": "admin", "user_id": helper.id})
    take = await helper.asks("DELETE", f"{ADMIN}/assignments", params={"role": "admin", "user_id": admin.id})
    assert {answer.json()["code"] for answer in (make, give, take)} == {"not_yours"}
    disable = await helper.asks("PATCH", f"{ADMIN}/users/{admin.id}", json={"disabled": True})
    assert (disable.status_code, disable.json()["code"]) == (403, "outranked")
    assert (await person.asks("GET", "/api/v1/users/me")).status_code == 200


async def test_the_last_administrator_stays_one(admin: Caller):
    take = await admin.asks("DELETE", f"{ADMIN}/assignments", params={"role": "admin", "user_id": admin.id})
    disable = await admin.asks("PATCH", f"{ADMIN}/users/{admin.id}", json={"disabled": True})
    assert [answer.json()["code"] for answer in (take, disable)] == ["last_admin", "last_admin"]


async def test_two_administrators_who_demote_each_other_leave_one(admin: Caller, auth: RunningAuth):
    other = await caller(auth, await auth.register())
    await admin.asks("POST", f"{ADMIN}/assignments", json={"role": "admin", "user_id": other.id})
    other = await caller(auth, other.email)
    answers = await asyncio.gather(
        admin.asks("DELETE", f"{ADMIN}/assignments", params={"role": "admin", "user_id": other.id}),
        other.asks("DELETE", f"{ADMIN}/assignments", params={"role": "admin", "user_id": admin.id}),
    )
    left = await auth.rows("SELECT user_id::text FROM identity.user_roles WHERE role = 'admin'")
    assert len(left) == 1, [answer.text for answer in answers]
    await auth.run(
        "INSERT INTO identity.user_roles (user_id, role) VALUES (:id, 'admin') ON CONFLICT DO NOTHING", id=admin.id
    )
    await auth.run("DELETE FROM identity.user_roles WHERE role = 'admin' AND user_id <> :id", id=admin.id)


async def test_a_disabled_person_is_refused_everywhere_and_comes_back(admin: Caller, person: Caller):
    answer = await admin.asks("PATCH", f"{ADMIN}/users/{person.id}", json={"disabled": True, "name": "Gone"})
    assert (answer.json()["disabled"], answer.json()["name"]) == (True, "Gone")
    await is_refused(person)
    login = {"email": person.email, "password": PASSWORD}
    assert (await person.auth.client.post("/api/v1/auth/login", json=login)).json()["code"] == "account_disabled"
    refresh = {"refresh_token": person.tokens["refresh_token"]}
    assert (await person.auth.client.post("/api/v1/auth/refresh", json=refresh)).status_code == 401
    assert [row["id"] for row in (await admin.gets(f"{ADMIN}/users", disabled=True))["items"]].count(person.id) == 1
    await admin.asks("PATCH", f"{ADMIN}/users/{person.id}", json={"disabled": False})
    assert (await caller(person.auth, person.email)).id == person.id


async def test_people_are_made_by_password_or_with_the_hash_that_they_had_elsewhere(admin: Caller, auth: RunningAuth):
    by_hash, by_password = (f"{secrets.token_hex(8)}@example.org" for _ in range(2))
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    for body in ({"email": by_hash, "password_hash": hashed}, {"email": by_password, "password": PASSWORD}):
        made = await admin.asks("POST", f"{ADMIN}/users", json={"name": "Ada", **body})
        assert (made.status_code, made.json()["roles"]) == (201, ["developer"]), made.text
        assert hashed not in made.text
        assert (await caller(auth, body["email"])).id == made.json()["id"]
    again = await admin.asks("POST", f"{ADMIN}/users", json={"name": "Ada", "email": by_hash, "password": PASSWORD})
    assert (again.status_code, again.json()["code"]) == (409, "address_taken")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"password": PASSWORD, "password_hash": "x" * 60},
        {"password_hash": "5f4dcc3b5aa765d61d8327deb882cf99"},
        {"password": "password123"},
        {"password": PASSWORD, "roles": ["admin"]},
        {"password": PASSWORD, "id": "0199c0de-0000-7000-8000-000000000000"},
    ],
)
async def test_who_cant_be_made(admin: Caller, body: dict[str, Any]):
    email = f"{secrets.token_hex(8)}@example.org"
    answer = await admin.asks("POST", f"{ADMIN}/users", json={"email": email, "name": "Ada", **body})
    assert answer.status_code == 422
    assert (await admin.gets(f"{ADMIN}/users", email=email))["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/users/0199c0de-0000-7000-8000-000000000000", {}),
        ("PATCH", "/users/0199c0de-0000-7000-8000-000000000000", {"json": {"disabled": True}}),
        ("GET", "/roles/nope", {}),
        ("PUT", "/roles/nope", {"json": {"permissions": []}}),
        ("DELETE", "/roles/nope", {}),
        ("POST", "/assignments", {"json": {"role": "nope", "client_id": "runtime"}}),
        ("POST", "/assignments", {"json": {"role": "viewer", "client_id": "nope"}}),
        ("POST", "/assignments", {"json": {"role": "viewer", "user_id": "0199c0de-0000-7000-8000-000000000000"}}),
        ("DELETE", "/assignments", {"params": {"role": "viewer", "client_id": "nope"}}),
    ],
)
async def test_what_isnt_there_is_404(admin: Caller, method: str, path: str, more: dict[str, Any]):
    assert (await admin.asks(method, ADMIN + path, **more)).status_code == 404


async def test_lists_come_in_pages(admin: Caller, auth: RunningAuth):
    for _ in range(3):
        await auth.register()
    for path in ("users", "roles", "assignments"):
        first = await admin.gets(f"{ADMIN}/{path}", limit=2)
        second = await admin.gets(f"{ADMIN}/{path}", limit=2, cursor=first["next_cursor"])
        assert len(first["items"]) == 2
        assert not [row for row in second["items"] if row in first["items"]]
    mine = await admin.gets(f"{ADMIN}/assignments", role="admin", user_id=admin.id)
    assert mine["items"] == [{"role": "admin", "user_id": admin.id, "client_id": None}]
