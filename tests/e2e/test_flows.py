"""A starter flow on a running platform: taken whole by the command line, refused at publish with its reason."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx

from tests.e2e.running_platform import RunningPlatform
from tests.external.langflow import starter_flows

ROOT = Path(__file__).resolve().parents[2]


def commands_of_the_guide(export: Path, agent: str) -> list[list[str]]:
    """The commands that docs/langflow.md gives, for another file and agent."""
    lines = re.findall(r"^\$ \./kgents (.+)$", (ROOT / "docs" / "langflow.md").read_text("utf-8"), re.MULTILINE)
    assert len(lines) > 3
    return [line.replace("my-flow.json", str(export)).replace("my-flow", agent).split() for line in lines]


async def test_the_guides_commands_keep_a_starter_flow_whole_and_publishing_it_is_refused_with_the_reason(
    platform: RunningPlatform, client: httpx.AsyncClient, tmp_path: Path
):
    body, name = starter_flows()["Travel Planning Agents"], "travel-planning-agents"
    export = tmp_path / "export.json"
    export.write_bytes(body)
    told: dict[str, str] = {}
    for command in commands_of_the_guide(export, name):
        ran = await platform.cli(*command)
        assert ran.returncode == 0, ran.stderr
        told[" ".join(command[:2])] = ran.stdout
    assert json.loads(told["agents get"])["draft"]["runtime"]["shell"] == "Langflow"
    assert json.loads(told["agents flow"]) == json.loads(body)
    published = await platform.cli("agents", "publish", name)
    assert published.returncode == 2
    assert "this platform has no worker for flows" in published.stderr
    answer = await client.post(f"/agents/{name}/message", json={"text": "Hello"})
    assert (answer.status_code, answer.json()["code"]) == (409, "agent_not_published")


async def test_a_starter_flow_with_code_of_its_authors_is_refused_by_node(
    platform: RunningPlatform, client: httpx.AsyncClient, tmp_path: Path
):
    body = starter_flows()["Meeting Summary"]
    export = tmp_path / "export.json"
    export.write_bytes(body)
    ran = await platform.cli("create", "--config", str(export), "--draft")
    assert ran.returncode == 2
    assert 'node "AssemblyAI Transcriber"' in ran.stderr
    assert "no component of lfx 1.13.0: its code is the author's own" in ran.stderr
    answer = await client.post("/agents", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "flow_custom_code")
