"""A starter flow on a running platform: it answers by the commands of its guide, or is refused with its reason."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path

import httpx

from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import RunningPlatform
from tests.external.langflow import flow_environment, starter_flows

ROOT = Path(__file__).resolve().parents[2]


def commands_of_the_guide(export: Path, agent: str) -> list[list[str]]:
    """The commands that docs/langflow.md gives, for another file and agent."""
    lines = re.findall(r"^\$ \./kgents (.+)$", (ROOT / "docs" / "langflow.md").read_text("utf-8"), re.MULTILINE)
    assert len(lines) > 3
    return [shlex.split(line.replace("my-flow.json", str(export)).replace("my-flow", agent)) for line in lines]


async def test_the_guides_commands_publish_a_starter_flow_that_answers_with_the_platforms_model(
    platform: RunningPlatform, model: ModelServer, tmp_path: Path
):
    await asyncio.to_thread(flow_environment)
    body, name = starter_flows()["Basic Prompting"], "basic-prompting"
    export = tmp_path / "export.json"
    export.write_bytes(body)
    model.script("The sea is wide.")
    told: dict[str, str] = {}
    for command in commands_of_the_guide(export, name):
        ran = await platform.cli(*command)
        assert ran.returncode == 0, ran.stderr
        told[" ".join(command[:2])] = ran.stdout
    assert told[f"message {name}"] == "The sea is wide.\n"
    assert json.loads(told["agents get"])["draft"]["runtime"]["shell"] == "Langflow"
    assert json.loads(told["agents flow"]) == json.loads(body)
    (asked,) = model.completions
    assert asked.model == "fake-model"
    assert asked.messages[-1] == {"role": "user", "content": "Tell me of the sea."}
    assert "Langflow" in " ".join(row["role"] for row in await platform.processes())


async def test_a_starter_flow_that_reaches_for_the_network_is_kept_and_publishing_it_names_the_nodes(
    platform: RunningPlatform, client: httpx.AsyncClient, tmp_path: Path
):
    export = tmp_path / "export.json"
    export.write_bytes(starter_flows()["Simple Agent"])
    ran = await platform.cli("create", "--config", str(export), "--draft")
    assert ran.returncode == 0, ran.stderr
    published = await platform.cli("agents", "publish", "simple-agent")
    assert published.returncode == 2
    assert 'node "URL" (URLComponent-Tjh8k) reaches out to the network' in published.stderr
    answer = await client.post("/agents/simple-agent/message", json={"text": "Hello"})
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
