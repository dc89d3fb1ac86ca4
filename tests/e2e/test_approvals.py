"""Approvals on a running platform: auth's own word on who may, the command line as the page says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest

from kgents_shared.testing.plain_http import PLAIN
from tests.e2e.running_platform import RunningPlatform
from tests.e2e.tenants import asked_approval, person, service_token

PAGE = Path(__file__).resolve().parents[2] / "docs" / "approvals.md"


class Registry:
    """The tool registry, as it calls the governance service."""

    def __init__(self, inside: httpx.AsyncClient, token: str) -> None:
        self.inside = inside
        self.token = token

    async def asks(self, owner_id: str, **changes: Any) -> dict[str, Any]:
        return await asked_approval(self.inside, self.token, owner_id, **changes)

    async def carries_out(self, asked: dict[str, Any]) -> httpx.Response:
        body = {"payload_hash": asked["payload_hash"], "request_key": asked["request_key"]}
        path = f"/governance/internal/approvals/{asked['id']}/consume"
        return await self.inside.post(path, json=body, headers={"Authorization": f"Bearer {self.token}"})


@pytest.fixture
async def registry(platform: RunningPlatform) -> AsyncGenerator[Registry]:
    port = (platform.home / "run" / "private.port").read_text().strip()
    async with httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN) as visitor:
        token = await service_token(platform, visitor, "tools", "governance")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=PLAIN) as inside:
        yield Registry(inside, token)


async def ask(platform: RunningPlatform, bearer: str, method: str, path: str, **more: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {bearer}"}
    async with httpx.AsyncClient(base_url=f"{platform.url}/api/v1", headers=headers, timeout=60, verify=PLAIN) as http:
        return await http.request(method, path, **more)


async def test_an_organisations_approval_takes_a_second_person_who_still_may_when_it_is_carried_out(
    platform: RunningPlatform, client: httpx.AsyncClient, registry: Registry
) -> None:
    asker, second = await person(client, {"developer"}), await person(client, {"approver"})
    ids = [
        str(jwt.decode(each["access_token"], options={"verify_signature": False})["sub"]) for each in (asker, second)
    ]
    slug = f"four-eyes-{uuid4().hex[:8]}"

    async def asks(bearer: str, method: str, path: str, **more: Any) -> Any:
        answer = await ask(platform, bearer, method, path, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    team = await asks(asker["access_token"], "POST", "/organisations", json={"slug": slug, "name": "Four eyes"})
    await asks(asker["access_token"], "PUT", f"/organisations/{slug}/members/{ids[1]}", json={"role": "member"})
    await asks(second["access_token"], "POST", f"/organisations/{slug}/join")
    first_bearer, second_bearer = [
        (await asks(each["access_token"], "POST", "/auth/refresh", json={"refresh_token": each["refresh_token"]}))[
            "access_token"
        ]
        for each in (asker, second)
    ]
    used, void = [await registry.asks(team["id"], principal=ids[0]) for _ in range(2)]
    own = await ask(platform, first_bearer, "POST", f"/approvals/{used['id']}/decide", json={"decision": "approve"})
    assert (own.status_code, own.json()["code"]) == (403, "own_request")
    for each in (used, void):
        path = f"/approvals/{each['id']}/decide"
        assert (await asks(second_bearer, "POST", path, json={"decision": "approve"}))["status"] == "approved"
    assert (await registry.carries_out(used)).status_code == 200
    taken = await client.delete("/api/v1/admin/assignments", params={"role": "approver", "user_id": ids[1]})
    assert taken.status_code == 204
    refused = await registry.carries_out(void)
    assert (refused.status_code, refused.json()["reason"]) == (409, "decider_lost_right")
    shown = await asks(first_bearer, "GET", f"/approvals/{void['id']}")
    assert [record["what"] for record in shown["history"]] == ["asked", "approved", "voided"]


async def test_the_pages_commands_show_and_approve_and_a_key_of_the_same_person_can_not(
    platform: RunningPlatform, client: httpx.AsyncClient, registry: Registry
) -> None:
    me = (await client.get("/api/v1/users/me")).json()["id"]
    asked = await registry.asks(me, payload={"to": "ada@example.org", "text": "Hello"}, agent_name="clerk")
    scopes = ["approvals:read", "approvals:decide"]
    key = (await client.post("/api/v1/users/me/api-keys", json={"name": uuid4().hex, "scopes": scopes})).json()["key"]
    assert (await ask(platform, key, "GET", f"/approvals/{asked['id']}")).status_code == 200
    by_key = await ask(platform, key, "POST", f"/approvals/{asked['id']}/decide", json={"decision": "approve"})
    assert (by_key.status_code, by_key.json()["code"]) == (403, "not_in_person")
    assert (await registry.carries_out(asked)).status_code == 409
    (commands,) = re.findall(r"```console\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    printed: list[str] = []
    for line in commands.splitlines():
        _, program, *arguments = shlex.split(line)
        ran = await platform.cli(*(asked["id"] if each == "ID" else each for each in arguments))
        assert (program, ran.returncode) == ("kgents", 0), f"{line}: {ran.stderr}"
        printed.append(ran.stdout)
    assert asked["id"] in printed[0]
    assert '"to": "ada@example.org"' in printed[1]
    assert printed[2] == "approved: mail.send to ada@example.org\n"
    (row,) = [row for row in json.loads(printed[3]) if row["id"] == asked["id"]]
    assert (row["status"], row["note"]) == ("approved", "Go ahead.")
    assert (await registry.carries_out(asked)).status_code == 200
