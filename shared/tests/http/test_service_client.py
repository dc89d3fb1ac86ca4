"""Calls between services, against a far side that answers, refuses, lies, hangs and goes away."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from aiohttp import web

from kgents_shared.errors import BadGateway, Unavailable
from kgents_shared.http.client import CallFailed, ServiceClient, ServiceSession
from kgents_shared.telemetry.correlation import accept_correlation_id
from kgents_shared.testing.polling import eventually


class FarSide:
    """One address that gives tokens as the auth service does, and answers calls as a test says."""

    def __init__(self) -> None:
        self.token_requests: list[dict[str, str]] = []
        self.calls: list[web.Request] = []
        self.token_status = 200
        self.token_body: Any = None
        self.expires_in = 900
        self.status = 200
        self.body: str = '{"items": []}'
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""

    async def token(self, request: web.Request) -> web.Response:
        self.token_requests.append({key: str(value) for key, value in (await request.post()).items()})
        number = len(self.token_requests)
        body = self.token_body or {"access_token": f"token-{number}", "expires_in": self.expires_in}
        return web.json_response(body, status=self.token_status, headers={"Location": "/elsewhere"})

    async def call(self, request: web.Request) -> web.Response:
        self.calls.append(request)
        await self.may_answer.wait()
        headers = {"Location": f"{self.url}/elsewhere"}
        if self.status == 204:
            return web.Response(status=204)
        return web.Response(text=self.body, status=self.status, headers=headers, content_type="application/json")


@pytest.fixture
async def far() -> AsyncGenerator[FarSide]:
    side = FarSide()
    app = web.Application()
    app.router.add_post("/api/v1/auth/token", side.token)
    app.router.add_route("*", "/{tail:.*}", side.call)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    side.url = "http://{}:{}".format(*runner.addresses[0][:2])
    yield side
    side.may_answer.set()
    await runner.cleanup()


@pytest.fixture
async def session(far: FarSide) -> AsyncGenerator[ServiceSession]:
    async with ServiceSession(far.url, "runtime", "the secret") as opened:
        yield opened


@pytest.fixture
def tools(session: ServiceSession, far: FarSide) -> ServiceClient:
    return session.client(far.url, "tools")


async def test_long_calls_hold_up_no_others(far: FarSide, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("kgents_shared.http.client._CONNECTIONS", 2)
    async with ServiceSession(far.url, "runtime", "the secret") as few:
        long, short = few.client(far.url, "tools", own_connections=4), few.client(far.url, "tools")
        await short.request_json("GET", "/internal/x")
        far.may_answer.clear()
        held = [asyncio.create_task(long.request_json("GET", f"/internal/{number}")) for number in range(9)]
        await eventually(lambda: len(far.calls) == 5, describe="as many as may are out")
        asked = asyncio.create_task(short.request_json("GET", "/internal/short"))
        await eventually(lambda: far.calls[-1].path == "/internal/short", describe="another goes out beside them")
        far.may_answer.set()
        await asyncio.gather(asked, *held)
    assert len(far.token_requests) == 1


async def test_a_call_carries_a_token_for_the_far_side_and_the_correlation_id(tools: ServiceClient, far: FarSide):
    accept_correlation_id("followed-7")
    assert await tools.request_json("GET", "/internal/x", params={"a": "b c"}) == {"items": []}
    assert far.token_requests == [
        {"grant_type": "client_credentials", "client_id": "runtime", "client_secret": "the secret", "audience": "tools"}
    ]
    assert far.calls[0].headers["Authorization"] == "Bearer token-1"
    assert far.calls[0].headers["X-Correlation-Id"] == "followed-7"
    assert far.calls[0].query["a"] == "b c"


async def test_many_calls_at_once_ask_for_one_token_an_audience(session: ServiceSession, far: FarSide):
    clients = [session.client(far.url, audience) for audience in ("tools", "management")]
    await asyncio.gather(*(each.request_json("GET", "/x") for each in clients for _ in range(20)))
    assert sorted(request["audience"] for request in far.token_requests) == ["management", "tools"]


async def test_a_token_near_its_end_is_replaced(tools: ServiceClient, far: FarSide):
    far.expires_in = 60
    await tools.request_json("GET", "/x")
    await tools.request_json("GET", "/x")
    assert [call.headers["Authorization"] for call in far.calls] == ["Bearer token-1", "Bearer token-2"]


async def test_a_token_that_was_refused_is_not_used_again(tools: ServiceClient, far: FarSide):
    far.status, far.body = 401, '{"code": "invalid_token", "detail": "No."}'
    with pytest.raises(CallFailed) as refused:
        await tools.request_json("GET", "/x")
    assert (refused.value.far_status, refused.value.far_code, refused.value.status) == (401, "invalid_token", 502)
    far.status, far.body = 200, "{}"
    assert await tools.request_json("GET", "/x") == {}
    assert far.calls[-1].headers["Authorization"] == "Bearer token-2"


async def test_an_answer_without_content_is_none(tools: ServiceClient, far: FarSide):
    far.status = 204
    assert await tools.request_json("DELETE", "/x") is None


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
async def test_a_refusal_tells_status_and_code_of_the_far_side(tools: ServiceClient, far: FarSide, status: int):
    far.status, far.body = status, '{"code": "the_code", "detail": "Because."}'
    with pytest.raises(CallFailed, match="Because") as refused:
        await tools.request_json("POST", "/x", json={})
    assert (refused.value.far_status, refused.value.far_code) == (status, "the_code")


async def test_a_far_side_that_is_unavailable_makes_this_side_unavailable(tools: ServiceClient, far: FarSide):
    far.status, far.body = 503, '{"code": "database_away"}'
    with pytest.raises(Unavailable) as refused:
        await tools.request_json("GET", "/x")
    assert refused.value.code == "database_away"


@pytest.mark.parametrize("body", ["<html>", "{", ""])
async def test_an_answer_that_is_no_json_is_a_bad_gateway(tools: ServiceClient, far: FarSide, body: str):
    far.body = body
    if body:
        with pytest.raises(BadGateway):
            await tools.request_json("GET", "/x")
    else:
        assert await tools.request_json("GET", "/x") is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_no_redirect_is_followed_with_a_token_or_a_secret(
    session: ServiceSession, tools: ServiceClient, far: FarSide, status: int
):
    far.status, far.body = status, "{}"
    with pytest.raises(CallFailed):
        await tools.request_json("POST", "/x", json={"a": 1})
    far.token_status = status
    with pytest.raises(Unavailable):
        await session.client(far.url, "management").request_json("GET", "/x")
    assert [call.path for call in far.calls] == ["/x"]


@pytest.mark.parametrize("body", [[1], {"x": 1}, "text", {"access_token": "a", "expires_in": "soon"}])
async def test_a_token_answer_that_is_none_is_an_auth_service_away(tools: ServiceClient, far: FarSide, body: Any):
    far.token_body = body
    with pytest.raises(Unavailable):
        await tools.request_json("GET", "/x")


async def test_an_auth_service_that_refuses_is_unavailable_and_the_next_call_asks_again(
    tools: ServiceClient, far: FarSide
):
    far.token_status = 401
    with pytest.raises(Unavailable, match="401"):
        await tools.request_json("GET", "/x")
    far.token_status = 200
    await tools.request_json("GET", "/x")


async def test_a_far_side_that_hangs_is_unavailable_after_the_callers_patience(tools: ServiceClient, far: FarSide):
    far.may_answer.clear()
    with pytest.raises(Unavailable) as refused:
        await tools.request_json("GET", "/x", timeout_s=0.05)
    assert refused.value.code == "sibling_away"


async def test_a_far_side_that_is_not_there_is_unavailable(session: ServiceSession):
    with pytest.raises(Unavailable):
        await session.client("http://127.0.0.1:1", "tools").request_json("GET", "/x")
    async with ServiceSession("http://127.0.0.1:1", "runtime", "x") as away:
        with pytest.raises(Unavailable) as refused:
            await away.client("http://127.0.0.1:1", "tools").request_json("GET", "/x")
        assert refused.value.code == "auth_away"
