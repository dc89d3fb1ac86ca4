"""How the parts are: asked in the background, so that `/health` answers at once, whatever hangs."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from kgents_shared.http.app import Probe

Phase = Literal["starting", "ready", "stopping"]
_ROUND_S = 1.0
_FIRST_ROUNDS_S = 0.05
_FIRST_LOOK_S = 0.01
_PATIENCE_S = 2.0
_log = structlog.get_logger("kgents.host")


class HealthBoard:
    """Collects the health of servers (asked at once, they know) and of services (probed once a second)."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._began = time.monotonic()
        self._servers: dict[str, Callable[[], str]] = {}
        self._probes: dict[str, Mapping[str, Probe]] = {}
        self._parts: dict[str, dict[str, bool]] = {}
        self.phase: Phase = "starting"

    def watch_server(self, name: str, state: Callable[[], str]) -> None:
        """Show what `state` says; "ready" is well."""
        self._servers[name] = state

    def watch_service(self, name: str, probes: Mapping[str, Probe]) -> None:
        """Ask a service's probes (part → whether it answers); the mapping may grow later."""
        self._probes[name] = probes

    async def run(self) -> None:
        """Probe every service, again and again, more often until all were well once; endless."""
        settled = False
        while True:
            await self.probe()
            settled = settled or self.healthy
            await asyncio.sleep(_ROUND_S if settled else _FIRST_ROUNDS_S)

    async def until_well(self, name: str, within_s: float) -> None:
        """Wait until every part of the service answers, but no longer than `within_s`."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while not all((await self._probe_service(self._probes[name])).values()):  # noqa: ASYNC110 - probes are asked
                    await asyncio.sleep(_FIRST_LOOK_S)

    async def probe(self) -> None:
        """One round: every probe of every service at once, each with a limit."""
        names = list(self._probes)
        rounds = await asyncio.gather(*(self._probe_service(self._probes[name]) for name in names))
        for name, parts in zip(names, rounds, strict=True):
            if self._parts.get(name, parts) != parts:
                report = _log.info if all(parts.values()) else _log.warning
                report("health_changed", service=name, parts=parts)
            self._parts[name] = parts

    async def _probe_service(self, probes: Mapping[str, Probe]) -> dict[str, bool]:
        names = list(probes)
        answers = await asyncio.gather(*(self._ask(probes[name]) for name in names))
        return dict(zip(names, answers, strict=True))

    async def _ask(self, probe: Probe) -> bool:
        try:
            return await asyncio.wait_for(probe(), _PATIENCE_S)
        except Exception as error:  # noqa: BLE001 - whatever a probe raises means that its part is not well
            _log.debug("probe_failed", error=repr(error))
            return False

    @property
    def healthy(self) -> bool:
        """Whether the host is up and every part is well."""
        return (
            self.phase == "ready"
            and all(state() == "ready" for state in self._servers.values())
            and all(name in self._parts and all(self._parts[name].values()) for name in self._probes)
        )

    def document(self) -> dict[str, Any]:
        """The answer of `/health`: status ok, degraded, starting or stopping, and each part's own."""
        status = self.phase if self.phase != "ready" else "ok" if self.healthy else "degraded"
        servers = {name: {"status": "ok" if state() == "ready" else state()} for name, state in self._servers.items()}
        services = {name: self._service_row(name) for name in self._probes}
        return {
            "status": status,
            "version": self._version,
            "uptime_s": round(time.monotonic() - self._began, 1),
            "parts": {**servers, **services},
        }

    def _service_row(self, name: str) -> dict[str, Any]:
        parts = self._parts.get(name)
        if parts is None:
            return {"status": "starting", "parts": {}}
        return {"status": "ok" if all(parts.values()) else "degraded", "parts": parts}
