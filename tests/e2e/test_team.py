"""A team shares an agent and its tools: members use it, strangers find nothing, who leaves is out at once."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform
from tests.external.scripted_mcp import ScriptedServer

PASSWORD = "words that nobody joins"
AGENT = {"name": "desk", "system_prompt": "Answer briefly.", "tools": {"allow": ["desk-tools.*"]}}


@dataclass
class Person:
    """Somebody who is logged in."""

    id: str
    http: httpx.AsyncClient
    refresh_token: str

    async def refresh(self) -> None:
        """Get the next access token: the one with today's organisations."""
        answer = await self.http.post("/api/v1/auth/refresh", json={"refresh_token": self.refresh_token})
        assert answer.status_code == 200, answer.text
        self.refresh_token = answer.json()["refresh_token"]
        self.http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"


@dataclass
class Team:
    """A team of two with an agent, and somebody who isn't in it."""

    slug: str
    ada: Person
    bob: Person
    eve: Person
    agent: dict[str, Any]

    @property
    def path(self) -> str:
        """The agent as its members name it."""
        return f"/api/v1/agents/{self.slug}~desk"


async def somebody(platform: RunningPlatform, admin: httpx.AsyncClient, stack: AsyncExitStack) -> Person:
    body = {"email": f"{uuid4().hex}@example.org", "name": "Ada", "password": PASSWORD}
    made = (await admin.post("/api/v1/admin/users", json=body)).json()
    login = await admin.post("/api/v1/auth/login", json={"email": body["email"], "password": PASSWORD})
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    http = await stack.enter_async_context(
        httpx.AsyncClient(base_url=platform.url, headers=headers, timeout=60, verify=PLAIN)
    )
    return Person(made["id"], http, login.json()["refresh_token"])


@pytest.fixture
async def team(platform: RunningPlatform, client: httpx.AsyncClient, scripted: ScriptedServer) -> AsyncGenerator[Team]:
    async with AsyncExitStack() as stack:
        ada, bob, eve = [await somebody(platform, client, stack) for _ in range(3)]
        slug = f"team-{uuid4().hex[:8]}"
        assert (await ada.http.post("/api/v1/organisations", json={"slug": slug, "name": "Team"})).status_code == 201
        put = await ada.http.put(f"/api/v1/organisations/{slug}/members/{bob.id}", json={"role": "member"})
        assert put.status_code == 200, put.text
        assert (await bob.http.post(f"/api/v1/organisations/{slug}/join")).status_code == 200
        await ada.refresh()
        await bob.refresh()
        server = {"name": "desk-tools", "transport": "streamable_http", "url": scripted.url, "side_effect": "read"}
        registered = await ada.http.post("/api/v1/mcp-servers", json=server, params={"organisation": slug})
        assert registered.status_code == 201, registered.text
        query = {"organisation": slug, "publish": "true"}
        made = await ada.http.post("/api/v1/agents", json=AGENT, params=query)
        assert made.status_code == 201, made.text
        yield Team(slug, ada, bob, eve, made.json())
        assert (await ada.http.delete(f"/api/v1/agents/{slug}~desk")).status_code == 204


@pytest.fixture
async def scripted(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScriptedServer]:
    server = ScriptedServer(tmp_path_factory.mktemp("mcp"))
    await server.start()
    yield server
    await server.kill()


async def say(person: Person, path: str, **body: Any) -> httpx.Response:
    return await person.http.post(f"{path}/message", json=body)


async def test_members_talk_to_their_teams_agent_and_it_calls_their_teams_tools(team: Team):
    text = 'call desk-tools.echo {"text": "for the team"}'
    for path in (team.path, f"/api/v1/agents/{team.agent['id']}"):
        answer = await say(team.bob, path, text=text)
        assert answer.status_code == 200, answer.text
        assert "for the team" in answer.json()["text"]
    # What one of them said is theirs, not the team's.
    said = answer.json()
    mine = await team.bob.http.get(f"{team.path}/conversations")
    assert said["conversation_id"] in [row["id"] for row in mine.json()["items"]]
    assert (await team.ada.http.get(f"{team.path}/conversations")).json()["items"] == []
    for place in (f"conversations/{said['conversation_id']}", f"runs/{said['run_id']}"):
        assert (await team.bob.http.get(f"/api/v1/{place}")).status_code == 200
        assert (await team.ada.http.get(f"/api/v1/{place}")).status_code == 404
    another = await say(team.ada, team.path, text="Hello", conversation_id=said["conversation_id"])
    assert another.status_code == 404


async def test_members_change_and_run_what_is_their_teams(team: Team):
    changed = AGENT | {"system_prompt": "Answer at length."}
    assert (await team.bob.http.put(team.path, json=changed)).status_code == 200
    assert (await team.bob.http.post(f"{team.path}/publish")).json()["version"] == 2
    assert (await team.ada.http.get(team.path)).json()["draft"]["system_prompt"] == "Answer at length."
    assert (await team.bob.http.get(f"{team.path}/logs")).status_code == 200
    assert (await team.bob.http.post(f"{team.path}/restart")).status_code == 202
    for path in ("agents", "deployments"):
        listed = (await team.bob.http.get(f"/api/v1/{path}")).json()["items"]
        assert [row.get("name") or row["agent"] for row in listed] == ["desk"], path
    tools = (await team.bob.http.get("/api/v1/tools", params={"organisation": team.slug})).json()["items"]
    assert {row["owner_id"] for row in tools} == {team.agent["owner_id"]}
    named = await team.bob.http.get(f"/api/v1/tools/{team.slug}~desk-tools.echo")
    assert named.json()["name"] == "desk-tools.echo"
    # A name alone is one's own.
    assert (await team.bob.http.get("/api/v1/agents/desk")).status_code == 404
    own = await team.bob.http.post("/api/v1/agents", json={"name": "desk", "system_prompt": "Mine."})
    assert own.status_code == 201, own.text
    assert (await team.bob.http.get("/api/v1/agents/desk")).json()["id"] == own.json()["id"]
    assert (await team.bob.http.get(team.path)).json()["id"] == team.agent["id"]


async def test_who_is_not_in_the_team_finds_nothing_and_who_leaves_is_out_within_a_second(team: Team):
    routes = [team.path, f"/api/v1/agents/{team.agent['id']}", f"{team.path}/deployments", f"{team.path}/logs"]
    routes += [f"{team.path}/conversations", f"/api/v1/tools/{team.slug}~desk-tools.echo"]
    for route in routes:
        assert (await team.bob.http.get(route)).status_code == 200, route
        assert (await team.eve.http.get(route)).status_code == 404, route
    for http in (team.eve.http,):
        assert (await http.post(f"{team.path}/message", json={"text": "Hello"})).status_code == 404
        assert (await http.put(team.path, json=AGENT)).status_code == 404
        assert (await http.delete(team.path)).status_code == 404
        in_team = await http.post("/api/v1/agents", json=AGENT, params={"organisation": team.slug})
        assert (in_team.status_code, in_team.json()["code"]) == (404, "no_such_organisation")

    out = await team.ada.http.delete(f"/api/v1/organisations/{team.slug}/members/{team.bob.id}")
    assert out.status_code == 204

    async def refused() -> None:
        assert {(await team.bob.http.get(route)).status_code for route in routes} == {401}

    await eventually(refused)
    await team.bob.refresh()
    for route in routes:
        assert (await team.bob.http.get(route)).status_code == 404, route
    assert (await say(team.bob, f"/api/v1/agents/{team.agent['id']}", text="Hello")).status_code == 404
