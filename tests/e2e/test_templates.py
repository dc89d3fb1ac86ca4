"""Templates on a running platform: each one's agents answer at once, and scenarios see what the platform does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from agent_management_service.templates.service import CATALOG
from kgents_cli.agent_tests.running import Choice, Job, run_jobs
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.scenarios.files import Scenarios
from kgents_shared.testing.model_server import ModelServer
from tests.e2e.conftest import MODEL_KEY
from tests.e2e.running_platform import RunningPlatform

TEMPLATES = sorted(path.name for path in CATALOG.iterdir())


def fresh_name() -> str:
    return f"made-{uuid4().hex[:10]}"


async def answer_of(client: httpx.AsyncClient, agent: str, text: str) -> dict[str, Any]:
    answer = await client.post(f"/agents/{agent}/message", json={"text": text})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("template", TEMPLATES)
async def test_every_agent_of_a_template_answers_as_soon_as_it_is_made(client: httpx.AsyncClient, template: str):
    found = await client.get(f"/api/v1/templates/{template}", params={"agent_name": fresh_name()})
    assert found.status_code == 200, found.text
    for agent in found.json()["agents"]:
        made = await client.post(
            "/api/v1/agents",
            params={"publish": "true"},
            content=agent["definition"],
            headers={"content-type": "application/toml"},
        )
        assert made.status_code == 201, made.text
        said = await answer_of(client, agent["name"], "Hello")
        assert said["text"] == "You said: Hello [2 messages seen]"


async def test_one_command_makes_a_templates_agents_and_the_next_talks_to_them(platform: RunningPlatform):
    name = fresh_name()
    made = await platform.cli("create", "--template", "multi-agent", "--name", name)
    assert made.returncode == 0, made.stderr
    for agent in (name, f"{name}-researcher", f"{name}-writer"):
        assert f"{agent} version 1 is running." in made.stdout
    said = await platform.cli("message", f"{name}-writer", "-", stdin="Facts.")
    assert said.stdout.startswith("You said: Facts.")


async def test_the_gate_lets_through_what_passes_and_nothing_else(
    platform: RunningPlatform, client: httpx.AsyncClient, tmp_path: Path
):
    name = fresh_name()
    copied = await platform.cli("templates", "copy", "chatbot", "--name", name, "--out", str(tmp_path))
    assert copied.returncode == 0, copied.stderr
    definition, scenarios = (tmp_path / f"{name}{ending}" for ending in (".toml", ".scenarios.toml"))
    gated = ("create", "--config", str(definition), "--require-tests", str(scenarios))
    good = await platform.cli(*gated)
    assert good.returncode == 0, good.stderr
    assert f"{name} version 1 is running." in good.stdout
    definition.write_text(f'{definition.read_text()}\n[tools]\nallow = ["web.*"]\n')
    scenarios.write_text(f'{scenarios.read_text()}\n[[tool]]\nname = "web.read"\nresult = "page"\n')
    refused = await platform.cli(*gated)
    assert refused.returncode == 1
    assert "offered: expected no tool; the model was offered web.read" in refused.stderr
    agent = (await client.get(f"/api/v1/agents/{name}")).json()
    assert agent["version"] == 1
    assert agent["draft"]["tools"]["allow"] == []


async def test_a_scenario_asks_the_model_for_what_the_platform_asks_it(client: httpx.AsyncClient, model: ModelServer):
    """The request that a real model gets in a test is, byte for byte of its meaning, the one that it gets in use."""
    found = (await client.get("/api/v1/templates/chatbot", params={"agent_name": fresh_name()})).json()
    toml = {"content-type": "application/toml"}
    definition = found["agents"][0]["definition"]
    made = await client.post("/api/v1/agents", params={"publish": "true"}, content=definition, headers=toml)
    await answer_of(client, made.json()["name"], "Hello, who are you?")
    scenarios = Scenarios.model_validate(
        {"case": [{"name": "asks", "model": "real", "turn": [{"user": "Hello, who are you?"}]}]}
    )
    env = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": MODEL_KEY, "OPENAI_MODEL": "fake-model"}
    job = Job(Path("scenarios.toml"), scenarios, AgentSpec.model_validate(made.json()["draft"]))
    [outcome] = await asyncio.to_thread(run_jobs, [job], Choice(real=True, env=env))
    assert outcome.count("passed") == 1
    in_use, in_test = model.completions
    assert in_test.body == in_use.body
    assert in_test.authorization == in_use.authorization
