"""A process that has the worker imported and forks one per request, so that a test's worker starts in milliseconds.

`python -m tests.external.worker_nursery` reads lines `{"config": <WorkerConfig>, "log": <path>}` and answers each with
the pid. It stands where the deployment service's fork server does, without the sandbox.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Self

from agent_worker.main import serve
from kgents_shared.contracts.worker import WorkerConfig

ROOT = Path(__file__).resolve().parents[2]


class WorkerNursery:
    """The test's side of it."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def start_worker(self, config: WorkerConfig, log: Path) -> int:
        """Fork a worker; its pid."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        line = json.dumps({"config": config.model_dump(mode="json"), "log": str(log)})
        async with self._lock:
            process.stdin.write(line.encode() + b"\n")
            await process.stdin.drain()
            return int(await process.stdout.readline())

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.external.worker_nursery",
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1024 * 1024,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()


def main() -> None:
    """Fork until standard input ends, then end the children that are left."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: a test asks whether a pid is still there
    children: list[int] = []
    for line in sys.stdin:
        request = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become_worker(WorkerConfig.model_validate(request["config"]), Path(request["log"]))
        children.append(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _become_worker(config: WorkerConfig, log: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with log.open("ab") as file:
        os.dup2(file.fileno(), 2)
    os.close(0)
    code = 1
    try:
        serve(config)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
