"""The real platform as a newcomer runs it: a host process of its own with a home and a port of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import httpx
import psutil

from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually

ROOT = Path(__file__).resolve().parents[2]
_NOT_PASSED_ON = ("OPENAI_", "ANTHROPIC_", "GOOGLE_", "OLLAMA_", "LOCALAI_", "KGENTS_")
# What a password's hash costs is for the auth service's own tests to check: here people log in by the dozen.
_CHEAP_PASSWORDS = {"AUTH_ARGON2_MEMORY_KIB": "64", "AUTH_ARGON2_ROUNDS": "1"}
_START_S = 180.0
_STOP_S = 90.0
_COMMAND_S = 180.0


def free_port() -> int:
    """A TCP port that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RunningPlatform:
    """`kgents up` below `home`. `start` and `kill_host` may be called again and again; `stop` ends it gracefully."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(_NOT_PASSED_ON)},
            "KGENTS_HOME": str(home),
            "KGENTS_PORT": str(self.port),
            **_CHEAP_PASSWORDS,
            **(environment or {}),
        }
        self.output = home.parent / f"{home.name}-host.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start the host and wait until it says that it is healthy."""
        with self.output.open("ab") as log:
            self._process = await asyncio.to_thread(self._spawn, log)
        await eventually(self._is_healthy, timeout=_START_S, interval=0.05, describe="the platform is healthy")

    def _spawn(self, log: Any) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-m", "platform_host", "up"]
        return subprocess.Popen(argv, env=self.environment, stdout=log, stderr=log, cwd=ROOT)

    async def _is_healthy(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the host ended: {self.output.read_text()[-2000:]}")
        async with httpx.AsyncClient(timeout=60, verify=PLAIN) as client:
            try:
                answer = await client.get(f"{self.url}/health", timeout=5)
            except httpx.TransportError:
                return False
        return answer.status_code == 200

    async def stop(self) -> int:
        """SIGTERM, wait, and give the exit code."""
        if self._process is None:
            raise RuntimeError("the platform was not started")
        self._process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(self._process.wait, _STOP_S)
        self._process = None
        return code

    async def kill_host(self) -> None:
        """SIGKILL the host process alone."""
        if self._process is None:
            raise RuntimeError("the platform was not started")
        self._process.kill()
        await asyncio.to_thread(self._process.wait, _STOP_S)
        self._process = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            await self.stop()

    async def cli(
        self, *arguments: str, stdin: str | None = None, token: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the command line against this platform, as the admin or with another's token."""
        argv = [sys.executable, "-m", "kgents_cli", *arguments]
        return await asyncio.to_thread(
            subprocess.run,
            argv,
            env=self.environment | ({} if token is None else {"KGENTS_TOKEN": token}),
            cwd=self.home.parent,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_COMMAND_S,
            check=False,
        )

    async def processes(self, role: str | None = None) -> list[dict[str, Any]]:
        """The rows of `server status --json`, of one role if given."""
        answer = await self.cli("server", "status", "--json")
        if answer.returncode != 0:
            raise AssertionError(f"server status: {answer.returncode}: {answer.stderr}")
        rows = cast("list[dict[str, Any]]", json.loads(answer.stdout)["processes"])
        return [row for row in rows if role is None or row["role"] == role]

    async def kill(self, role: str) -> int:
        """SIGKILL one process of a role, waiting for one if the last was killed just now; gives its pid."""

        async def running() -> list[int]:
            return [int(row["pid"]) for row in await self.processes(role) if row["pid"]]

        pids = await eventually(running, timeout=_START_S, interval=0.1, describe=f"a {role} process runs")
        os.kill(pids[0], signal.SIGKILL)
        return pids[0]

    def leftovers(self) -> list[str]:
        """Command lines of processes that still have something of this home open, in their arguments or environment."""
        mark = str(self.home)
        found: list[str] = []
        for process in psutil.process_iter():
            try:
                seen = [*process.cmdline(), process.cwd(), *process.environ().values()]
            except (psutil.Error, OSError):
                continue
            if process.pid != os.getpid() and process.status() != psutil.STATUS_ZOMBIE and mark in "\n".join(seen):
                found.append(" ".join(process.cmdline()))
        return found

    async def token(self) -> str:
        """An access token of the first-boot admin."""
        admin = json.loads((self.home / "secrets" / "admin.json").read_text())
        body = {"email": admin["email"], "password": admin["password"]}
        async with httpx.AsyncClient(base_url=self.url, timeout=60, verify=PLAIN) as client:
            answer = await client.post("/api/v1/auth/login", json=body, timeout=60)
        answer.raise_for_status()
        return str(answer.json()["access_token"])

    async def client(self) -> httpx.AsyncClient:
        """An HTTP client with the admin's token; the caller closes it."""
        headers = {"Authorization": f"Bearer {await self.token()}"}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60, verify=PLAIN)


async def publish_agent(client: httpx.AsyncClient, name: str, **spec: Any) -> dict[str, Any]:
    """Create and publish an agent and wait until it answers."""
    body = {"name": name, "system_prompt": "Answer briefly.", **spec}
    answer = await client.post("/api/v1/agents", json=body, params={"publish": "true"})
    if answer.status_code != 201:
        raise AssertionError(f"create {name}: {answer.status_code} {answer.text}")

    async def ready() -> bool:
        listed = await client.get(f"/api/v1/agents/{name}/deployments")
        if listed.status_code != 200:
            return False
        return any(instance["state"] == "ready" for row in listed.json()["items"] for instance in row["instances"])

    await eventually(ready, timeout=_START_S, describe=f"{name} is ready", retry_on=(httpx.TransportError,))
    return cast("dict[str, Any]", answer.json())
