"""Organisations: who is in one sees it, owners say who is in it, one owner is always left, and leaving bites."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from jose import jwt

from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, RunningAuth

PATH = "/api/v1/organisations"


@dataclass
class Person:
    """Somebody who is logged in."""

    auth: RunningAuth
    id: str
    access_token: str
    refresh_token: str

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.access_token}"}
        return await self.auth.client.request(method, path, headers=headers, **more)

    async def refresh(self) -> dict[str, Any]:
        """Get the next tokens; the claims of the access token."""
        answer = await self.auth.client.post("/api/v1/auth/refresh", json={"refresh_token": self.refresh_token})
        assert answer.status_code == 200, answer.text
        self.access_token, self.refresh_token = answer.json()["access_token"], answer.json()["refresh_token"]
        return jwt.get_unverified_claims(self.access_token)


async def somebody(auth: RunningAuth) -> Person:
    tokens = await auth.log_in()
    claims = jwt.get_unverified_claims(tokens["access_token"])
    return Person(auth, claims["sub"], tokens["access_token"], tokens["refresh_token"])


def new_slug() -> str:
    return f"team-{secrets.token_hex(5)}"


async def found(person: Person, slug: str | None = None) -> str:
    """An organisation of theirs."""
    slug = slug or new_slug()
    answer = await person.ask("POST", PATH, json={"slug": slug, "name": "The team"})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["slug"], answer.json()["role"]) == (slug, "owner")
    return slug


async def put(owner: Person, slug: str, user_id: str, role: str = "member") -> httpx.Response:
    """Invite somebody, or change their role."""
    return await owner.ask("PUT", f"{PATH}/{slug}/members/{user_id}", json={"role": role})


async def let_in(owner: Person, slug: str, person: Person, role: str = "member") -> None:
    """Invite somebody, who joins."""
    invited = await put(owner, slug, person.id, role)
    assert (invited.status_code, invited.json()["joined_at"]) == (200, None), invited.text
    joined = await person.ask("POST", f"{PATH}/{slug}/join")
    assert (joined.status_code, joined.json()["role"], joined.json()["joined"]) == (200, role, True), joined.text


async def test_the_next_token_names_the_organisation_and_a_refusal_comes_within_a_second_of_leaving(auth: RunningAuth):
    ada, bob = await somebody(auth), await somebody(auth)
    slug = await found(ada)
    await let_in(ada, slug, bob)
    organisation = (await ada.ask("GET", f"{PATH}/{slug}")).json()["id"]
    assert (await ada.refresh())["organisations"] == {slug: organisation}
    assert (await bob.refresh())["organisations"] == {slug: organisation}

    assert (await ada.ask("DELETE", f"{PATH}/{slug}/members/{bob.id}")).status_code == 204

    async def is_refused() -> bool:
        return (await bob.ask("GET", PATH)).status_code == 401

    await eventually(is_refused)
    assert "organisations" not in await bob.refresh()
    assert (await bob.ask("GET", f"{PATH}/{slug}")).status_code == 404
    assert (await ada.ask("GET", f"{PATH}/{slug}/members")).json()["items"][0]["user_id"] == ada.id


async def test_an_api_key_opens_what_its_owner_is_in_now(auth: RunningAuth):
    ada = await somebody(auth)
    made = await ada.ask("POST", "/api/v1/users/me/api-keys", json={"name": "ci", "scopes": ["credentials:write"]})
    key = {"Authorization": f"Bearer {made.json()['key']}"}
    slug = await found(ada)
    body = {"name": "shared", "type": "generic", "secret": "of the team"}
    path = f"/api/v1/credentials?organisation={slug}"

    async def is_kept() -> bool:
        return (await auth.client.post(path, json=body, headers=key)).status_code == 201

    await eventually(is_kept)


async def test_what_an_organisation_keeps_is_its_members_alone(auth: RunningAuth):
    ada, bob, eve = await somebody(auth), await somebody(auth), await somebody(auth)
    slug = await found(ada)
    await let_in(ada, slug, bob)
    for member in (ada, bob):
        await member.refresh()
    body = {"name": "shared", "type": "generic", "secret": "of the team"}
    kept = await ada.ask("POST", f"/api/v1/credentials?organisation={slug}", json=body)
    assert kept.status_code == 201, kept.text
    ref = kept.json()["credential_ref"]
    assert (await ada.ask("POST", "/api/v1/credentials", json=body)).status_code == 201  # a name of her own
    assert (await bob.ask("GET", f"/api/v1/credentials/{ref}")).json()["owner_id"] == kept.json()["owner_id"]
    listed = (await bob.ask("GET", "/api/v1/credentials")).json()["items"]
    assert [one["credential_ref"] for one in listed] == [ref]
    both = (await ada.ask("GET", "/api/v1/credentials")).json()["items"]
    of_team = (await ada.ask("GET", f"/api/v1/credentials?organisation={slug}")).json()["items"]
    assert (len(both), [one["credential_ref"] for one in of_team]) == (2, [ref])
    rotated = await bob.ask("POST", f"/api/v1/credentials/{ref}/rotate", json={"secret": "another"})
    assert rotated.status_code == 200
    for method, path in (("GET", f"/api/v1/credentials/{ref}"), ("DELETE", f"/api/v1/credentials/{ref}")):
        assert (await eve.ask(method, path)).status_code == 404
    for path in (f"/api/v1/credentials?organisation={slug}", f"/api/v1/credentials?organisation={uuid4()}"):
        assert (await eve.ask("GET", path)).status_code == 404
        assert (await eve.ask("POST", path, json=body)).status_code == 404
    assert (await eve.ask("GET", "/api/v1/credentials")).json()["items"] == []


async def test_to_strangers_an_organisation_is_not_there_and_members_do_not_say_who_is_in_it(auth: RunningAuth):
    ada, bob, eve = await somebody(auth), await somebody(auth), await somebody(auth)
    slug = await found(ada)
    await let_in(ada, slug, bob)
    no_such = await eve.ask("GET", f"{PATH}/{new_slug()}")
    for reference in (slug, (await ada.ask("GET", f"{PATH}/{slug}")).json()["id"]):
        for method, path, more in (
            ("GET", reference, {}),
            ("PATCH", reference, {"json": {"name": "Mine"}}),
            ("GET", f"{reference}/members", {}),
            ("PUT", f"{reference}/members/{eve.id}", {"json": {"role": "owner"}}),
            ("DELETE", f"{reference}/members/{bob.id}", {}),
            ("POST", f"{reference}/join", {}),
            ("POST", f"{reference}/leave", {}),
        ):
            answer = await eve.ask(method, f"{PATH}/{path}", **more)
            assert (answer.status_code, answer.json()["detail"]) == (404, no_such.json()["detail"])
    assert (await put(bob, slug, eve.id)).json()["code"] == "not_an_owner"
    assert (await bob.ask("PATCH", f"{PATH}/{slug}", json={"name": "Mine"})).json()["code"] == "not_an_owner"
    assert (await bob.ask("DELETE", f"{PATH}/{slug}/members/{ada.id}")).json()["code"] == "not_an_owner"
    assert (await bob.ask("POST", f"{PATH}/{slug}/leave")).status_code == 204  # leaving is one's own


async def test_one_owner_is_always_left(auth: RunningAuth):
    ada, bob = await somebody(auth), await somebody(auth)
    slug = await found(ada)
    await let_in(ada, slug, bob)
    assert (await ada.ask("DELETE", f"{PATH}/{slug}/members/{ada.id}")).json()["code"] == "last_owner"
    assert (await put(ada, slug, ada.id, "member")).json()["code"] == "last_owner"
    assert (await put(ada, slug, bob.id, "owner")).status_code == 200
    assert (await put(ada, slug, ada.id, "member")).json()["role"] == "member"
    assert (await bob.ask("DELETE", f"{PATH}/{slug}/members/{bob.id}")).json()["code"] == "last_owner"
    assert (await bob.ask("PATCH", f"{PATH}/{slug}", json={"name": "Ours"})).json()["name"] == "Ours"


async def test_somebody_who_is_not_there_can_not_be_let_in(auth: RunningAuth):
    ada, gone = await somebody(auth), await somebody(auth)
    slug = await found(ada)
    assert (await put(ada, slug, str(uuid4()))).json()["code"] == "no_such_user"
    await auth.run("UPDATE identity.users SET disabled_at = now() WHERE id = CAST(:id AS uuid)", id=gone.id)
    assert (await put(ada, slug, gone.id)).json()["code"] == "no_such_user"


async def test_a_slug_is_one_organisations_for_ever(auth: RunningAuth):
    ada, bob = await somebody(auth), await somebody(auth)
    slug = await found(ada)
    assert (await bob.ask("POST", PATH, json={"slug": slug, "name": "Too"})).json()["code"] == "slug_taken"
    assert (await ada.ask("PATCH", f"{PATH}/{slug}", json={"slug": "another"})).status_code == 422


@pytest.mark.parametrize(
    "slug",
    [
        "",
        "-a",
        "a-",
        "Up",
        "a~b",
        "a b",
        "a/b",
        "x" * 41,
        "0" * 32,
        "6f2d8c1e-5a0b-4c7d-9e3f-1a2b3c4d5e6f",
        "é",
        "a\n",
        None,
        7,
    ],
)
async def test_what_is_no_slug_is_refused(auth: RunningAuth, slug: Any):
    ada = await somebody(auth)
    answer = await ada.ask("POST", PATH, json={"slug": slug, "name": "The team"})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, ["body", "slug"])


async def test_a_person_is_in_so_many_organisations_that_their_token_still_fits_a_header(auth: RunningAuth):
    ada = await somebody(auth)
    for number in range(32):
        await found(ada, f"{secrets.token_hex(17)}-{number:05}")
    refused = await ada.ask("POST", PATH, json={"slug": new_slug(), "name": "One too many"})
    assert refused.json()["code"] == "too_many"
    assert len((await ada.refresh())["organisations"]) == 32
    assert len(ada.access_token) < 7000
    first = (await ada.ask("GET", PATH, params={"limit": 20})).json()
    rest = (await ada.ask("GET", PATH, params={"limit": 20, "cursor": first["next_cursor"]})).json()
    assert (len(first["items"]), len(rest["items"]), rest["next_cursor"]) == (20, 12, None)


async def test_nobody_is_in_an_organisation_that_they_did_not_join(auth: RunningAuth):
    ada, bob, eve = await somebody(auth), await somebody(auth), await somebody(auth)
    slug = await found(ada)
    assert (await put(ada, slug, bob.id, "owner")).status_code == 200
    invitation = (await bob.ask("GET", PATH)).json()["items"]
    assert [(one["slug"], one["role"], one["joined"]) for one in invitation] == [(slug, "owner", False)]
    assert "organisations" not in await bob.refresh()
    for method, path, more in (
        ("GET", slug, {}),
        ("GET", f"{slug}/members", {}),
        ("PATCH", slug, {"json": {"name": "Mine"}}),
        ("PUT", f"{slug}/members/{eve.id}", {"json": {"role": "owner"}}),
        ("DELETE", f"{slug}/members/{ada.id}", {}),
    ):
        assert (await bob.ask(method, f"{PATH}/{path}", **more)).status_code == 404
    # An invitation is no owner who could be left.
    assert (await ada.ask("POST", f"{PATH}/{slug}/leave")).json()["code"] == "last_owner"
    assert (await bob.ask("POST", f"{PATH}/{slug}/leave")).status_code == 204
    assert (await bob.ask("POST", f"{PATH}/{slug}/join")).status_code == 404
    assert (await bob.ask("GET", PATH)).json()["items"] == []
    # Who declines was never in: their token goes on.
    assert (await bob.ask("GET", "/api/v1/users/me")).status_code == 200


async def test_invitations_take_no_room(auth: RunningAuth):
    ada, bob = await somebody(auth), await somebody(auth)
    for number in range(32):
        slug = await found(ada, f"{secrets.token_hex(8)}-{number}")
        assert (await put(ada, slug, bob.id)).status_code == 200
    own = await found(bob)
    assert list((await bob.refresh())["organisations"]) == [own]


async def test_who_was_taken_out_meanwhile_lets_nobody_in(auth: RunningAuth):
    ada, bob, eve = await somebody(auth), await somebody(auth), await somebody(auth)
    slug = await found(ada)
    await let_in(ada, slug, bob, "owner")
    organisation = (await ada.ask("GET", f"{PATH}/{slug}")).json()["id"]
    async with auth.parts.storage.transaction() as work:
        await work.organisations.lock(UUID(organisation))
        waiting = asyncio.create_task(put(bob, slug, eve.id, "owner"))
        await eventually(lambda: is_waiting(auth))
        await work.organisations.remove(UUID(organisation), UUID(bob.id))
    assert (await waiting).status_code == 404
    members = (await ada.ask("GET", f"{PATH}/{slug}/members")).json()["items"]
    assert [one["user_id"] for one in members] == [ada.id]


async def is_waiting(auth: RunningAuth) -> bool:
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    return await auth.rows(waiting) != []


async def test_an_administrator_gives_an_organisation_without_owners_a_new_one(auth: RunningAuth):
    ada, bob, eve = await somebody(auth), await somebody(auth), await somebody(auth)
    slug = await found(ada)
    await let_in(ada, slug, bob)
    await put(ada, slug, eve.id)
    await auth.run("UPDATE identity.users SET disabled_at = now() WHERE id = CAST(:id AS uuid)", id=ada.id)
    tokens = await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    path = f"/api/v1/admin/organisations/{slug}/members"

    async def administer(user_id: str) -> httpx.Response:
        return await auth.client.put(f"{path}/{user_id}", json={"role": "owner"}, headers=headers)

    by_bob = await bob.ask("PUT", f"{path}/{bob.id}", json={"role": "owner"})
    assert by_bob.status_code == 403
    for nobody in (eve.id, str(uuid4())):  # an administrator lets nobody in
        assert (await administer(nobody)).json()["code"] == "not_a_member"
    assert (await administer(bob.id)).json()["role"] == "owner"
    assert (await put(bob, slug, eve.id)).status_code == 200
