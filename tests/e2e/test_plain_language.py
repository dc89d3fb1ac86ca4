"""An agent out of a sentence on a running platform: by the API, and by the commands of the guide."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path
from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import RunningPlatform
from tests.external.langflow import flow_environment
from tests.external.running_nl import SCENARIO, draft

PAGE = Path(__file__).resolve().parents[2] / "docs" / "plain-language.md"


async def test_a_sentence_becomes_an_agent_that_is_read_published_and_answers(
    client: httpx.AsyncClient, model: ModelServer
):
    model.script(draft(colour="blue"), draft(SCENARIO, tools={"allow": ["bank.pay"], "deny": []}), "rain, rain")
    made = await client.post("/api/v1/nl/agents", json={"description": "A poet"})
    assert made.status_code == 201, made.text
    drafting = made.json()
    assert [fault["code"] for fault in drafting["attempts"][0]["faults"]] == ["extra_forbidden"]
    assert [fault["loc"] for fault in drafting["left_out"]] == [["tools", "allow", "bank.pay"]]
    assert [scenario["status"] for scenario in drafting["scenarios"]] == ["passed"]
    assert (await client.get(made.headers["Location"])).json() == drafting
    name = drafting["agent"]["name"]
    assert (await client.post(f"/agents/{name}/message", json={"text": "Hi"})).status_code == 409
    model.script(draft(SCENARIO), "rain", "A poem")
    published = await client.post("/api/v1/nl/agents", json={"description": "A poet", "publish": True})
    assert published.json()["state"] == "published", published.text
    said = await client.post(f"/agents/{published.json()['agent']['name']}/message", json={"text": "Write!"})
    assert said.json()["text"] == "A poem", said.text
    echo = await client.post("/api/v1/nl/agents", json={"description": "A poet", "llm": {"provider": "echo"}})
    assert (echo.status_code, echo.json()["code"]) == (409, "model_needed")


def commands_of_the_guide() -> list[str]:
    """The commands that docs/plain-language.md gives: five of a definition, three of a flow."""
    lines = re.findall(r"^\$ kgents (.+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(lines) == 8
    return lines


async def test_the_guides_commands_draft_show_publish_and_talk(
    platform: RunningPlatform, model: ModelServer, tmp_path: Path
):
    name = f"desk-{uuid4().hex[:10]}"
    lines = commands_of_the_guide()[:5]
    model.script(draft(SCENARIO, name="whatever"), "rain", "No, on no Sunday.")
    told: list[str] = []
    for line in lines:
        words = shlex.split(line.replace("desk.toml", str(tmp_path / "drafted.toml")))
        ran = await platform.cli(*[name if word == "desk" else word for word in words])
        assert ran.returncode == 0, ran.stderr
        told.append(ran.stdout + ran.stderr)
    assert "scenario: a poem: passed" in told[0]
    assert f"kgents agents publish {name}" in told[0]
    assert f'name = "{name}"' in (tmp_path / "drafted.toml").read_text("utf-8")
    assert (tmp_path / "drafted.scenarios.toml").is_file()
    assert json.loads(told[2])["status"] == "draft"
    assert "No, on no Sunday." in told[4]


async def test_a_flow_out_of_a_sentence_is_published_by_the_guides_commands_and_answers(
    platform: RunningPlatform, model: ModelServer, tmp_path: Path
):
    await asyncio.to_thread(flow_environment)
    prompt = "You say {what} a word means.\nBriefly."
    model.script(draft(SCENARIO, system_prompt=prompt), "rain", "Disorder, counted.")
    name = f"words-{uuid4().hex[:10]}"
    told: list[str] = []
    for line in commands_of_the_guide()[5:]:
        words = shlex.split(line.replace("words.json", str(tmp_path / "flow.json")))
        ran = await platform.cli(*[name if word == "words" else word for word in words])
        assert ran.returncode == 0, ran.stderr
        told.append(ran.stdout + ran.stderr)
    assert f"prompt: {prompt.splitlines()[0]}" in told[0]
    assert json.loads((tmp_path / "flow.json").read_text("utf-8"))["name"] == name
    assert not (tmp_path / "flow.scenarios.toml").exists()
    assert told[-1] == "Disorder, counted.\n"
    asked = model.completions[-1]
    assert [row["role"] for row in asked.messages] == ["system", "user"]
    assert (asked.messages[0]["content"], asked.last_user_text) == (prompt, "Entropy")
