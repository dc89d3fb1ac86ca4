"""A runtime in a process of its own, to be killed: `python -m tests.external.runtime_process`, settings on stdin."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, Self

from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.auth import StaticKeySource
from kgents_shared.telemetry.logs import configure_logging
from kgents_shared.testing.tokens import TokenIssuer, only_keys

ROOT = Path(__file__).resolve().parents[2]


class RuntimeProcess:
    """The test's side: `url` once it is started; `kill()` is `kill -9`; `start()` again takes the same door."""

    def __init__(self, settings: RuntimeSettings, issuer: TokenIssuer, door_path: Path) -> None:
        values: dict[str, Any] = settings.model_dump(mode="json")
        for name in ("database_url", "nats_token", "client_secret", "openai_api_key"):
            secret = getattr(settings, name)
            values[name] = secret.get_secret_value() if secret is not None else None
        self._request = {"settings": values, "jwks": issuer.jwks, "door": str(door_path)}
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.external.runtime_process",
            cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        self._process = process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(self._request).encode())
        process.stdin.close()
        line = await asyncio.wait_for(process.stdout.readline(), 60)
        self.url = json.loads(line)["url"]

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it that way and wait for its end."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
            await self._process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.kill()


async def _serve(request: dict[str, Any]) -> None:
    from tests.external.running_runtime import running_front  # noqa: PLC0415 -- the test's side needs none of it

    configure_logging(as_json=True)
    settings = RuntimeSettings.model_validate(request["settings"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running_front(settings, only_keys(StaticKeySource(request["jwks"])), Path(request["door"])) as front:
        sys.stdout.write(json.dumps({"url": front.url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(_serve(json.load(sys.stdin)))
