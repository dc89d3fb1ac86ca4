"""The real worker, after real messages: no provider key, no database address, no bus in its memory or environment."""

from __future__ import annotations

import os
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from kgents_shared.testing.polling import eventually
from tests.e2e.conftest import MODEL_KEY
from tests.e2e.running_platform import RunningPlatform, publish_agent

_CHUNK = 1 << 20


def writable_memory(pid: int) -> bytes:
    """Everything that the process could have written down: its private, writable regions."""
    found: list[bytes] = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text("ascii").splitlines():
            place, rights, *_ = line.split()
            if not rights.startswith("rw") or line.endswith(("[vvar]", "[vsyscall]")):
                continue
            start, end = (int(part, 16) for part in place.split("-"))
            memory.seek(start)
            left = end - start
            while left > 0 and (part := memory.read(min(left, _CHUNK))):
                found.append(part)
                left -= len(part)
    return b"".join(found)


def canaries_of(platform: RunningPlatform) -> dict[str, bytes]:
    """What must be nowhere in a worker: each secret of the home, the provider's key, any database address."""
    folder = platform.home / "secrets"
    secrets = {path.name: path.read_bytes().strip() for path in folder.iterdir() if path.is_file()}
    return {"the provider's key": MODEL_KEY.encode(), "a database address": b"postgresql://", **secrets}


def environment_of(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


async def test_the_real_worker_has_no_secret_in_memory_or_environment(
    client: httpx.AsyncClient, platform: RunningPlatform
):
    if os.geteuid() != 0:
        pytest.skip("reading another process's memory needs root on this machine")
    name = f"agent-{uuid4().hex[:10]}"
    await publish_agent(client, name)
    marker = f"a text that it must know {uuid4().hex}"
    answer = await client.post(f"/agents/{name}/message", json={"text": marker})
    assert answer.status_code == 200, answer.text

    async def pids() -> list[int]:
        return [int(row["pid"]) for row in await platform.processes("worker") if row["agent"] == name]

    pid = (await eventually(pids, describe="its worker is listed"))[0]
    memory = writable_memory(pid)
    assert marker.encode() in memory, "the scan reads what the worker holds"
    for what, canary in canaries_of(platform).items():
        assert canary not in memory, what
        assert canary not in environment_of(pid), what
