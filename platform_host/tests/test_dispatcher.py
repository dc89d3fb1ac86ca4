import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kgents_shared.contracts.path_table import load_path_table
from platform_host.dispatcher import Dispatcher
from platform_host.private import PrivateRouter

SERVICES = ("auth", "management", "tools", "deployment", "runtime", "nl", "governance")


def mirror(name: str) -> ASGIApp:
    """An app that says who it is and what it was asked."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = {
            "service": name,
            "path": scope["path"],
            "raw_path": scope["raw_path"].decode(),
            "query": scope["query_string"].decode(),
            "headers": dict(request.headers),
            "body": (await request.body()).decode(),
        }
        await JSONResponse(body)(scope, receive, send)

    return app


PUBLIC = Dispatcher(load_path_table(), {name: mirror(name) for name in SERVICES}, {"/health": mirror("host")})
PRIVATE = PrivateRouter({name: mirror(name) for name in SERVICES}, {"/health": mirror("host")})


async def ask(app: ASGIApp, path: str, headers: Mapping[str, str] | None = None, **given: Any) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://kgents") as client:
        return await client.request(given.pop("method", "GET"), path, headers=headers, **given)


@pytest.mark.parametrize(
    ("path", "service", "canonical"),
    [
        ("/api/v1/agents", "management", "/api/v1/agents"),
        ("/agents/demo", "management", "/api/v1/agents/demo"),
        ("/api/agents/demo/publish", "management", "/api/v1/agents/demo/publish"),
        ("/agents/demo/message", "runtime", "/api/v1/agents/demo/message"),
        ("/api/v1/agents/demo/deployments", "deployment", "/api/v1/agents/demo/deployments"),
        ("/api/agents/demo/restart", "deployment", "/api/v1/agents/demo/restart"),
        ("/api/v1/runs/1/events", "runtime", "/api/v1/runs/1/events"),
        ("/auth/login", "auth", "/api/v1/auth/login"),
        ("/.well-known/jwks.json", "auth", "/.well-known/jwks.json"),
        ("/tools", "tools", "/api/v1/tools"),
        ("/api/v1/mcp-servers/1/refresh", "tools", "/api/v1/mcp-servers/1/refresh"),
    ],
)
async def test_a_path_and_its_aliases_reach_their_service_under_the_canonical_path(
    path: str, service: str, canonical: str
) -> None:
    answer = (await ask(PUBLIC, path + "?limit=3")).json()
    assert (answer["service"], answer["path"], answer["raw_path"]) == (service, canonical, canonical)
    assert answer["query"] == "limit=3"


@pytest.mark.parametrize(
    "path",
    [
        "/internal/agents/desired",
        "/%69nternal/agents/desired",
        "/api/internal/agents",
        "/api/v1/internal/instances",
        "/management/internal/agents/desired",
        "/runtime/internal/instances",
        "/.well-known/jwks.json/internal",
        "/.well-known/other",
        "/nothing",
        "/api/v1",
        "/api/v1/nothing",
        "/health/",
    ],
)
async def test_internal_and_unknown_paths_are_one_and_the_same_problem(path: str) -> None:
    answer = await ask(PUBLIC, path, {"X-Correlation-Id": "abc-123"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-correlation-id"] == "abc-123"
    problem = answer.json()
    assert (problem["code"], problem["correlation_id"]) == ("not_found", "abc-123")
    assert "internal" not in problem["detail"]


async def ask_as_it_stands(path: str) -> tuple[int, Any]:
    """Status and JSON for a path that a well-behaved client would have folded before asking."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    await PUBLIC(
        {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": []},
        receive,
        send,
    )
    return sent[0]["status"], json.loads(sent[1]["body"])


