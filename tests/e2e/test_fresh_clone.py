"""A newcomer's first minutes: clone, `./kgents demo`, then the README's tutorial as it is written there."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from kgents_cli.processes import start_mark
from kgents_shared.testing.model_server import ModelServer
from tests.e2e.running_platform import ROOT, free_port

TUTORIAL = "## Five-minute tutorial"


def clean_environment(home: Path, **more: str) -> dict[str, str]:
    """The environment of somebody who never heard of Kgents."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("KGENTS_", "OPENAI_", "PYTEST", "VIRTUAL_ENV", "PYTHON"))
    }
    venv = str(ROOT / ".venv")
    kept["PATH"] = os.pathsep.join(part for part in kept["PATH"].split(os.pathsep) if not part.startswith(venv))
    return {**kept, "KGENTS_HOME": str(home), **more}


def run(clone: Path, command: list[str], environment: dict[str, str], timeout: int = 300) -> str:
    done = subprocess.run(
        command, cwd=clone, env=environment, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of what is committed, with nothing installed in it."""
    target = tmp_path_factory.mktemp("fresh") / "kgents"
    subprocess.run(["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(target)], check=True, timeout=60)
    return target


def tutorial_blocks(language: str) -> list[str]:
    """The fenced blocks of the README's tutorial in one language."""
    section = (ROOT / "README.md").read_text("utf-8").split(TUTORIAL, 1)[1].split("\n## ", 1)[0]
    return re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)


@pytest.mark.timeout(600)
def test_the_demo_on_a_fresh_clone_shows_the_whole_job_and_leaves_nothing(clone: Path, tmp_path: Path):
    with tempfile.TemporaryDirectory(prefix="kd-", dir="/tmp") as folder:  # a longer one has no room for sockets' names
        elsewhere = {"KGENTS_TOKEN": "of another server", "KGENTS_URL": "http://127.0.0.1:9"}
        environment = clean_environment(tmp_path / "home", TMPDIR=folder, **elsewhere)
        output = run(clone, ["./kgents", "demo"], environment)
        assert list(Path(folder).iterdir()) == []
    assert [line.partition(".")[0] for line in output.splitlines() if re.match(r"\d\.", line)] == list("1234567")
    assert "no language model" in output
    assert output.count("Hello, my name is Ada.") >= 3  # said, echoed, and found in the conversation again
    assert "I was given 2 earlier messages" in output
    assert "no process is left" in output
    [killed] = re.findall(r"kill -9 (\d+)", output)
    pids = {int(pid) for pid in re.findall(r"process (\d+)", output)}
    assert int(killed) in pids
    assert len(pids) >= 5  # a spare worker may stand ready, too
    assert [pid for pid in pids if start_mark(pid) is not None] == []


@pytest.mark.timeout(600)
async def test_the_tutorial_runs_as_written(clone: Path, tmp_path: Path):
    home, port = tmp_path / "home", free_port()
    [agent] = tutorial_blocks("toml")
    (clone / "my-agent.toml").write_text(agent, "utf-8")
    async with ModelServer(api_key="sk-tutorial") as model:
        environment = clean_environment(
            home, KGENTS_PORT=str(port), OPENAI_BASE_URL=model.base_url, OPENAI_API_KEY="sk-tutorial"
        )
        script = "\n".join(tutorial_blocks("bash")).replace("localhost:8080", f"localhost:{port}")
        try:
            output = await asyncio.to_thread(run, clone, ["bash", "-euo", "pipefail", "-c", script], environment)
        finally:
            await asyncio.to_thread(
                subprocess.run,
                ["./kgents", "server", "stop"],
                cwd=clone,
                env=environment,
                capture_output=True,
                timeout=60,
                check=False,
            )
        assert "You said: Hello" in output
        assert model.completions
