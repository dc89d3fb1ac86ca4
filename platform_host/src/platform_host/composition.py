"""The services put together: provisioned, migrated, configured, and joined into the apps of the three listeners."""

from __future__ import annotations

import asyncio
import importlib
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import structlog

from kgents_shared.contracts.path_table import load_path_table
from kgents_shared.http.service import installed_services
from platform_host.dispatcher import Dispatcher
from platform_host.embedded.provision import provision
from platform_host.lifespans import RunningService
from platform_host.listeners import Listener
from platform_host.migrations import migrate
from platform_host.openapi_document import merged_openapi
from platform_host.pages import health_page, public_pages
from platform_host.private import PrivateRouter
from platform_host.process_table import ProcessRow, Role, process_row
from platform_host.service_settings import Surroundings, build_settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from pathlib import Path

    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from platform_host.config import HostSettings
    from platform_host.health_board import HealthBoard
    from platform_host.infrastructure import Infrastructure

_log = structlog.get_logger("kgents.host")
# Stopped from the back: workers before the front that they talk to, tokens last.
_PUBLIC_GRACE_S = 3
_FIRST_ALONE_S = 2.0
_ORDER = ("auth", "governance", "management", "tools", "runtime", "deployment", "nl")


class Composition:
    """Every service's app, by name, and what is made of them all."""

    def __init__(self, apps: Mapping[str, FastAPI], version: str) -> None:
        self._apps = dict(apps)
        self._version = version
        self._running = [RunningService(name, apps[name]) for name in sorted(apps, key=_rank)]

    async def open(self, board: HealthBoard) -> None:
        """Open auth, without whose tokens the others only wait and retry, then every other lifespan at once.

        Raises ServiceStartError for the first that fails; the others stay open.
        """
        for service in self._running:
            board.watch_service(service.name, service.app.state.health_probes)
        first, *others = self._running
        await first.start()
        await board.until_well(first.name, _FIRST_ALONE_S)
        outcomes = await asyncio.gather(*(service.start() for service in others), return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def closing_steps(self) -> list[tuple[str, Callable[[], Awaitable[None]]]]:
        """How each service is closed, in the order of starting."""
        return [(service.name, service.stop) for service in self._running]

    async def end_streams(self) -> None:
        """Have answers without an end end, so that no listener waits for them."""
        for app in self._apps.values():
            app.state.ending.set()

    def public_listener(self, board: HealthBoard, listening: socket.socket) -> Listener:
        """What people and programs reach."""
        app = Dispatcher(load_path_table(), self._apps, public_pages(board, self._document))
        return Listener(app, listening=listening, grace_s=_PUBLIC_GRACE_S)

    def private_listener(self, board: HealthBoard, listening: socket.socket) -> Listener:
        """What the services reach each other by."""
        return Listener(PrivateRouter(self._apps, {"/health": health_page(board)}), listening=listening)

    def door_listener(self, path: Path) -> Listener:
        """What the workers reach: the runtime's door on a Unix socket, with the state that the runtime's app has."""
        door = importlib.import_module("agent_runtime_service.door.app")
        return Listener(cast("ASGIApp", door.create_door_app(self._apps["runtime"])), unix_path=path)

    def processes(self) -> list[ProcessRow | None]:
        """The fork server and the workers, as the launcher knows them; none before it is there."""
        deployment = self._apps.get("deployment")
        launcher: Any = None if deployment is None else getattr(deployment.state, "launcher", None)
        if launcher is None:
            return []
        rows = cast("Iterable[Any]", launcher.processes())
        return [process_row(cast("Role", row.role), row.pid, row.state, row.agent) for row in rows]

    def _document(self) -> dict[str, Any]:
        return merged_openapi(self._apps, self._version)


class Composer:
    """Makes a composition of every service that is installed; making the composer imports them all."""

    def __init__(self) -> None:
        definitions = installed_services()
        self._services = [definitions[name] for name in sorted(definitions, key=_rank)]
        importlib.import_module("agent_runtime_service.door.app")

    async def compose(
        self, settings: HostSettings, infrastructure: Infrastructure, *, issuer: str, private_url: str
    ) -> Composition:
        """Make every service's app, its database ready and its settings built. Opens no lifespan yet.

        Raises ConfigError, psycopg.Error, OSError or what a migration raises.
        """
        began = time.monotonic()
        urls = await provision(
            infrastructure.admin_url,
            self._services,
            settings.paths.secrets,
            whole_server=infrastructure.embedded_database,
        )
        migrated = await migrate(self._services, urls, settings.paths.home / "state" / "migrations.json")
        around = Surroundings(
            settings=settings,
            issuer=issuer,
            private_url=private_url,
            nats_url=infrastructure.nats_url,
            nats_token=infrastructure.nats_token,
            database_urls=urls,
        )
        built = build_settings({each.name: each for each in self._services}, around)
        apps = {each.name: each.create_app(built[each.name]) for each in self._services}
        _log.info("services_made", migrated=migrated, seconds=round(time.monotonic() - began, 2))
        return Composition(apps, version("platform-host"))


def _rank(name: str) -> tuple[int, str]:
    return (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)
