"""The servers below the services: PostgreSQL and NATS of our own, or those that DATABASE_URL and NATS_URL name."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from platform_host.embedded.nats import EmbeddedNats
from platform_host.embedded.postgres import EmbeddedPostgres
from platform_host.process_table import ProcessRow, Role, process_row

if TYPE_CHECKING:
    from platform_host.config import HostSettings
    from platform_host.embedded.supervisor import SupervisedServer
    from platform_host.health_board import HealthBoard

_log = structlog.get_logger("kgents.host")


class Infrastructure:
    """Both servers. Addresses are to be had once `start` returned."""

    def __init__(self, settings: HostSettings) -> None:
        paths = settings.paths
        self._settings = settings
        self._postgres = (
            EmbeddedPostgres(paths.home / "postgres", log_path=paths.logs / "postgres.log")
            if settings.database_url is None
            else None
        )
        self._nats = (
            EmbeddedNats(paths.home / "nats", log_path=paths.logs / "nats.log") if settings.nats_url is None else None
        )

    @property
    def embedded_database(self) -> bool:
        """Whether the database server is ours alone."""
        return self._postgres is not None

    @property
    def admin_url(self) -> str:
        """The database administrator's URL."""
        if self._postgres is not None:
            return self._postgres.url
        return "" if self._settings.database_url is None else self._settings.database_url.get_secret_value()

    @property
    def nats_url(self) -> str:
        """Where NATS is."""
        return self._nats.url if self._nats is not None else self._settings.nats_url or ""

    @property
    def nats_token(self) -> str | None:
        """What NATS wants to be shown, if anything."""
        if self._nats is not None:
            return self._nats.token
        return None if self._settings.nats_token is None else self._settings.nats_token.get_secret_value()

    async def start(self) -> None:
        """Start both at once. Raises an ExceptionGroup of EmbeddedStartError and OSError."""
        async with asyncio.TaskGroup() as group:
            for server in self._servers:
                group.create_task(self._start(server))

    async def stop(self) -> None:
        """Stop both at once."""
        await asyncio.gather(*(server.stop() for server in self._servers))

    def watch(self, board: HealthBoard) -> None:
        """Show the servers' states on `board`."""
        for server in self._servers:
            board.watch_server(server.role, lambda server=server: server.state)

    def processes(self) -> list[ProcessRow | None]:
        """A row for each server's own process."""
        roles: dict[str, Role] = {"postgres": "postgres", "nats": "nats"}
        return [process_row(roles[server.role], server.pid, server.state) for server in self._servers]

    def ports(self) -> dict[str, int]:
        """Each server's port."""
        return {server.role: server.port for server in self._servers}

    @property
    def _servers(self) -> list[SupervisedServer]:
        return [server for server in (self._postgres, self._nats) if server is not None]

    async def _start(self, server: SupervisedServer) -> None:
        began = time.monotonic()
        await server.start()
        _log.info("server_ready", server=server.role, port=server.port, seconds=round(time.monotonic() - began, 2))
