"""A worker for tests: answers `GET /health`, and runs the Python that is posted to it, inside its sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import signal
import sys
import traceback
from typing import Any

from kgents_shared.contracts.worker import WorkerConfig


def serve(config: WorkerConfig) -> None:
    """The entry point that the fork server calls."""
    asyncio.run(_serve(config))


async def _serve(config: WorkerConfig) -> None:
    if config.spec.system_prompt == "crash at once":
        sys.stderr.write("I was told to crash\n")
        os._exit(3)
    ended = asyncio.Event()
    if config.spec.system_prompt != "never ends by itself":
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    else:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if config.spec.system_prompt != "never healthy":
        path = config.listen.removeprefix("unix:")
        await asyncio.start_unix_server(lambda reader, writer: _answer(config, reader, writer), path)
    sys.stderr.write(f"worker of {config.agent_name} listens\n")
    sys.stderr.flush()
    await ended.wait()


async def _answer(config: WorkerConfig, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    method = head.split(" ", 1)[0]
    if method == "GET":
        body = json.dumps({"status": "ok", "agent": config.agent_name, "version": config.version})
    else:
        size = next(int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length"))
        body = json.dumps(_run((await reader.readexactly(size)).decode(), config))
    data = body.encode()
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(data), data))
    with contextlib.suppress(ConnectionError):
        await writer.drain()
    writer.close()


def _run(source: str, config: WorkerConfig) -> dict[str, Any]:
    """`{"result": …}` of the script's variable `result`, or `{"error": class name, "text": …}`."""
    scope: dict[str, Any] = {"config": config, "result": None}
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            exec(source, scope)  # noqa: S102  running a hostile script is what this worker is for
    except BaseException as error:  # noqa: BLE001  the script's fault, of whatever kind, is its result
        return {
            "error": type(error).__name__,
            "errno": getattr(error, "errno", None),
            "text": traceback.format_exc(),
        }
    return {"result": scope["result"]}
