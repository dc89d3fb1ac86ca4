"""The caller's agents, asked of the services that have them with the caller's own bearer (ADR 15)."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, cast
from uuid import uuid4

import aiohttp

from kgents_shared.http.client import ServiceClient
from kgents_shared.telemetry.correlation import CORRELATION_HEADER, correlation_id
from tool_registry_service.mcp_server.callers import Caller

_MOST_AGENTS = 1_000
_MOST_PAGES = 5
# The stream says something every 15 s.
_SILENT_S = 60.0
_CONNECT_S = 10.0
_LONGEST_LINE = 4 * 1024 * 1024


class AgentFault(Exception):
    """An agent gave no answer; the text says why."""


@dataclass(frozen=True, slots=True)
class OfferedAgent:
    """A published agent. `name` is `organisation~name` where it isn't the caller's own."""

    id: str
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event of a run: `run`, `step`, `delta`, …; `silence` where nothing new was said for a while."""

    name: str
    data: dict[str, Any]


class Agents(Protocol):
    """What an MCP client may do with agents."""

    async def published(self, caller: Caller) -> list[OfferedAgent]:
        """The caller's published agents. Raises `ApiError`."""
        ...

    def talk(self, caller: Caller, agent_id: str, body: Mapping[str, Any]) -> AsyncGenerator[RunEvent]:
        """Send a message and give the run's events. Raises `AgentFault`."""
        ...

    async def run(self, caller: Caller, run_id: str) -> dict[str, Any]:
        """One run as it is now. Raises `ApiError`."""
        ...


class HttpAgents:
    """Management and the runtime."""

    def __init__(self, management: ServiceClient, runtime: ServiceClient, runtime_url: str) -> None:
        self._management = management
        self._runtime = runtime
        self._runtime_url = runtime_url
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """Keep connections while the block runs."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), read_bufsize=_LONGEST_LINE) as session:
            self._session = session
            yield

    async def published(self, caller: Caller) -> list[OfferedAgent]:
        """The caller's published agents, and those of their organisations."""
        found: list[OfferedAgent] = []
        params: dict[str, str | list[str]] = {"status": "published", "limit": str(_MOST_AGENTS)}
        for _ in range(_MOST_PAGES):
            page = await self._management.request_json("GET", "/api/v1/agents", params=params, headers=_as(caller))
            found += [_offered(item) for item in cast("list[dict[str, Any]]", page["items"])]
            if page["next_cursor"] is None:
                break
            params["cursor"] = str(page["next_cursor"])
        return found

    async def run(self, caller: Caller, run_id: str) -> dict[str, Any]:
        """One run as it is now."""
        found = await self._runtime.request_json("GET", f"/api/v1/runs/{run_id}", headers=_as(caller))
        return cast("dict[str, Any]", found)

    async def talk(self, caller: Caller, agent_id: str, body: Mapping[str, Any]) -> AsyncGenerator[RunEvent]:
        """Send a message and give the run's events, the last of which says how it ended."""
        if self._session is None:
            raise RuntimeError("the session is not open")
        headers = {
            **_as(caller), CORRELATION_HEADER: correlation_id(), "Accept": "text/event-stream",
            "Idempotency-Key": uuid4().hex,
        }  # fmt: skip
        patience = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_SILENT_S)
        url = f"{self._runtime_url}/api/v1/agents/{agent_id}/message"
        try:
            async with self._session.post(
                url, json=dict(body), headers=headers, timeout=patience, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    problem = await answer.json(content_type=None)
                    raise AgentFault(_why(problem) or f"The runtime answered {answer.status}.")
                async for event in _events(answer.content):
                    yield event
        except (aiohttp.ClientError, TimeoutError, ValueError, AttributeError) as error:
            raise AgentFault("The runtime can't be reached right now; the run may go on.") from error


def _why(problem: Mapping[str, Any]) -> str:
    """What a problem says, with its faults: a model has nothing else to go by."""
    faults = cast("list[dict[str, Any]]", problem.get("errors") or [])
    detail = str(problem.get("detail") or "").removesuffix("; each is listed in errors.")
    return f"{detail}: {'; '.join(map(_fault, faults))}." if faults else detail


def _fault(fault: Mapping[str, Any]) -> str:
    place = ".".join(str(part) for part in fault.get("loc") or () if part != "body")
    hint = fault.get("hint")
    return f"{place}: {fault.get('msg')}" + (f" ({hint})" if hint else "")


async def _events(content: aiohttp.StreamReader) -> AsyncGenerator[RunEvent]:
    """Server-sent events as our runtime writes them: one `event` line, one `data` line; a comment is a silence."""
    name = "message"
    while line := await content.readline():
        text = line.decode().rstrip("\r\n")
        if text.startswith("event:"):
            name = text[6:].strip()
        elif text.startswith("data:"):
            yield RunEvent(name, cast("dict[str, Any]", json.loads(text[5:])))
        elif text.startswith(":"):
            yield RunEvent("silence", {})


def _as(caller: Caller) -> dict[str, str]:
    return {"Authorization": f"Bearer {caller.bearer}"}


def _offered(agent: Mapping[str, Any]) -> OfferedAgent:
    organisation = agent.get("organisation")
    name = f"{organisation}~{agent['name']}" if organisation else str(agent["name"])
    return OfferedAgent(str(agent["id"]), name, str(agent["draft"].get("description") or ""))
