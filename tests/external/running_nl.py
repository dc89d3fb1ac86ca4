"""The service that drafts agents, beside a real management service, a real runtime, and a model server behind that.

What auth and the tool registry answer is said here: a token for whoever asks, and the tools that a test names.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx
from aiohttp import web
from fastapi import FastAPI
from jose import jwt
from pydantic import SecretStr

from agent_management_service import main as management
from agent_management_service.settings import ManagementSettings
from agent_runtime_service import main as runtime
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.tokens import TokenIssuer
from nl_agent_service.main import SERVICE, create_app
from nl_agent_service.settings import NlSettings
from tests.external.running_runtime import serving

MigratedDatabase = Callable[[Any], Awaitable[str]]
GOOD: dict[str, Any] = {
    "name": "poet",
    "description": "Writes short poems.",
    "system_prompt": "You write poems of four lines.",
    "capabilities": ["poems"],
    "tools": {"allow": [], "deny": []},
    "limits": {"max_steps": None, "timeout_s": None},
    "llm": {"temperature": None},
}
SCENARIO: dict[str, Any] = {
    "name": "a poem",
    "turn": [{"user": "A poem on rain", "expect": {"contains": ["rain"], "lacks": ["prose"]}}],
}


def draft(*scenarios: dict[str, Any], **changes: Any) -> str:
    """What a model answers that drafts an agent of a name of its own."""
    name = f"poet-{uuid4().hex[:10]}"
    return json.dumps({"agent": {**GOOD, "name": name, **changes}, "scenarios": list(scenarios)})


@dataclass
class Siblings:
    """Auth's token endpoint, the registry's two lists and what the deployer runs, on one port.

    `tools` are every owner's; `no_flows` is why no flow runs, if none does.
    """

    issuer: TokenIssuer
    tools: dict[str, str] = field(default_factory=dict[str, str])
    no_flows: str | None = None
    url: str = ""

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v1/auth/token", self._token)
        app.router.add_post("/internal/credentials/resolve", self._no_credential)
        app.router.add_get("/api/v1/tools", self._list)
        app.router.add_get("/internal/tools/known", self._known)
        app.router.add_get("/internal/shells/Langflow", self._shell)
        return app

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        bearer = self.issuer.service(str(form["client_id"]), str(form["audience"]))["Authorization"]
        return web.json_response({"access_token": bearer.removeprefix("Bearer "), "expires_in": 900})

    async def _no_credential(self, _: web.Request) -> web.Response:
        problem = {"status": 404, "code": "credential_not_found", "detail": "There is no such credential."}
        return web.json_response(problem, status=404, content_type="application/problem+json")

    async def _list(self, request: web.Request) -> web.Response:
        owner = self.issuer_of(request)
        rows = [
            {"name": name, "description": f"{name} of theirs.", "owner_id": owner, "state": state}
            for name, state in self.tools.items()
        ]
        return web.json_response({"items": rows, "next_cursor": None})

    async def _known(self, _: web.Request) -> web.Response:
        return web.json_response({"tools": [{"name": name, "state": state} for name, state in self.tools.items()]})

    async def _shell(self, _: web.Request) -> web.Response:
        return web.json_response({"why_not": self.no_flows})

    @staticmethod
    def issuer_of(request: web.Request) -> str:
        """The subject of the bearer that came along."""
        token = request.headers["Authorization"].removeprefix("Bearer ")
        return str(jwt.get_unverified_claims(token)["sub"])


@dataclass
class Nl:
    """The running service and a person who uses it."""

    http: httpx.AsyncClient
    agents: httpx.AsyncClient
    issuer: TokenIssuer
    siblings: Siblings
    model: ModelServer
    database_url: str
    app: FastAPI
    owner: str = field(default_factory=lambda: f"owner-{uuid4().hex}")

    def headers(self, owner: str | None = None, **claims: Any) -> dict[str, str]:
        return self.issuer.person(owner or self.owner, **claims)

    async def ask(self, text: str = "A poet", *, headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """A request for an agent, whatever comes of it."""
        params = body.pop("params", None)
        given = {"description": text, **body}
        return await self.http.post(
            "/api/v1/nl/agents", json=given, params=params, headers={**self.headers(), **(headers or {})}
        )

    async def drafted(self, text: str = "A poet", **body: Any) -> dict[str, Any]:
        """A request that must make an agent."""
        answer = await self.ask(text, **body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def fails(self, status: int, code: str, text: str = "A poet", **body: Any) -> dict[str, Any]:
        """A request that must be refused so."""
        answer = await self.ask(text, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        return answer.json()

    async def stored(self, draft_id: str, owner: str | None = None) -> httpx.Response:
        """A drafting as its owner, or another, reads it."""
        return await self.http.get(f"/api/v1/nl/agents/{draft_id}", headers=self.headers(owner))

    async def agent(self, name: str) -> dict[str, Any]:
        """An agent of the owner's at the management service."""
        answer = await self.agents.get(f"/api/v1/agents/{name}", headers=self.headers())
        assert answer.status_code == 200, answer.text
        return answer.json()


@asynccontextmanager
async def running_nl(migrated_database: MigratedDatabase, nats_server: Any, issuer: TokenIssuer) -> AsyncGenerator[Nl]:
    """The services on ports of their own."""
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        model = await enter(ModelServer())
        siblings = Siblings(issuer)
        runner = web.AppRunner(siblings.app(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        siblings.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        common: dict[str, Any] = {
            "nats_url": nats_server.url,
            "nats_token": SecretStr(nats_server.token),
            "client_secret": SecretStr("for-this-test-only"),
            "auth_url": siblings.url,
            "tools_url": siblings.url,
            "deployment_url": siblings.url,
        }

        async def serve(app: Any) -> str:
            server = await enter(serving(app, host="127.0.0.1", port=0))
            return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"

        of_agents = ManagementSettings(
            database_url=SecretStr(await migrated_database(management.SERVICE)), most_steps=50, **common
        )
        common["management_url"] = await serve(management.create_app(of_agents, identity=issuer.identity))
        of_runs = RuntimeSettings(
            database_url=SecretStr(await migrated_database(runtime.SERVICE)),
            openai_base_url=model.base_url,
            openai_api_key=None,
            default_model="fake-model",
            **common,
        )
        common["runtime_url"] = await serve(runtime.create_app(of_runs, identity=issuer.identity))
        database_url = await migrated_database(SERVICE)
        settings = NlSettings(database_url=SecretStr(database_url), timeout_s=20, model_timeout_s=2, **common)
        app = create_app(settings, identity=issuer.identity)
        url = await serve(app)
        http = await enter(httpx.AsyncClient(base_url=url, timeout=60, verify=PLAIN))
        agents = await enter(httpx.AsyncClient(base_url=common["management_url"], timeout=60, verify=PLAIN))
        yield Nl(http, agents, issuer, siblings, model, database_url, app)