@pytest.mark.parametrize(
    "path", ["//internal/x", "/internal", "/./internal/x", "/x/../internal/x", "/auth/../internal/x"]
)
async def test_no_spelling_of_a_path_leads_to_internal(path: str) -> None:
    status, answer = await ask_as_it_stands(path)
    # Where a public prefix stands before it, the service gets the path as it is, dots and all: no folding, no way out.
    assert status == 404 or answer["path"] == f"/api/v1{path}"


async def test_headers_that_only_servers_may_set_are_taken_out_and_others_left() -> None:
    headers = {"X-Metering-Tokens": "1", "x-KGENTS-Run": "2", "Authorization": "Bearer t", "X-Other": "3"}
    seen = (await ask(PUBLIC, "/api/v1/agents", headers)).json()["headers"]
    assert (seen["authorization"], seen["x-other"]) == ("Bearer t", "3")
    assert not [name for name in seen if name.startswith(("x-metering", "x-kgents"))]


SERVER_ONLY = [
    b"X-Metering-Tokens", b"x-metering-tokens", b"X_Metering_Tokens", b"x_metering-tokens", b"X-METERING_COST",
    b"x-kgents-owner", b"X-Kgents-Owner", b"x_kgents_owner",
]  # fmt: skip


async def test_no_spelling_and_no_repetition_brings_such_a_header_in() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])
        await JSONResponse({})(scope, receive, send)

    headers = [(name, b"1") for name in SERVER_ONLY] + [(b"x-metering-tokens", b"2"), (b"x-metering", b"kept")]
    scope: Scope = {"type": "http", "method": "GET", "path": "/api/v1/agents", "query_string": b"", "headers": headers}

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        pass

    await Dispatcher(load_path_table(), {"management": service}, {})(scope, receive, send)
    assert seen == [(b"x-metering", b"kept")]


async def test_paths_of_any_length_and_number_are_told_apart() -> None:
    for name in ("a", "b", "c" * 300):
        for tail, service in (("message", "runtime"), ("deployments", "deployment"), ("", "management")):
            path = f"/api/v1/agents/{name}/{tail}".rstrip("/")
            for _ in range(2):
                answer = (await ask(PUBLIC, path)).json()
                assert (answer["service"], answer["path"]) == (service, path)


async def test_the_body_and_method_go_through() -> None:
    answer = await ask(PUBLIC, "/agents/a/message", method="POST", content=b'{"text":"hi"}')
    assert answer.json()["body"] == '{"text":"hi"}'


async def test_the_hosts_own_pages_come_before_the_table() -> None:
    assert (await ask(PUBLIC, "/health")).json()["service"] == "host"


@pytest.mark.parametrize("app", [PUBLIC, PRIVATE], ids=["public", "private"])
async def test_websockets_are_refused(app: ASGIApp) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    await app({"type": "websocket", "path": "/api/v1/agents"}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(
    ("path", "service", "asked"),
    [
        ("/management/internal/agents/desired", "management", "/internal/agents/desired"),
        ("/auth/api/v1/auth/token", "auth", "/api/v1/auth/token"),
        ("/auth/.well-known/jwks.json", "auth", "/.well-known/jwks.json"),
        ("/runtime/", "runtime", "/"),
        ("/health", "host", "/health"),
    ],
)
async def test_the_private_router_serves_each_service_below_its_name(path: str, service: str, asked: str) -> None:
    answer = (await ask(PRIVATE, path)).json()
    assert (answer["service"], answer["path"]) == (service, asked)


async def test_the_private_router_leaves_server_headers_and_encoded_paths_alone() -> None:
    answer = (await ask(PRIVATE, "/runtime/internal/a%20b", {"X-Kgents-Run": "r"})).json()
    assert (answer["path"], answer["raw_path"]) == ("/internal/a b", "/internal/a%20b")
    assert answer["headers"]["x-kgents-run"] == "r"


@pytest.mark.parametrize("path", ["/", "/nothing", "/nothing/internal", "/auth"])
async def test_the_private_router_knows_nothing_else(path: str) -> None:
    assert (await ask(PRIVATE, path)).status_code == 404
