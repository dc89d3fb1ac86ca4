"""Agents of four other systems, migrated and deployed by one command, answer on a running platform."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import RunningPlatform

DATA = Path(__file__).resolve().parents[2] / "cli" / "tests" / "migration_data"
FILES = ("wegent/01-public.yaml", "crewai/agents.yaml", "plain/native.yml", "openai/tutor.json")
AGENTS = {"release-team", "glossary", "market-researcher", "report-writer", "data-analyzer", "geometry-tutor"}


async def test_agents_of_other_systems_are_migrated_deployed_and_answer_by_their_prompts(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer, tmp_path: Path
):
    arguments = [str(DATA / file) for file in FILES]
    ran = await platform.cli("migrate", *arguments, "--out", str(tmp_path / "agents"), "--deploy", "--json")
    assert ran.returncode == 2, ran.stderr
    report = json.loads(ran.stdout)
    assert [one["name"] for one in report["refused"]] == ["release-and-glossary"]
    assert {one["name"] for one in report["deployed"] if one["version"]} == AGENTS
    for name in AGENTS:
        answer = await client.post(f"/agents/{name}/message", json={"text": "Hello"})
        assert answer.status_code == 200, answer.text
        assert answer.json()["text"] == "You said: Hello [2 messages seen]"
    asked = {str(request.messages[0]["content"]): request.model for request in model.completions}
    [writer] = [prompt for prompt in asked if prompt.startswith("You are Report Writer.")]
    [glossary] = [prompt for prompt in asked if prompt.startswith("You keep the glossary")]
    assert writer.endswith("Your goal: Turn findings into a report of two pages.")
    assert glossary.endswith("\n\nAnswer in the language of the question.\n")
    assert (asked[writer], asked[glossary]) == ("gpt-4o", "fake-model")
