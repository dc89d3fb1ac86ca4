"""The fork server of agents whose models have wires of their own: what those take is loaded once, for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.process.shells import CHAT, PROVIDERS, server_of
from agent_deployment_service.launchers.protocol import LaunchRequest
from kgents_shared.contracts.agent_spec import AgentSpec

from .conftest import TOKEN


def spec(**llm: Any) -> AgentSpec:
    return AgentSpec.model_validate({"name": "a", "system_prompt": "Be good.", "llm": llm})


@pytest.mark.parametrize(
    ("llm", "server"),
    [
        ({}, CHAT),
        ({"provider": "openai"}, CHAT),
        ({"provider": "localai"}, CHAT),
        ({"provider": "anthropic"}, PROVIDERS),
        ({"provider": "openai", "fallbacks": [{"provider": "ollama"}]}, PROVIDERS),
    ],
)
def test_an_agent_is_forked_from_who_has_its_providers_loaded(llm: dict[str, Any], server: str):
    assert server_of(spec(**llm)) == server


async def test_with_the_first_such_agent_the_server_starts_and_the_worker_in_its_sandbox_has_what_it_needs(
    short_folder: Callable[[], Path],
):
    home = short_folder()
    options = ProcessLauncherOptions(home / "run", home / "logs", f"unix:{home}/door/d.sock", home / "door")
    launcher = ProcessLauncher(options)
    await launcher.start()
    try:
        asked = LaunchRequest(
            uuid4(), uuid4(), "a", 1, spec(provider="google", fallbacks=[{"provider": "anthropic"}]), TOKEN
        )
        launched = await launcher.launch(asked)
        await launcher.wait_healthy(launched.instance_id, 20)
        assert {row.role for row in launcher.processes() if row.state == "ready" and row.agent is None} >= {
            "forkserver (providers)"
        }
        assert await asyncio.to_thread((home / "logs" / "forkserver-providers.log").read_text) == ""
    finally:
        await launcher.close(2)
