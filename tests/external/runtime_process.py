"""Runtimes in processes of their own, to be killed, out of one that has the runtime imported.

`python -m tests.external.runtime_process` is that one. A front tells where it listens in a file beside its door.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import Any, Self

from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.auth import StaticKeySource
from kgents_shared.telemetry.logs import configure_logging
from kgents_shared.testing.polling import eventually
from kgents_shared.testing.tokens import TokenIssuer, only_keys
from tests.external.nursery import Nursery, Request, fork_for_each_line, is_alive
from tests.external.running_runtime import running_front


class FrontNursery(Nursery):
    """What fronts are forked from."""

    def __init__(self) -> None:
        super().__init__("tests.external.runtime_process")


class RuntimeProcess:
    """The test's side: `url` once it is started; `kill()` is `kill -9`; `start()` again takes the same door."""

    def __init__(self, nursery: FrontNursery, settings: RuntimeSettings, issuer: TokenIssuer, door_path: Path) -> None:
        values: dict[str, Any] = settings.model_dump(mode="json")
        for name in ("database_url", "nats_token", "client_secret", "openai_api_key"):
            secret = getattr(settings, name)
            values[name] = secret.get_secret_value() if secret is not None else None
        self._nursery = nursery
        self._url_path = door_path.with_suffix(".url")
        self._request: Request = {
            "settings": values, "jwks": issuer.jwks, "door": str(door_path), "url": str(self._url_path)
        }  # fmt: skip
        self._pid: int | None = None
        self.url = ""

    async def start(self) -> None:
        """Start the process and wait until it listens."""
        self._url_path.unlink(missing_ok=True)
        self._pid = await self._nursery.fork(self._request)
        await eventually(self._url_path.exists, describe="the front listens")
        self.url = self._url_path.read_text("utf-8")

    async def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """End it that way and wait for its end."""
        if self._pid is not None:
            pid, self._pid = self._pid, None
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            await eventually(lambda: not is_alive(pid), describe="the front ends")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.kill()


async def _serve(request: Request) -> None:
    configure_logging(as_json=True)
    settings = RuntimeSettings.model_validate(request["settings"])
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running_front(settings, only_keys(StaticKeySource(request["jwks"])), Path(request["door"])) as front:
        _tell(Path(request["url"]), front.url)
        await stop.wait()


def _tell(path: Path, url: str) -> None:
    """Whole, or not at all."""
    draft = path.with_suffix(".draft")
    draft.write_text(url, "utf-8")
    draft.rename(path)


if __name__ == "__main__":
    fork_for_each_line(lambda request: asyncio.run(_serve(request)))
