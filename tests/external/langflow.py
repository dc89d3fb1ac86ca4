"""Langflow's own components and starter flows, from PyPI: what flows are checked against, and flows as it exports them.

`langflow_folder()` unpacks them once a checkout, from hash-pinned `locks/langflow.txt`, below `.kgents/tools/`; nothing
of that is imported or run. `flow_environment()` installs what flows run on, as `kgents langflow install` does.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from kgents_cli.bootstrap.pip_settings import read_pip_settings, uv_environment
from kgents_cli.bootstrap.uv_program import obtain_uv
from kgents_cli.checks.suite import LANGFLOW_OF_TESTS
from kgents_cli.langflow import LangflowEnvironment

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "locks" / "langflow.txt"
HOME = ROOT / ".kgents" / "tools" / "langflow"
ENVIRONMENT = ROOT / LANGFLOW_OF_TESTS


@cache
def langflow_folder() -> Path:
    """Where the packages `lfx` and `langflow` lie; unpacks them where this checkout doesn't have what is pinned."""
    HOME.mkdir(parents=True, exist_ok=True)
    with (HOME / "install.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return _unpacked()


def _unpacked() -> Path:
    folder, stamp = HOME / "packages", HOME / "unpacked.txt"
    wanted = LOCK.read_text("utf-8")
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    settings = read_pip_settings()
    uv = str(obtain_uv(ROOT, settings, _say))
    answer = subprocess.run(
        [
            *(uv, "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--python", sys.executable),
            *("--target", str(folder), "-r", str(LOCK)),
        ],
        env=uv_environment(settings),
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode != 0:
        raise RuntimeError(f"uv pip install failed: {answer.stderr[-2000:]}")
    stamp.write_text(wanted, encoding="utf-8")
    return folder


@cache
def flow_environment() -> Path:
    """What DEPLOYMENT_LANGFLOW_DIR takes; installs it once a checkout, which takes half a minute."""
    LangflowEnvironment(ROOT, ENVIRONMENT).install(_say)
    return ENVIRONMENT


def starter_flows() -> dict[str, bytes]:
    """Langflow's starter flows by their titles, as it exports them."""
    folder = langflow_folder() / "langflow" / "initial_setup" / "starter_projects"
    return {file.stem: file.read_bytes() for file in sorted(folder.glob("*.json"))}


@cache
def _components() -> dict[str, Any]:
    index = json.loads((langflow_folder() / "lfx" / "_assets" / "component_index.json").read_text("utf-8"))
    return {name: component for _, group in index["entries"] for name, component in group.items()}


def component_names() -> list[str]:
    """All components of the pinned version."""
    return sorted(_components())


def node_of(kind: str, node_id: str, **values: object) -> dict[str, Any]:
    """A node of one of Langflow's components, with the given values in its fields."""
    component: dict[str, Any] = json.loads(json.dumps(_components()[kind]))
    for name, value in values.items():
        component["template"][name]["value"] = value
    return {"id": node_id, "type": "genericNode", "data": {"id": node_id, "type": kind, "node": component}}


def echo_flow(name: str = "Echo", *between: dict[str, Any]) -> dict[str, Any]:
    """A flow of a Chat Input, what is `between`, and a Chat Output, one after the other."""
    nodes = [node_of("ChatInput", "ChatInput-1"), *between, node_of("ChatOutput", "ChatOutput-1")]
    edges = [{"source": one["id"], "target": other["id"]} for one, other in pairwise(nodes)]
    return {"name": name, "description": "Says it again.", "data": {"nodes": nodes, "edges": edges}}


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
