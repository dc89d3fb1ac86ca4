"""A route's short way gives what FastAPI's own way gives, whatever is asked."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, Request, Response
from pydantic import BaseModel, ConfigDict, SecretStr

from kgents_shared.auth import Principal, require
from kgents_shared.errors import Conflict
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.routing import Router
from kgents_shared.http.settings import ServiceSettings
from kgents_shared.http.short_route import ShortRoute, shortened
from kgents_shared.testing.tokens import TokenIssuer

KINDS = ("short", "long")
JSON = {"Content-Type": "application/json"}
may_read = require("agents:read")
Reader = Annotated[Principal, Depends(may_read)]


class Said(BaseModel):
    model_config = ConfigDict(extra="forbid")
    text: str
    times: int = 1


def answer(name: str, body: Said, principal: Principal, request: Request) -> Response:
    if body.text == "taken":
        raise Conflict("That is taken.", code="name_taken")
    way = "short" if request.scope.get("fastapi_inner_astack") is None else "long"
    return Response(f"{principal.subject} {name} {body.text * body.times}", headers={"X-Way": way})


short, long = Router(route_class=ShortRoute), Router()


@short.post("/short/{name}")
@shortened(may_read, "name", Said)
async def say_short(name: str, body: Said, principal: Reader, request: Request) -> Response:
    return answer(name, body, principal, request)


@long.post("/long/{name}")
async def say_long(name: str, body: Said, principal: Reader, request: Request) -> Response:
    return answer(name, body, principal, request)


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncGenerator[None]:
    yield


@pytest.fixture(scope="module")
def issuer() -> TokenIssuer:
    return TokenIssuer()


@pytest.fixture(scope="module")
async def client(issuer: TokenIssuer) -> AsyncGenerator[httpx.AsyncClient]:
    settings = ServiceSettings.model_validate(
        {"database_url": "postgresql://x", "nats_url": "nats://x", "client_secret": SecretStr("x")}
    )
    frame = ServiceFrame(
        "tools", "Test", settings, nothing, [short, long], identity=issuer.identity, max_body_bytes=1000
    )
    transport = httpx.ASGITransport(build_service_app(frame), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tools") as opened:
        yield opened


@pytest.mark.parametrize(
    ("scopes", "body", "headers", "status", "way"),
    [
        ({"agents:read"}, b'{"text": "a", "times": 2}', JSON, 200, "short"),
        ({"agents:read"}, b'{"text": "a", "times": "2"}', JSON, 200, "short"),
        ({"agents:read"}, b'{"text": "a"}', {"Content-Type": "application/json; charset=utf-8"}, 200, "long"),
        ({"agents:read"}, b'{"text": "taken"}', JSON, 409, None),
        ({"agents:read"}, b'{"txt": 5}', JSON, 422, None),
        ({"agents:read"}, b"{", JSON, 422, None),
        ({"agents:read"}, b'{"text": "\\ud800"}', JSON, 422, None),
        ({"agents:read"}, b"", JSON, 422, None),
        ({"agents:read"}, b'{"text": "a"}', {}, 422, None),
        ({"agents:read"}, b'{"text": "' + b"a" * 1000 + b'"}', JSON, 413, None),
        ({"tools:write"}, b'{"text": "a"}', JSON, 403, None),
        (None, b'{"text": "a"}', JSON, 401, None),
    ],
    ids=[
        "plain", "a number in quotes", "a charset", "a conflict", "wrong fields", "no JSON", "half a character",
        "no body", "no type", "too long", "no scope", "no token",
    ],
)  # fmt: skip
async def test_the_short_way_answers_as_the_long_one(
    client: httpx.AsyncClient,
    issuer: TokenIssuer,
    scopes: set[str] | None,
    body: bytes,
    headers: dict[str, str],
    status: int,
    way: str | None,
) -> None:
    asked = headers | ({} if scopes is None else issuer.person("ada", scopes))
    answers = [await client.post(f"/{kind}/x", content=body, headers=asked) for kind in KINDS]
    assert [each.status_code for each in answers] == [status, status]
    assert _told(answers[0]) == _told(answers[1])
    assert answers[0].headers.get("X-Way") == way


async def test_of_several_types_the_first_holds(client: httpx.AsyncClient, issuer: TokenIssuer) -> None:
    told, bearer = list[tuple[int, int]](), list(issuer.person("ada", {"agents:read"}).items())
    for types in (("text/plain", "application/json"), ("application/json", "text/plain")):
        asked = [*bearer, *(("Content-Type", each) for each in types)]
        short, long = [await client.post(f"/{kind}/x", content=b'{"text": "a"}', headers=asked) for kind in KINDS]
        told.append((short.status_code, long.status_code))
    assert told == [(422, 422), (200, 200)]


async def test_the_short_way_is_in_the_document_and_takes_no_other_method(client: httpx.AsyncClient) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    assert paths["/short/{name}"]["post"]["requestBody"] == paths["/long/{name}"]["post"]["requestBody"]
    assert (await client.get("/short/x")).status_code == 405


def _told(answer: httpx.Response) -> Any:
    if answer.status_code == 200:
        return answer.text
    return {name: value for name, value in answer.json().items() if name not in {"correlation_id", "instance"}}
