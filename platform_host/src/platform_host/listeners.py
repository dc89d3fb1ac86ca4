"""What listens: an address and the app behind it, served by uvicorn in the host's own loop."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from platform_host.connection import BoundedConnection
from platform_host.sockets import BACKLOG

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator
    from pathlib import Path

    from starlette.types import ASGIApp

_KEEP_ALIVE_S = 75


class _QuietServer(uvicorn.Server):
    """uvicorn without its signal handlers: the host decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Listener:
    """One address and the app behind it. `grace_s`: how long requests may go on once it is told to stop."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        listening: socket.socket | None = None,
        unix_path: Path | None = None,
        grace_s: int = 5,
    ) -> None:
        self._socket = listening
        self._unix_path = unix_path
        self._server = _QuietServer(
            uvicorn.Config(
                app,
                uds=None if unix_path is None else str(unix_path),
                http=BoundedConnection,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=_KEEP_ALIVE_S,
                timeout_graceful_shutdown=grace_s,
                backlog=BACKLOG,
            )
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Serve; returns once connections are accepted. Raises OSError where a Unix socket can't be made."""
        if self._unix_path is not None:
            self._unix_path.unlink(missing_ok=True)
        sockets = None if self._socket is None else [self._socket]
        self._task = asyncio.create_task(self._server.serve(sockets=sockets))
        while not self._server.started:
            if self._task.done():
                await self._task
                raise OSError("the listener ended while starting")
            await asyncio.sleep(0.001)

    async def stop(self) -> None:
        """Take no more connections, let requests end within the grace, then cut them off."""
        if self._task is None:
            if self._socket is not None:
                self._socket.close()
            return
        self._server.should_exit = True
        await self._task
        self._task = None
        if self._unix_path is not None:
            self._unix_path.unlink(missing_ok=True)
