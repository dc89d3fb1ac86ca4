"""What a person may at this moment, as the governance service is told before what they approved is carried out."""

import secrets
from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.auth import ROLE_SCOPES
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, GOVERNANCE_SECRET, RunningAuth

NOBODY: dict[str, Any] = {"active": False, "scopes": [], "organisations": {}}


async def standing_of(auth: RunningAuth, subject: str) -> dict[str, Any]:
    form = {"grant_type": "client_credentials", "client_id": "governance", "client_secret": GOVERNANCE_SECRET}
    token = (await auth.token(**form, audience="auth")).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await auth.client.get(f"/internal/people/{subject}/standing", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_it_follows_roles_organisations_and_the_account_whatever_the_tokens_say(auth: RunningAuth):
    mine = {"Authorization": f"Bearer {(await auth.log_in())['access_token']}"}
    admins = {"Authorization": f"Bearer {(await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD))['access_token']}"}

    async def ask(headers: dict[str, str], method: str, path: str, **more: Any) -> httpx.Response:
        answer = await auth.client.request(method, f"/api/v1{path}", headers=headers, **more)
        assert answer.is_success, answer.text
        return answer

    me = (await ask(mine, "GET", "/users/me")).json()["id"]
    slug = f"team-{secrets.token_hex(5)}"
    made = (await ask(mine, "POST", "/organisations", json={"slug": slug, "name": "The team"})).json()
    standing = await standing_of(auth, me)
    assert (standing["active"], set(standing["scopes"])) == (True, ROLE_SCOPES["developer"])
    assert standing["organisations"] == {slug: made["id"]}
    await ask(admins, "DELETE", "/admin/assignments", params={"role": "developer", "user_id": me})
    await ask(admins, "POST", "/admin/assignments", json={"role": "viewer", "user_id": me})
    assert "approvals:decide" not in (await standing_of(auth, me))["scopes"]
    await ask(admins, "PATCH", f"/admin/users/{me}", json={"disabled": True})
    assert await standing_of(auth, me) == NOBODY


async def test_who_is_no_person_may_nothing(auth: RunningAuth):
    for subject in (str(uuid4()), "app_0123456789", "tools", "x" * 100):
        assert await standing_of(auth, subject) == NOBODY
