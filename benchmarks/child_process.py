"""Programs of this repository as processes under measure, started and ended by the benchmark."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_START_WITHIN_S = 60.0
_STOP_WITHIN_S = 15.0


class StartFailed(Exception):
    """A program under measure did not start; the text ends with what it wrote."""


@contextlib.asynccontextmanager
async def python_module(
    module: str, *arguments: str, log: Path, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[tuple[int, dict[str, object]]]:
    """`python -m module` until the end of the block: its pid and the JSON object it tells on stdout when it listens.

    Its stderr goes to the file `log`. Raises StartFailed.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **(environment or {})},
            cwd=ROOT,
        )
    try:
        yield process.pid, await _first_line(process, module, log)
    finally:
        await end(process)


async def _first_line(process: asyncio.subprocess.Process, module: str, log: Path) -> dict[str, object]:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), _START_WITHIN_S)
        return json.loads(line)
    except (TimeoutError, ValueError) as error:
        raise StartFailed(f"{module} did not start: {last_lines(log)}") from error


async def end(process: asyncio.subprocess.Process) -> None:
    """SIGTERM, and SIGKILL for one that doesn't listen."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_WITHIN_S)
    except TimeoutError:
        process.kill()
        await process.wait()


def last_lines(log: Path, size: int = 2000) -> str:
    """The end of a log, for an error's text."""
    return log.read_text(encoding="utf-8", errors="replace")[-size:] if log.exists() else "(no log)"
