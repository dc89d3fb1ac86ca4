"""A server that wants OAuth is authorized in a browser, over the running platform, and an agent calls its tool."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import httpx
import pytest

from kgents_shared.testing.plain_http import PLAIN
from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.authorization_server import AuthorizationServer, authorization_server


@pytest.fixture(scope="module")
async def guarded() -> AsyncGenerator[AuthorizationServer]:
    async with authorization_server() as server:
        yield server


async def test_a_person_authorizes_a_server_in_a_browser_and_an_agent_calls_its_tool(
    platform: RunningPlatform, guarded: AuthorizationServer
):
    async with await platform.client() as person:
        body = {"name": "notes-by-oauth", "transport": "streamable_http", "url": guarded.mcp.url, "oauth": {}}
        server = (await person.post("/api/v1/mcp-servers", json=body)).json()
        path = f"/api/v1/mcp-servers/{server['id']}"
        begun = await person.post(f"{path}/authorize", json={})
        assert begun.status_code == 200, begun.text
        async with httpx.AsyncClient(follow_redirects=True, timeout=60, verify=PLAIN) as browser:
            came_back = await browser.get(begun.json()["authorization_url"])
        assert str(came_back.url).startswith(f"http://localhost:{platform.port}/api/v1/mcp-servers/oauth/callback?")
        assert came_back.json()["tools"] == len(guarded.mcp.tools)
        said = await person.patch(f"{path}/tools/whoami", json={"side_effect": "read"})
        assert said.status_code == 200, said.text
        await publish_agent(person, "note-taker", tools={"allow": ["notes-by-oauth.*"]})
        text = 'call notes-by-oauth.whoami {"who": "the agent"}'
        answer = await person.post("/agents/note-taker/message", json={"text": text})
        assert " the agent" in answer.json()["text"], answer.text
        shown = {row["Authorization"].removeprefix("Bearer ") for row in guarded.mcp.headers if "Authorization" in row}
        assert shown <= set(guarded.grants.tokens)
        assert shown
        kept = (await person.get("/api/v1/credentials?type=mcp_oauth")).json()["items"]
        assert len(kept) == 1
        assert (await person.delete(path)).status_code == 204
        assert (await person.get("/api/v1/credentials?type=mcp_oauth")).json()["items"] == []
