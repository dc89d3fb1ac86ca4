"""Agents follow their files while somebody works on them, and keep who they are and what was said."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import ROOT, RunningPlatform, publish_agent


class Developing:
    """A running `kgents dev`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def next(self, number: int = 1) -> list[dict[str, Any]]:
        """What it tells next, by the agents' names."""
        assert self._process.stdout is not None
        lines = [await asyncio.wait_for(self._process.stdout.readline(), 60) for _ in range(number)]
        return sorted((json.loads(line) for line in lines), key=lambda told: str(told["agent"]))

    async def interrupted(self) -> int:
        """Ctrl-C, and its exit code."""
        self._process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self._process.wait(), 60)


def _heed_interrupts() -> None:
    """A shell's background job, which this suite may be, starts with SIGINT ignored and hands that on."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@asynccontextmanager
async def develop(platform: RunningPlatform, folder: Path) -> AsyncGenerator[Developing]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "kgents_cli", "dev", str(folder), "--json"),
        env=platform.environment,
        stdout=asyncio.subprocess.PIPE,
        preexec_fn=_heed_interrupts,
    )
    try:
        yield Developing(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def save(file: Path, prompt: str, more: str = "") -> None:
    """As editors save: another file takes the file's place."""
    part = file.with_suffix(".part")
    part.write_text(f'name = "{file.stem}"\nsystem_prompt = "{prompt}"\n{more}', encoding="utf-8")
    part.replace(file)


async def say(client: httpx.AsyncClient, agent: str, conversation: str | None = None) -> dict[str, Any]:
    body = {"text": "Hello"} | ({} if conversation is None else {"conversation_id": conversation})
    answer = await client.post(f"/agents/{agent}/message", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def prompt_of(model: ModelServer) -> str:
    """The system prompt that the model saw last."""
    return str(model.completions[-1].messages[0]["content"])


async def test_saved_files_become_what_answers_and_bad_ones_change_nothing(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer, tmp_path: Path
):
    ada, bob = tmp_path / "hot-ada.toml", tmp_path / "hot-bob.toml"
    save(ada, "First.")
    save(bob, "Another.")
    async with develop(platform, tmp_path) as dev:
        made = await dev.next(2)
        assert [(told["agent"], told["state"]) for told in made] == [("hot-ada", "created"), ("hot-bob", "created")]
        before = (await client.get("/api/v1/agents/hot-ada")).json()
        first = await say(client, "hot-ada")
        assert prompt_of(model) == "First."

        save(ada, "Second.")
        (told,) = await dev.next()
        assert (told["agent"], told["state"], told["version"]) == ("hot-ada", "reloaded", 2)
        assert [change["loc"] for change in told["changes"]] == [["system_prompt"]]
        second = await say(client, "hot-ada", first["conversation_id"])
        assert (second["conversation_id"], second["text"]) == (
            first["conversation_id"],
            "You said: Hello [4 messages seen]",
        )
        assert prompt_of(model) == "Second."
        assert (await client.get("/api/v1/agents/hot-ada")).json()["id"] == before["id"]
        assert (await client.get("/api/v1/agents/hot-bob")).json()["version"] == 1

        save(ada, "Third.", "limit = 3\n")
        (told,) = await dev.next()
        assert (told["state"], told["version"]) == ("refused", 2)
        assert told["faults"][0].startswith(f"{ada}:3:1: limit: ")
        await say(client, "hot-ada", first["conversation_id"])
        assert prompt_of(model) == "Second."
        status = (await client.get("/api/v1/agents/hot-ada/reload")).json()
        assert (status["state"], status["source"], status["in_force"]) == ("refused", ada.name, 2)
        assert [(fault["line"], fault["column"]) for fault in status["errors"]] == [(3, 1)]

        save(ada, "Third.")
        (told,) = await dev.next()
        assert (told["state"], told["version"]) == ("reloaded", 3)
        assert await dev.interrupted() == 0
    await say(client, "hot-ada", first["conversation_id"])
    assert prompt_of(model) == "Third."


def commands_of_the_guide(agent: str) -> list[list[str]]:
    """The commands that docs/dev.md gives, but for the one that goes on until Ctrl-C."""
    lines = re.findall(r"^\$ \./kgents (.+)$", (ROOT / "docs" / "dev.md").read_text("utf-8"), re.MULTILINE)
    assert len(lines) > 6
    return [line.replace("my-agent", agent).split() for line in lines if not line.startswith("dev ")]


async def test_the_guides_commands_run_as_written(
    platform: RunningPlatform, client: httpx.AsyncClient, model: ModelServer
):
    name = "back-and-forth"
    await publish_agent(client, name, system_prompt="First.")
    definition = {"name": name, "system_prompt": "Second."}
    assert (await client.put(f"/api/v1/agents/{name}/reload", json=definition)).json()["version"] == 2
    told: dict[str, str] = {}
    for command in commands_of_the_guide(name):
        ran = await platform.cli(*command)
        assert ran.returncode == 0, ran.stderr
        told[" ".join(command[1:])] = ran.stdout
    assert told[f"last-reload {name}"].startswith(f"{name} was reloaded as version 2 ")
    listed = [line.split()[0] for line in told[f"versions {name}"].splitlines()]
    assert listed == ["VERSION", "2", "1"]
    assert 'system_prompt: "First." → "Second."' in told[f"diff {name} --from 1 --to 2"]
    assert "version 1 is running again" in told[f"rollback {name}"]
    assert "version 2 is running again" in told[f"rollback {name} --to 2"]
    await say(client, name)
    assert prompt_of(model) == "Second."
