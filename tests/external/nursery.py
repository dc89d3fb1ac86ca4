"""A process that has something imported and forks a child per request, so that a test's process starts in milliseconds.

`python -m <a module that calls fork_for_each_line>` reads lines of JSON and answers each with the child's pid.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
Request = dict[str, Any]


class Nursery:
    """The test's side of it; `module` says what the children become."""

    def __init__(self, module: str) -> None:
        self._module = module
        self._process: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()

    async def fork(self, request: Request) -> int:
        """Fork a child for this request; its pid."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        async with self._lock:
            process.stdin.write(json.dumps(request).encode() + b"\n")
            await process.stdin.drain()
            return int(await process.stdout.readline())

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self._module,
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()


def is_alive(pid: int) -> bool:
    """Whether the process is there; one of a nursery's leaves no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def fork_for_each_line(become: Callable[[Request], None]) -> None:
    """Fork until standard input ends, then end the children that are left."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies: a test asks whether a pid is still there
    children: list[int] = []
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _become(become, json.loads(line))
        children.append(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in children:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _become(become: Callable[[Request], None], request: Request) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.close(0)
    code = 1
    try:
        become(request)
        code = 0
    finally:
        os._exit(code)
