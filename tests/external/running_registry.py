"""A tool registry that answers in this process, and one owner to ask it as."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx
from fastapi import FastAPI
from pydantic import SecretStr

from kgents_shared.contracts.policies import FedPolicy, PolicyPage
from kgents_shared.errors import Unavailable
from kgents_shared.testing.tokens import TokenIssuer
from tests.external.scripted_mcp import ScriptedServer
from tool_registry_service.main import create_app
from tool_registry_service.settings import ToolsSettings

JsonObject = dict[str, Any]
SECRET = "for-tests-only"


@dataclass(slots=True)
class RunningRegistry:
    """The app and a client of it; `owner` has nothing yet. `policies` are what governance tells, change by change."""

    app: FastAPI
    http: httpx.AsyncClient
    issuer: TokenIssuer
    policies: list[FedPolicy]
    owner: str = field(default_factory=lambda: f"owner-{uuid.uuid4().hex}")

    def as_runtime(self) -> dict[str, str]:
        """The headers of the runtime's calls."""
        return self.issuer.service("runtime", "tools")

    async def ask(self, method: str, path: str, body: Any = None, *, owner: str | None = None) -> httpx.Response:
        """A request of a person: the registry's owner, or another."""
        return await self.http.request(method, path, json=body, headers=self.issuer.person(owner or self.owner))

    async def register(self, name: str, **reached: Any) -> JsonObject:
        """Register a server that must be taken. Unless something else is said, its tools act where it can be undone."""
        answer = await self.ask("POST", "/api/v1/mcp-servers", {"name": name, "side_effect": "write", **reached})
        assert answer.status_code == 201, answer.text
        return cast("JsonObject", answer.json())

    async def register_http(self, server: ScriptedServer, name: str = "scripted", **said: Any) -> JsonObject:
        """Register the scripted server over HTTP."""
        return await self.register(name, transport="streamable_http", url=server.url, **said)

    async def register_stdio(self, name: str = "scripted", command: str = "scripted") -> JsonObject:
        """Register a server from the operator's list."""
        return await self.register(name, transport="stdio", command=command)

    async def tool(self, name: str) -> JsonObject:
        """One tool as its owner sees it."""
        answer = await self.ask("GET", f"/api/v1/tools/{name}")
        assert answer.status_code == 200, answer.text
        return cast("JsonObject", answer.json())

    def call_body(self, tool: str, arguments: JsonObject | None = None, **changes: Any) -> JsonObject:
        """A call as the runtime makes it, with a key of its own unless one is given."""
        body: JsonObject = {
            "owner_id": self.owner,
            "principal": self.owner,
            "agent_id": str(uuid.uuid4()),
            "run_id": str(uuid.uuid4()),
            "tool_call_id": "call_1",
            "idempotency_key": uuid.uuid4().hex,
            "name": tool,
            "arguments": arguments or {},
            "allow": ["*"],
            "deny": [],
        }
        return body | changes

    async def send(self, body: JsonObject) -> httpx.Response:
        """A call as the runtime sends it."""
        return await self.http.post("/internal/tools/invoke", json=body, headers=self.as_runtime(), timeout=60)

    async def invoke(self, tool: str, arguments: JsonObject | None = None, **changes: Any) -> JsonObject:
        """The result of a call."""
        answer = await self.send(self.call_body(tool, arguments, **changes))
        assert answer.status_code == 200, answer.text
        return cast("JsonObject", answer.json())


@asynccontextmanager
async def running_registry(
    database_url: str, *, governance_is_away: bool = False, **changes: Any
) -> AsyncGenerator[RunningRegistry]:
    """A registry of its own on a migrated database; `changes` are settings."""
    given: JsonObject = {
        "database_url": SecretStr(database_url),
        "nats_url": "nats://127.0.0.1:1",
        "client_secret": SecretStr(SECRET),
        "ssrf_allowed_hosts": ["127.0.0.1"],
    }
    issuer = TokenIssuer()
    policies: list[FedPolicy] = []

    async def read(after: int, _: float) -> PolicyPage:
        if governance_is_away:
            raise Unavailable("not now")
        return PolicyPage(position=len(policies), more=False, items=tuple(policies[after:]))

    app = create_app(ToolsSettings.model_validate(given | changes), identity=issuer.identity, policies=read)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tools") as http,
    ):
        yield RunningRegistry(app, http, issuer, policies)
