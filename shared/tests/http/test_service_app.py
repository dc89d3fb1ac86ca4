"""The frame of a service over HTTP: errors as problems, the correlation id, bounds on bodies, who may call what."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import httpx
import psycopg
import pytest
from fastapi import Body, Depends, FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, SecretStr
from sqlalchemy.exc import OperationalError, ProgrammingError

from kgents_shared.auth import Principal, require, require_service
from kgents_shared.errors import Conflict, TooManyRequests, Unavailable
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.routing import Router
from kgents_shared.http.settings import ServiceSettings
from kgents_shared.testing.tokens import TokenIssuer

LIMIT = 1000
CANARY = "canary-7fQ2"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    temperature: float = 0


class Thing(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, Field(max_length=5)]
    system_prompt: str
    llm: Inner | None = None


router = Router()


@router.post("/things")
async def make_thing(thing: Thing) -> str:
    return thing.name


@router.post("/raw")
async def raw(request: Request) -> int:
    return len(await request.body())


@router.post("/text")
async def text(text: Annotated[str, Body(embed=True)]) -> int:
    return len(text.encode())


@router.get("/fails/{kind}")
async def fails(kind: str) -> None:
    raise {
        "conflict": Conflict("That name is taken.", code="name_taken", extra={"name": "x"}),
        "busy": TooManyRequests("Slower.", retry_after_s=7),
        "away": Unavailable("Away."),
        "database-away": OperationalError("SELECT", {}, psycopg.OperationalError(CANARY)),
        "wrong-sql": ProgrammingError("SELECT", {"password": CANARY}, ValueError(CANARY)),
        "unexpected": RuntimeError(CANARY),
    }[kind]


@router.get("/read")
async def read(principal: Annotated[Principal, Depends(require("agents:read"))]) -> str:
    return f"{principal.kind} {principal.subject}"


@router.get("/both")
async def both(principal: Annotated[Principal, Depends(require("agents:read", "tools:write"))]) -> str:
    return principal.owner_id


@router.get("/internal/desired")
async def desired(principal: Annotated[Principal, Depends(require_service("runtime"))]) -> str:
    return principal.subject


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncGenerator[None]:
    yield


def an_app(issuer: TokenIssuer, **more: object) -> FastAPI:
    settings = ServiceSettings.model_validate(
        {"database_url": "postgresql://x", "nats_url": "nats://x", "client_secret": SecretStr("x"), **more}
    )
    frame = ServiceFrame("tools", "Test", settings, nothing, [router], identity=issuer.identity, max_body_bytes=LIMIT)
    return build_service_app(frame)


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture
async def client(issuer: TokenIssuer) -> AsyncGenerator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(an_app(issuer), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tools") as opened:
        yield opened


async def test_all_faults_of_a_body_are_told_at_once_each_with_place_and_hint(client: httpx.AsyncClient):
    body = {"name": "too long", "sytem_prompt": CANARY, "llm": {"temprature": 1}}
    answer = await client.post("/things", json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    faults = {tuple(fault["loc"]): fault for fault in answer.json()["errors"]}
    assert set(faults) == {
        ("body", "name"), ("body", "system_prompt"), ("body", "sytem_prompt"), ("body", "llm", "temprature"),
    }  # fmt: skip
    assert faults["body", "sytem_prompt"]["hint"] == '"sytem_prompt": did you mean "system_prompt"?'
    assert faults["body", "llm", "temprature"]["hint"] == '"temprature": did you mean "temperature"?'
    assert faults["body", "system_prompt"]["msg"] == '"system_prompt" is required'
    assert CANARY not in answer.text


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"name": 1}', b"\xff\xfe", b'{"a":' * 150])
async def test_a_body_that_is_no_such_object_is_a_problem_and_no_failure(client: httpx.AsyncClient, body: bytes):
    answer = await client.post("/things", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}
    assert answer.json()["code"]


async def test_nesting_beyond_any_use_is_refused(client: httpx.AsyncClient):
    content = b"[" * (LIMIT - 10) + b"]" * 10
    answer = await client.post("/things", content=content, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 422}


async def test_half_of_a_surrogate_pair_is_the_callers_fault(client: httpx.AsyncClient):
    headers = {"content-type": "application/json"}
    answer = await client.post("/text", content=b'{"text": "\\ud800"}', headers=headers)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("kind", "status", "code", "retry_after"),
    [
        ("conflict", 409, "name_taken", None),
        ("busy", 429, "too_many_requests", "7"),
        ("away", 503, "unavailable", "1"),
        ("database-away", 503, "database_away", "1"),
        ("wrong-sql", 500, "internal_error", None),
        ("unexpected", 500, "internal_error", None),
    ],
)
async def test_an_error_is_a_problem_with_its_code_and_leaks_nothing_from_inside(
    client: httpx.AsyncClient, kind: str, status: int, code: str, retry_after: str | None
):
    answer = await client.get(f"/fails/{kind}")
    body = answer.json()
    assert (answer.status_code, body["status"], body["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers["x-correlation-id"] == body["correlation_id"]
    assert CANARY not in answer.text


@pytest.mark.parametrize(("method", "path", "code"), [("GET", "/nowhere", 404), ("DELETE", "/things", 405)])
async def test_what_the_framework_refuses_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, code: int
):
    answer = await client.request(method, path)
    assert answer.status_code == answer.json()["status"] == code
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("given", ["abc-123_X", "a" * 64])
async def test_a_plain_correlation_id_is_kept(client: httpx.AsyncClient, given: str):
    answer = await client.get("/nowhere", headers={"X-Correlation-Id": given})
    assert answer.headers["x-correlation-id"] == answer.json()["correlation_id"] == given


@pytest.mark.parametrize("given", ["", "a" * 65, "a b", "a\tb", "<script>", "é", "../x", "a;b", "²"])
async def test_any_other_correlation_id_is_replaced(client: httpx.AsyncClient, given: str):
    answer = await client.get("/nowhere", headers={b"X-Correlation-Id": given.encode("latin-1")})
    made = answer.headers["x-correlation-id"]
    assert made != given
    assert len(made) == 32


async def test_each_request_has_a_correlation_id_of_its_own(client: httpx.AsyncClient):
    seen = {(await client.get("/nowhere")).headers["x-correlation-id"] for _ in range(5)}
    assert len(seen) == 5


async def chunks(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // 100):
        yield b"x" * 100


@pytest.mark.parametrize("host", ["evil.example", "x?", "x/y", "x#", "user@evil.example", ""])
async def test_the_host_that_a_request_names_has_no_effect(client: httpx.AsyncClient, issuer: TokenIssuer, host: str):
    reader = {**issuer.person("ada"), "Host": host, "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "1.2.3.4"}
    assert (await client.get("/read", headers=reader)).json() == "person ada"
    assert (await client.get("/read", headers={"Host": host})).status_code == 401
    with_slash = await client.get("/read/", headers=reader)
    assert (with_slash.status_code, with_slash.headers.get("location")) == (404, None)


async def test_a_body_up_to_the_bound_is_taken(client: httpx.AsyncClient):
    assert (await client.post("/raw", content=b"x" * LIMIT)).json() == LIMIT
    assert (await client.post("/raw", content=chunks(LIMIT))).json() == LIMIT


@pytest.mark.parametrize("path", ["/raw", "/things", "/text", "/nowhere"])
async def test_a_body_over_the_bound_is_refused_by_its_declared_length(client: httpx.AsyncClient, path: str):
    answer = await client.post(path, content=b"x" * (LIMIT + 1))
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")
    assert answer.headers["x-correlation-id"]


@pytest.mark.parametrize("path", ["/raw", "/things", "/text"])
async def test_a_body_over_the_bound_is_refused_where_no_length_is_declared(client: httpx.AsyncClient, path: str):
    headers = {"content-type": "application/json"}
    answer = await client.post(path, content=chunks(LIMIT + 100), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize("length", ["1", "-1", "x", "²", "1, 2", "0x10"])
async def test_a_declared_length_that_lies_opens_no_way_around_the_bound(client: httpx.AsyncClient, length: str):
    answer = await client.post(
        "/raw", content=chunks(LIMIT + 100), headers={b"Content-Length": length.encode("latin-1")}
    )
    assert answer.status_code == 413


async def test_a_person_with_the_scopes_comes_in_and_one_without_is_told_which_is_missing(
    client: httpx.AsyncClient, issuer: TokenIssuer
):
    reader = issuer.person("ada", {"agents:read"})
    assert (await client.get("/read", headers=reader)).json() == "person ada"
    refused = await client.get("/both", headers=reader)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert "tools:write" in refused.json()["detail"]


async def test_without_a_token_the_challenge_says_so_and_with_a_bad_one_that_it_is_bad(client: httpx.AsyncClient):
    without = await client.get("/read")
    bad = await client.get("/read", headers={"Authorization": "Bearer x"})
    assert (without.status_code, without.headers["www-authenticate"]) == (401, "Bearer")
    assert (bad.status_code, bad.headers["www-authenticate"]) == (401, 'Bearer error="invalid_token"')


async def test_inside_only_the_named_service_comes_in(client: httpx.AsyncClient, issuer: TokenIssuer):
    path = "/internal/desired"
    assert (await client.get(path, headers=issuer.service("runtime", "tools"))).json() == "runtime"
    assert (await client.get(path, headers=issuer.service("management", "tools"))).status_code == 403
    assert (await client.get(path, headers=issuer.service("runtime", "deployment"))).status_code == 401
    assert (await client.get(path, headers=issuer.person("ada"))).status_code == 404
    assert (await client.get(path)).status_code == 401
    impostor = issuer.claims("ada", audience="tools", scopes=(), client_id="runtime")
    headers = {"Authorization": f"Bearer {issuer.sign(impostor)}"}
    assert (await client.get(path, headers=headers)).status_code == 401


async def test_a_services_token_opens_no_public_route(client: httpx.AsyncClient, issuer: TokenIssuer):
    answer = await client.get("/read", headers=issuer.service("runtime", "tools"))
    assert (answer.status_code, answer.json()["code"]) == (403, "service_token_here")


async def test_no_foreign_origin_is_let_in_unless_the_operator_names_it(issuer: TokenIssuer):
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "GET"}
    for app in (an_app(issuer), an_app(issuer, cors_origins=["https://good.example"])):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tools") as client:
            for foreign in ("https://evil.example", "null", "https://good.example.evil.example", "http://good.example"):
                origin["Origin"] = foreign
                cookie = {**origin, "Cookie": f"token={issuer.person('ada')['Authorization']}"}
                for answer in (
                    await client.options("/read", headers=origin),
                    await client.get("/read", headers=cookie),
                ):
                    assert answer.status_code in {400, 401, 405}
                    assert "access-control-allow-origin" not in answer.headers
                    assert "access-control-allow-credentials" not in answer.headers


async def test_an_origin_that_the_operator_names_comes_in_by_token_and_never_by_cookie(issuer: TokenIssuer):
    origin = {"Origin": "https://good.example", "Access-Control-Request-Method": "POST"}
    app = an_app(issuer, cors_origins=["https://good.example"])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tools") as client:
        asked = await client.options("/read", headers=origin)
        read = await client.get("/read", headers=origin | issuer.person("ada"))
    for answer in (asked, read):
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == "https://good.example"
        assert "Origin" in answer.headers["vary"].split(", ")
        assert "access-control-allow-credentials" not in answer.headers


async def test_health_names_the_parts_that_are_away(issuer: TokenIssuer):
    app = an_app(issuer)
    state = {"database": True}

    async def database() -> bool:
        return state["database"]

    app.state.health_probes["database"] = database
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://tools") as client:
        assert (await client.get("/health")).json() == {"status": "ok", "service": "tools", "parts": {"database": True}}
        state["database"] = False
        answer = await client.get("/health")
        assert (answer.status_code, answer.json()["status"]) == (503, "degraded")


@pytest.mark.parametrize("path", ["/things", "/raw"])
async def test_a_body_that_never_ends_is_408_and_closes_its_connection(
    client: httpx.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("kgents_shared.http.edge.BODY_PATIENCE_S", 0.05)
    never = asyncio.Event()

    async def dripping() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    answer = await client.post(path, content=dripping(), headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (408, "request_timeout")
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-correlation-id"]
