"""The same sandbox for an ordinary user, and what is left of it where the kernel gives no namespaces."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parent / "workers" / "ordinary_user.py"
AS_ORDINARY_USER = ["unshare", "--user", "--map-user=1000", "--map-group=1000"]
WITHOUT_NAMESPACES = [
    *("unshare", "--user", "--map-root-user", "sh", "-c"),
    'echo 0 > /proc/sys/user/max_user_namespaces; exec setpriv --bounding-set -all --inh-caps -all "$@"',
    "sh",
]
NAMESPACES = {
    "user_namespace",
    "mount_namespace",
    "network_namespace",
    "ipc_namespace",
    "host_name_namespace",
    "pid_namespace",
    "own_read_only_root",
}
pytestmark = pytest.mark.skipif(
    not (shutil.which("unshare") and shutil.which("setpriv")), reason="util-linux changes the user for these"
)


async def told_by(prefix: list[str], home: Path) -> tuple[dict[str, Any], str]:
    """What the script printed, and what it logged."""
    process = await asyncio.create_subprocess_exec(
        *prefix,
        sys.executable,
        str(SCRIPT),
        str(home),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    logged, _, answer = output.decode().rpartition("\n")
    assert process.returncode == 0, output.decode()
    return json.loads(answer), logged


async def test_for_an_ordinary_user_every_wall_stands_as_well(short_folder: Callable[[], Path]):
    told, logged = await told_by(AS_ORDINARY_USER, short_folder())
    assert told["uid"] == 1000
    assert set(told["off"]) <= {"memory_control_group", "process_control_group"}
    assert told["answers"] == {
        "who": {"result": 1000},
        "host_files": {"error": "FileNotFoundError"},
        "network": {"error": "OSError"},
        "vsock": {"error": "PermissionError"},
        "home": {"error": "FileNotFoundError"},
        "secret": {"error": "FileNotFoundError"},
        "scratch": {"result": "written"},
        "exec": {"error": "PermissionError"},
    }
    assert logged == ""


async def test_without_namespaces_a_warning_is_loud_none_is_claimed_and_the_filters_still_hold(
    short_folder: Callable[[], Path],
):
    told, logged = await told_by(WITHOUT_NAMESPACES, short_folder())
    assert "agents_are_not_isolated" in logged
    assert set(told["off"]) >= NAMESPACES
    refused = {"error": "PermissionError"}
    answers = told["answers"]
    assert {name: answers[name] for name in ("host_files", "network", "vsock", "secret", "scratch", "exec")} == {
        "host_files": refused,
        "network": refused,
        "vsock": refused,
        "secret": refused,
        "scratch": refused,
        "exec": refused,
    }
