"""Ghost → Model → Shell → Bot → Team → published → answering: by the API alone, and by the command line alone."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform

PAGE = Path(__file__).resolve().parents[2] / "docs" / "kinds.md"
PROMPT = "You are the front desk.\nAnswer briefly.\n"


async def test_by_the_api_alone_parts_become_a_team_that_answers(client: httpx.AsyncClient, model: ModelServer):
    name = f"team-{uuid4().hex[:8]}"

    async def post(path: str, body: dict[str, Any], status: int = 201) -> dict[str, Any]:
        answer = await client.post(f"/api/v1/kinds/{path}", json=body)
        assert answer.status_code == status, answer.text
        return answer.json()

    ghost = await post("ghosts", {"name": name, "system_prompt": PROMPT})
    which = await post("models", {"name": name, "provider": "openai", "model_name": "fake-model", "temperature": 0.25})
    shell = await post("shells", {"name": name, "type": "Chat", "config": {"limits": {"max_steps": 2}}})
    ids = {"ghost_id": ghost["id"], "model_id": which["id"], "shell_id": shell["id"]}
    bot = await post("bots", {"name": f"{name}-bot", **ids})
    await post("teams", {"name": name, "members": [{"bot_id": bot["id"], "role": "answers"}]})
    agent = await post(f"teams/{name}/publish", {}, 200)
    assert (agent["name"], agent["version"]) == (name, 1)

    async def said(text: str) -> str | None:
        answer = await client.post(f"/api/v1/agents/{name}/message", json={"text": text})
        return answer.json()["text"] if answer.status_code == 200 else None

    async def answers() -> bool:
        return await said("Hello") == "You said: Hello [2 messages seen]"

    await eventually(answers, describe="the team answers", retry_on=(httpx.TransportError,))
    asked = model.completions[-1]
    assert (asked.messages[0]["content"], asked.body["model"], asked.body["temperature"]) == (
        PROMPT,
        "fake-model",
        0.25,
    )

    # Another prompt is the next version, once it is published.
    changed = {"name": name, "system_prompt": "You are the back office."}
    assert (await client.put(f"/api/v1/kinds/ghosts/{name}", json=changed)).status_code == 200
    assert (await client.delete(f"/api/v1/kinds/ghosts/{name}")).json()["code"] == "in_use"
    assert (await post(f"teams/{name}/publish", {}, 200))["version"] == 2

    async def the_new_prompt_is_used() -> bool:
        await said("Again")
        return model.completions[-1].messages[0]["content"] == "You are the back office."

    await eventually(the_new_prompt_is_used, describe="version 2 answers")


async def test_by_the_command_line_alone_as_the_page_says_parts_become_a_team_that_answers(
    platform: RunningPlatform, model: ModelServer
):
    page = PAGE.read_text("utf-8")
    (settings,), (commands,) = [re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("toml", "console")]
    (platform.home.parent / "shell.toml").write_text(settings)
    printed: list[str] = []
    for line in commands.splitlines():
        _, program, *arguments = shlex.split(line)
        ran = await platform.cli(*arguments)
        assert (program, ran.returncode) == ("kgents", 0), f"{line}: {ran.stderr}"
        printed.append(ran.stdout)
    published, answered, shown = printed[5], printed[6], printed[-1]
    assert "front version 1 is running." in published
    assert "You said: Hello [2 messages seen]" in answered
    assert model.completions[-1].body["temperature"] == 0.25
    assert "front version 2 is running." in printed[-2]
    assert re.search(r"^answers +reception, id ", shown, re.MULTILINE)
    refused = await platform.cli("kinds", "ghosts", "delete", "front-desk", "--yes")
    assert refused.returncode == 2
    assert 'is used by bot "reception"' in refused.stderr
