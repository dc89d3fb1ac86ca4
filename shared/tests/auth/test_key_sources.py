"""Keys fetched from a real JWKS address that moves, lies, hangs and goes away."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from kgents_shared.auth import JwksKeySource, StaticKeySource, keys
from kgents_shared.errors import Unavailable
from kgents_shared.testing.polling import eventually
from kgents_shared.testing.tokens import TokenIssuer


class JwksServer:
    """Answers with `document`; counts how often it was asked."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self.status = 200
        self.asked = 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()
        self.url = ""

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        await self.may_answer.wait()
        return web.json_response(self.document, status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def serving(document: Any) -> AsyncGenerator[JwksServer]:
    server = JwksServer(document)
    app = web.Application()
    app.router.add_get("/jwks.json", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}/jwks.json"
    try:
        yield server
    finally:
        server.may_answer.set()
        await runner.cleanup()


@pytest.fixture
def issuer() -> TokenIssuer:
    return TokenIssuer()


async def test_a_key_is_fetched_once_and_kept(issuer: TokenIssuer):
    async with serving({"keys": issuer.jwks}) as server:
        source = JwksKeySource(server.url)
        found = await asyncio.gather(*(source.key("test-key") for _ in range(20)))
        assert all(found)
        assert server.asked == 1


async def test_a_flood_of_unknown_kids_asks_the_issuer_once(issuer: TokenIssuer):
    async with serving({"keys": issuer.jwks}) as server:
        source = JwksKeySource(server.url)
        found = await asyncio.gather(*(source.key(f"unknown-{number}") for number in range(50)))
        assert found == [None] * 50
        assert await source.key("test-key") is not None
        assert server.asked == 1


async def test_a_new_key_is_found_after_the_pause(issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch):
    async with serving({"keys": []}) as server:
        source = JwksKeySource(server.url)
        with pytest.raises(Unavailable):
            await source.key("test-key")
        server.document = {"keys": issuer.jwks}
        monkeypatch.setattr(keys, "UNKNOWN_KID_PAUSE_S", 0.0)
        assert await source.key("test-key") is not None


async def test_an_issuer_that_is_away_is_asked_once_in_the_pause_however_many_wait():
    async with serving({"keys": []}) as server:
        server.status = 503
        source = JwksKeySource(server.url)
        outcomes = await asyncio.gather(*(source.key("x") for _ in range(30)), return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} == {Unavailable}
        assert server.asked == 1


async def test_a_known_key_goes_on_working_while_the_issuer_hangs(issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch):
    async with serving({"keys": issuer.jwks}) as server:
        source = JwksKeySource(server.url)
        assert await source.key("test-key") is not None
        monkeypatch.setattr(keys, "REFRESH_AFTER_S", 0.0)
        monkeypatch.setattr(keys, "UNKNOWN_KID_PAUSE_S", 0.0)
        server.may_answer.clear()
        looking = asyncio.create_task(source.key("test-key"))
        await eventually(lambda: server.asked == 2)
        assert await source.key("test-key") is not None
        assert not looking.done()
        server.may_answer.set()
        assert await looking is not None


@pytest.mark.parametrize("document", [[], {}, {"keys": None}, {"keys": [1]}, {"keys": "x"}, "text", None, 7])
async def test_a_document_that_is_no_key_set_leaves_what_was_known(
    document: Any, issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
):
    async with serving({"keys": issuer.jwks}) as server:
        source = JwksKeySource(server.url)
        await source.key("test-key")
        server.document = document
        monkeypatch.setattr(keys, "REFRESH_AFTER_S", 0.0)
        monkeypatch.setattr(keys, "UNKNOWN_KID_PAUSE_S", 0.0)
        assert await source.key("test-key") is not None


async def test_a_redirect_is_not_followed(issuer: TokenIssuer):
    async with serving({"keys": issuer.jwks}) as server:
        server.status = 302
        with pytest.raises(Unavailable):
            await JwksKeySource(server.url).key("test-key")


async def test_a_key_that_the_issuer_took_back_is_gone_after_the_next_look(
    issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch
):
    other = {**TokenIssuer().jwks[0], "kid": "other"}
    async with serving({"keys": issuer.jwks}) as server:
        source = JwksKeySource(server.url)
        await source.key("test-key")
        server.document = {"keys": [other]}
        monkeypatch.setattr(keys, "REFRESH_AFTER_S", 0.0)
        monkeypatch.setattr(keys, "UNKNOWN_KID_PAUSE_S", 0.0)
        assert await source.key("test-key") is None


@pytest.mark.parametrize(
    "spoil",
    [{"kty": "RSA"}, {"kty": "oct", "k": "c2VjcmV0"}, {"crv": "P-384"}, {"alg": "HS256"}, {"x": "AAAA"}, {"y": 7},
     {"kid": None}, {"use": "enc"}],
    ids=str,
)  # fmt: skip
async def test_only_p256_keys_for_signatures_are_taken_from_a_set(issuer: TokenIssuer, spoil: dict[str, Any]):
    source = StaticKeySource([{**issuer.jwks[0], **spoil}])
    assert await source.key("test-key") is None
    assert await source.key("None") is None
