"""The fork server of flows: started with the first flow, ended and started again apart from that of chat agents."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.protocol import ExitReason, LaunchError, LaunchRequest
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.langflow_environment import choose

from .conftest import TOKEN, WORKERS, ProcessBench, request

FLOW: dict[str, Any] = {"data": {"nodes": [], "edges": []}}


def flow_request() -> LaunchRequest:
    runtime = {"shell": "Langflow", "flow": f"sha256:{'0' * 64}"}
    spec = AgentSpec.model_validate({"name": "flow", "system_prompt": "A flow.", "runtime": runtime})
    return LaunchRequest(uuid4(), uuid4(), "flow", 1, spec, TOKEN, FLOW)


@pytest.fixture
async def bench(short_folder: Callable[[], Path]) -> AsyncGenerator[ProcessBench]:
    """An environment that is this very one, with a worker for flows that runs Python as the tests' other one does."""
    home = short_folder()
    (home / "langflow").mkdir()
    (home / "langflow" / "env-1").symlink_to(sys.prefix)
    choose(home / "langflow", "env-1")
    launcher = ProcessLauncher(
        ProcessLauncherOptions(
            run_dir=home / "run",
            logs_dir=home / "logs",
            door=f"unix:{home}/door/door.sock",
            door_dir=home / "door",
            worker_module="scripted_worker",
            import_paths=(WORKERS,),
            langflow_dir=home / "langflow",
            flow_worker_module="scripted_worker",
        )
    )
    await launcher.start()
    if (why := await launcher.why_not("Langflow")) is not None:
        await launcher.close(1)
        pytest.skip(why)
    yield ProcessBench(launcher, home)
    await launcher.close(2)


def roles(bench: ProcessBench) -> dict[str, int]:
    return {row.role: row.pid for row in bench.launcher.processes() if row.state == "ready" and row.agent is None}


async def test_it_is_started_with_the_first_flow_and_its_death_is_no_chat_agents_end(bench: ProcessBench):
    chat = await bench.started("chat")
    assert set(roles(bench)) == {"forkserver"}
    asked = flow_request()
    flow = await bench.launcher.launch(asked)
    await bench.launcher.wait_healthy(flow.instance_id, 20)
    servers = roles(bench)
    assert set(servers) == {"forkserver", "forkserver (Langflow)"}
    os.kill(servers["forkserver (Langflow)"], signal.SIGKILL)
    ended = await asyncio.wait_for(bench.launcher.next_exit(), 60)
    assert (ended.instance_id, ended.reason) == (flow.instance_id, ExitReason.LOST)
    assert list(bench.launcher.running()) == [chat]
    assert await bench.answers(chat)
    again = await bench.launcher.launch(asked)
    await bench.launcher.wait_healthy(again.instance_id, 20)
    assert await bench.answers(again)
    assert roles(bench)["forkserver"] == servers["forkserver"]


async def test_a_flows_worker_has_its_own_root_and_no_way_out(bench: ProcessBench):
    launched = await bench.launcher.launch(flow_request())
    await bench.launcher.wait_healthy(launched.instance_id, 20)
    tried = await bench.run_inside(launched, "import socket; socket.create_connection(('192.0.2.1', 80), 1)")
    assert tried["error"] == "OSError"
    assert (await bench.run_inside(launched, "import os; os.execv('/bin/sh', ['sh'])"))["error"] != ""


def user_of(pid: int | None) -> str:
    return Path(f"/proc/{pid}/status").read_text("ascii").partition("Uid:")[2].split()[0]


async def test_no_worker_of_one_server_has_the_user_id_of_one_of_the_others(bench: ProcessBench):
    if os.geteuid() != 0:
        pytest.skip("only root's workers have user ids of their own")
    chat = [await bench.started(f"chat-{number}") for number in range(2)]
    flows = [await bench.launcher.launch(flow_request()) for _ in range(2)]
    assert len({user_of(item.pid) for item in (*chat, *flows)}) == 4


async def test_an_environment_that_went_away_is_the_reason_that_no_flow_starts(bench: ProcessBench):
    launched = await bench.launcher.launch(flow_request())
    (bench.home / "langflow" / "env-1").unlink()
    os.kill(roles(bench)["forkserver (Langflow)"], signal.SIGKILL)
    ended = await asyncio.wait_for(bench.launcher.next_exit(), 60)
    assert (ended.instance_id, ended.reason) == (launched.instance_id, ExitReason.LOST)
    with pytest.raises(LaunchError, match=r"could not be started: .*env-1/bin/python"):
        await bench.launcher.launch(flow_request())


@pytest.mark.parametrize("named", [False, True])
async def test_where_nothing_is_installed_a_flow_is_refused_with_what_to_do(tmp_path: Path, named: bool):
    langflow_dir = tmp_path / "langflow" if named else None
    launcher = ProcessLauncher(
        ProcessLauncherOptions(tmp_path, tmp_path, "unix:/door", None, langflow_dir=langflow_dir)
    )
    why = await launcher.why_not("Langflow")
    assert why is not None
    assert "run `kgents langflow install`" in why
    assert await launcher.why_not("Chat") is None
    with pytest.raises(LaunchError, match="not installed"):
        await launcher.launch(flow_request())


def test_the_token_and_the_flow_are_in_no_description_of_a_request():
    assert "nodes" not in repr(flow_request())
    assert request().flow is None
