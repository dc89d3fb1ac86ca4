"""Rules and policies on a running platform: said by the command line, felt by the next calls of agents and people."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.scripted_mcp import ScriptedServer, scripted_server

SERVER = f"p-{uuid4().hex[:8]}"
TOOL = f"{SERVER}.count"


@pytest.fixture(scope="module")
async def scripted(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[ScriptedServer]:
    async with scripted_server(tmp_path_factory.mktemp("mcp")) as server:
        yield server


@pytest.fixture(scope="module")
async def registered(platform: RunningPlatform, scripted: ScriptedServer) -> None:
    body = {"name": SERVER, "transport": "streamable_http", "url": scripted.url, "side_effect": "read"}
    async with await platform.client() as client:
        made = await client.post("/api/v1/mcp-servers", json=body)
    assert made.status_code == 201, made.text


async def called(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.post(f"/api/v1/tools/{TOOL}/call", json={"arguments": {"n": 1}})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def said(platform: RunningPlatform, *arguments: str, code: int = 0) -> str:
    ran = await platform.cli(*arguments)
    assert ran.returncode == code, ran.stderr
    return ran.stdout


@pytest.mark.usefixtures("registered")
async def test_a_rule_of_the_command_line_holds_for_the_next_call_and_each_denial_is_counted(
    platform: RunningPlatform, client: httpx.AsyncClient
) -> None:
    assert not (await called(client))["is_error"]
    await said(platform, "tools", "deny", f"{SERVER}.*", "--note", "for a test")
    denied = await called(client)
    assert denied["is_error"]
    assert f"a rule denies {SERVER}.*" in denied["content"]
    fix = denied["content"].partition("`")[2].partition("`")[0]
    assert fix == f"kgents tools deny '{SERVER}.*' --remove"
    counted = json.loads(await said(platform, "tools", "denials", "--tool", TOOL, "--json"))
    assert [(row["denied_by"]["pattern"], row["calls"]) for row in counted] == [(f"{SERVER}.*", 1)]
    await said(platform, *fix.replace("'", "").split()[1:])
    assert not (await called(client))["is_error"]


@pytest.mark.usefixtures("registered")
async def test_a_policy_is_tried_made_felt_within_a_second_and_ended(
    platform: RunningPlatform, client: httpx.AsyncClient, tmp_path: Path
) -> None:
    file, name = tmp_path / "no-count.cedar", f"no-count-{uuid4().hex[:8]}"
    file.write_text(f'@id("count") @reason("Too dear.")\nforbid (principal, action, resource == Tool::"{TOOL}");\n')
    tried = await said(platform, "policies", "check", TOOL, "--file", str(file), code=1)
    assert tried.startswith("denied: The policy tried of the owner forbids")
    assert not (await called(client))["is_error"]
    await said(platform, "policies", "add", name, str(file))

    async def is_denied() -> str | None:
        answer = await called(client)
        return answer["content"] if answer["is_error"] else None

    content = await eventually(is_denied)
    assert f"The policy {name} of the owner forbids {TOOL} (rule count). Too dear." in (content or "")
    await said(platform, "policies", "delete", name, "--yes")

    async def is_called() -> bool:
        return not (await called(client))["is_error"]

    await eventually(is_called)


@pytest.mark.usefixtures("registered")
async def test_an_agent_that_runs_already_is_offered_by_capability_what_rules_leave_and_no_restart_is_needed(
    client: httpx.AsyncClient, model: ModelServer
) -> None:
    name = f"p-{uuid4().hex[:8]}"
    patterns = {"patterns": [f"{SERVER}.count", f"{SERVER}.echo"]}
    assert (await client.put(f"/api/v1/tools/capabilities/{name}", json=patterns)).status_code == 201
    await publish_agent(client, name, tools={"allow": [f"capability:{name}"]})

    async def offered() -> set[str]:
        """What its model is shown; the tool is asked for whatever is shown."""
        model.reset()
        answer = await client.post(f"/api/v1/agents/{name}/message", json={"text": f'call {TOOL} {{"n": 1}}'})
        assert answer.status_code == 200, answer.text
        shown = {name.rpartition("_")[2].rpartition(".")[2] for name in model.completions[0].tool_names}
        was_called = re.match(r"The tool answered: \d+ ", answer.json()["text"]) is not None
        assert was_called is ("count" in shown), answer.text
        return shown

    assert await offered() == {"count", "echo"}
    rule = {"effect": "deny", "pattern": TOOL, "level": "agent", "agent": name}
    made = await client.post("/api/v1/tools/permissions", json=rule)

    async def is_gone() -> bool:
        return await offered() == {"echo"}

    await eventually(is_gone)
    assert (await client.delete(f"/api/v1/tools/permissions/{made.json()['id']}")).status_code == 204

    async def is_back() -> bool:
        return await offered() == {"count", "echo"}

    await eventually(is_back)
