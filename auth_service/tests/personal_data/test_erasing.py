"""Giving out and erasing: over services that are away, slow to let go and there again, until all is done."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import jwt
import pytest

from auth_service.personal_data.service import OWN
from kgents_shared.errors import Unavailable
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, RunningAuth


@dataclass
class Keeper:
    """A service that keeps a row of everybody; `troubles` come first: an error, or rows that have to wait."""

    troubles: list[Exception | int] = field(default_factory=list[Exception | int])
    erased: list[str] = field(default_factory=list[str])

    async def export(self, subject: str) -> AsyncGenerator[bytes]:
        if self.troubles:
            raise Unavailable("It is away.")
        yield json.dumps({"table": "things", "row": {"of": subject}}).encode() + b"\n"

    async def erase(self, subject: str) -> int:
        if self.troubles:
            trouble = self.troubles.pop(0)
            if isinstance(trouble, Exception):
                raise trouble
            return trouble
        self.erased.append(subject)
        return 0


@pytest.fixture
def keepers(auth: RunningAuth, monkeypatch: pytest.MonkeyPatch) -> dict[str, Keeper]:
    """What stands for all other services."""
    made = {name: Keeper() for name in auth.parts.personal_data.services if name != OWN}
    for name, keeper in made.items():
        monkeypatch.setitem(auth.parts.personal_data.services, name, keeper)
    return made


async def ask(auth: RunningAuth, token: str, method: str, path: str, body: Any = None) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return await auth.client.request(method, f"/api/v1{path}", json=body, headers=headers)


def subject_of(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["sub"])


async def test_an_erasure_goes_on_until_every_service_has_done_its_share(auth: RunningAuth, keepers: dict[str, Keeper]):
    address = await auth.register()
    token = (await auth.log_in(address))["access_token"]
    subject = subject_of(token)
    slug = f"alone-{uuid4().hex[:8]}"
    organisation = (await ask(auth, token, "POST", "/organisations", {"slug": slug, "name": "Alone"})).json()["id"]
    keepers["tools"].troubles = [Unavailable("It is away."), ValueError("broken"), 3]

    exported = (await ask(auth, token, "GET", "/users/me/data")).text.splitlines()
    assert json.loads(exported[-1]) == {"complete": False, "missing": ["tools"]}
    rows = [json.loads(line) for line in exported[:-1]]
    (me,) = [row["row"] for row in rows if (row["service"], row["table"]) == (OWN, "users")]
    assert (me["id"], me["email"]) == (subject, address)
    assert {"service": "runtime", "table": "things", "row": {"of": subject}} in rows

    refused = await ask(auth, token, "POST", "/users/me/erasure", {"confirm": "another@example.org"})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "wrong_address")
    begun = await ask(auth, token, "POST", "/users/me/erasure", {"confirm": address.upper()})
    assert begun.status_code == 202, begun.text
    assert (await ask(auth, token, "GET", "/users/me")).status_code in {401, 404}

    admin = (await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD))["access_token"]

    async def is_done() -> bool:
        listed = (await ask(auth, admin, "GET", "/admin/erasures")).json()["items"]
        (one,) = [row for row in listed if row["id"] == begun.json()["erasure_id"]]
        assert subject not in json.dumps(one)
        return one["done_at"] is not None and one["waiting"] == []

    await eventually(is_done, timeout=60, describe="every share is done")
    for keeper in keepers.values():
        assert sorted(keeper.erased) == sorted([subject, organisation] * 2)
    ((email, name),) = await auth.rows("SELECT email, name FROM identity.users WHERE id::text = :id", id=subject)
    assert (email, name) == (f"erased-{subject}@erased.invalid", "")
    assert await auth.rows("SELECT 1 FROM identity.local_accounts WHERE email = :email", email=address) == []
    assert await auth.rows("SELECT 1 FROM identity.organisations WHERE slug = :slug", slug=slug) == []
    # The address is free again, and whoever takes it is somebody else.
    await auth.register(address)
    assert subject_of((await auth.log_in(address))["access_token"]) != subject


async def test_who_others_need_is_not_erased(auth: RunningAuth, keepers: dict[str, Keeper]):
    admin = (await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD))["access_token"]
    last = await ask(auth, admin, "POST", "/users/me/erasure", {"confirm": ADMIN_EMAIL})
    assert (last.status_code, last.json()["code"]) == (409, "last_admin")
    owner, member = await auth.register(), await auth.register()
    token, other = [(await auth.log_in(address))["access_token"] for address in (owner, member)]
    slug = f"team-{uuid4().hex[:8]}"
    await ask(auth, token, "POST", "/organisations", {"slug": slug, "name": "Team"})
    await ask(auth, token, "PUT", f"/organisations/{slug}/members/{subject_of(other)}", {"role": "member"})
    await ask(auth, other, "POST", f"/organisations/{slug}/join")
    refused = await ask(auth, token, "POST", "/users/me/erasure", {"confirm": owner})
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    assert (await ask(auth, token, "GET", "/users/me")).status_code == 200
    assert all(keeper.erased == [] for keeper in keepers.values())
