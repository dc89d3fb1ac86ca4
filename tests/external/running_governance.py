"""A governance service that answers in this process; who may what is said by what stands where auth does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import httpx
import psycopg
from aiohttp import web
from fastapi import FastAPI
from psycopg.rows import dict_row
from pydantic import SecretStr

from governance_service.main import create_app
from governance_service.settings import GovernanceSettings
from kgents_shared.auth import ALL_SCOPES
from kgents_shared.testing.tokens import TokenIssuer

JsonObject = dict[str, Any]
HASH = "a" * 64


@dataclass
class Auth:
    """What auth answers on the wire: tokens for services, and what each person may now."""

    issuer: TokenIssuer
    people: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    is_away: bool = False

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/api/v1/auth/token", self._token)
        app.router.add_get("/internal/people/{subject}/standing", self._standing)
        return app

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        bearer = self.issuer.service(str(form["client_id"]), str(form["audience"]))["Authorization"]
        return web.json_response({"access_token": bearer.removeprefix("Bearer "), "expires_in": 900})

    async def _standing(self, request: web.Request) -> web.Response:
        if self.is_away:
            return web.json_response({"detail": "not now", "code": "starting"}, status=503)
        nobody: JsonObject = {"active": False, "scopes": [], "organisations": {}}
        return web.json_response(self.people.get(request.match_info["subject"], nobody))


@dataclass
class Governance:
    """The running service, and everybody who calls it."""

    http: httpx.AsyncClient
    issuer: TokenIssuer
    auth: Auth
    database_url: str
    app: FastAPI
    auth_url: str

    def person(
        self,
        subject: str | None = None,
        *,
        scopes: Iterable[str] = ALL_SCOPES,
        organisations: dict[str, str] | None = None,
        **claims: Any,
    ) -> Person:
        """Somebody with a login of their own, whom auth knows as what their token says."""
        name = subject or f"person-{uuid4().hex}"
        theirs = organisations or {}
        self.auth.people[name] = {"active": True, "scopes": sorted(scopes), "organisations": theirs}
        told: JsonObject = {"sid": uuid4().hex, "organisations": theirs, **claims}
        return Person(self, name, self.issuer.person(name, scopes, **told))

    async def send(self, service: str, method: str, path: str, **more: Any) -> httpx.Response:
        """A call of one of the siblings."""
        headers = self.issuer.service(service, "governance")
        return await self.http.request(method, f"/internal/approvals{path}", headers=headers, **more)

    def question(self, owner: str, **changes: Any) -> JsonObject:
        """What the tool registry asks: may this be carried out?"""
        return {
            "owner_id": owner,
            "principal": owner,
            "agent_id": str(uuid4()),
            "agent_name": "clerk",
            "run_id": str(uuid4()),
            "conversation_id": str(uuid4()),
            "action": "tool:mail.send",
            "payload_hash": HASH,
            "payload": {"to": "ada@example.org", "text": "Hello"},
            "summary": "mail.send to ada@example.org",
            "request_key": uuid4().hex,
            **changes,
        }

    async def asks(self, owner: str, **changes: Any) -> Asked:
        """An approval that waits."""
        body = self.question(owner, **changes)
        answer = await self.send("tools", "POST", "", json=body)
        assert answer.status_code == 200, answer.text
        return Asked(self, body, cast("JsonObject", answer.json()))

    async def rows(self, query: str, *values: Any) -> list[JsonObject]:
        """What stands in the database."""
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return await (await cursor.execute(query.encode(), values)).fetchall()

    async def change(self, query: str, *values: Any) -> None:
        """Change the database as the service's own role may."""
        async with await psycopg.AsyncConnection.connect(self.database_url, autocommit=True) as connection:
            await connection.execute(query.encode(), values)

    async def end_time_of(self, approval: Asked) -> None:
        """Let its time be over: no statement of the service can change it, so the guard stands aside."""
        async with await psycopg.AsyncConnection.connect(self.database_url) as connection:
            await connection.execute("ALTER TABLE governance.approvals DISABLE TRIGGER approvals_guarded")
            await connection.execute(
                "UPDATE governance.approvals SET expires_at = now() - interval '1 second' WHERE id = %s", (approval.id,)
            )
            await connection.execute("ALTER TABLE governance.approvals ENABLE TRIGGER approvals_guarded")


@dataclass
class Person:
    """Somebody who decides."""

    governance: Governance
    subject: str
    headers: dict[str, str]

    async def ask(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        """A request of theirs."""
        return await self.governance.http.request(method, f"/api/v1/approvals{path}", headers=self.headers, **more)

    async def decides(self, approval: Asked, decision: str = "approve", note: str | None = None) -> httpx.Response:
        """What they say."""
        return await self.ask("POST", f"/{approval.id}/decide", json={"decision": decision, "note": note})

    async def sees(self, approval: Asked) -> JsonObject:
        """The approval in full."""
        answer = await self.ask("GET", f"/{approval.id}")
        assert answer.status_code == 200, answer.text
        return cast("JsonObject", answer.json())


@dataclass
class Asked:
    """An approval, as the registry knows it."""

    governance: Governance
    question: JsonObject
    answer: JsonObject

    @property
    def id(self) -> str:
        return str(self.answer["id"])

    async def consumed(self, **changes: Any) -> httpx.Response:
        """The registry carries it out."""
        body = {"payload_hash": self.question["payload_hash"], "request_key": self.question["request_key"], **changes}
        return await self.governance.send("tools", "POST", f"/{self.id}/consume", json=body)

    async def state(self) -> JsonObject:
        """As the runtime is told."""
        answer = await self.governance.send("runtime", "GET", "/states", params={"ids": [self.id]})
        (found,) = answer.json()["approvals"]
        return cast("JsonObject", found)

    async def history(self) -> list[tuple[str, str]]:
        """What happened to it, and by whom."""
        query = "SELECT what, who FROM governance.approval_records WHERE approval_id = %s ORDER BY id"
        return [(row["what"], row["who"]) for row in await self.governance.rows(query, self.id)]

    async def events(self) -> list[JsonObject]:
        """What was told of it, and not relayed yet or ever."""
        query = "SELECT body FROM governance.outbox WHERE body->>'subject' = %s ORDER BY id"
        return [row["body"] for row in await self.governance.rows(query, self.id)]


@asynccontextmanager
async def running_governance(database_url: str, issuer: TokenIssuer, **changes: Any) -> AsyncGenerator[Governance]:
    """A service of its own on a migrated database. Without NATS: what it tells stays in the outbox."""
    auth = Auth(issuer)
    runner = web.AppRunner(auth.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    given: JsonObject = {
        "database_url": SecretStr(database_url),
        "nats_url": "nats://127.0.0.1:1",
        "client_secret": SecretStr("for-tests-only"),
        "auth_url": f"http://{host}:{port}",
    }
    app = create_app(GovernanceSettings.model_validate(given | changes), identity=issuer.identity)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://governance") as http,
    ):
        yield Governance(http, issuer, auth, database_url, app, given["auth_url"])
    await runner.cleanup()
