"""A listener on the loopback that must get no hit, however it is asked for."""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass, field
from typing import cast

import httpcore
import httpx
import pytest

from kgents_shared.http.addresses import AddressPolicy
from tests.external.running_registry import running_registry
from tool_registry_service.errors import AddressRefused, AnswerTooLarge
from tool_registry_service.outgoing.client import OutgoingHttp
from tool_registry_service.outgoing.transport import CheckedNetwork

HELLO = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello"


@dataclass
class Listener:
    """A web server that counts its connections and gives one answer."""

    answer: bytes = HELLO
    hits: int = 0
    port: int = 0
    _server: asyncio.Server | None = field(default=None, repr=False)

    async def __aenter__(self) -> "Listener":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.hits += 1
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def secret_place() -> AsyncGenerator[Listener]:
    async with Listener() as listener:
        yield listener


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0.0.0.0", "0",  # noqa: S104 -- asked for, not bound
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::1]", "[::]", "[0:0:0:0:0:ffff:127.0.0.1]", "127.0.0.1.",
    ],
)  # fmt: skip
async def test_no_way_of_writing_the_loopback_reaches_it(secret_place: Listener, host: str) -> None:
    async with OutgoingHttp(AddressPolicy()).client() as client:
        with pytest.raises((AddressRefused, httpx.ConnectError, httpx.InvalidURL)):
            await client.get(f"http://{host}:{secret_place.port}/")
    assert secret_place.hits == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_to_the_loopback_is_not_followed(secret_place: Listener, status: int) -> None:
    answer = (
        f"HTTP/1.1 {status} Moved\r\nlocation: http://localhost:{secret_place.port}/\r\ncontent-length: 0\r\n\r\n"
    ).encode()
    async with Listener(answer) as door, OutgoingHttp(AddressPolicy(["127.0.0.1"])).client() as client:
        with pytest.raises(AddressRefused):
            await client.get(f"http://127.0.0.1:{door.port}/")
        assert door.hits == 1
    assert secret_place.hits == 0


class ChangingNames:
    """A resolver that tells the check one thing and whoever asks again another."""

    def __init__(self) -> None:
        self.answers = [["93.184.216.34"], ["127.0.0.1"]]

    async def addresses(self, host: str, port: int) -> list[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class DialledAddresses(httpcore.AsyncNetworkBackend):
    """Notes what is dialled; the names of the test's world resolve to the loopback by now."""

    def __init__(self) -> None:
        self.dialled: list[str] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append(host)
        raise httpcore.ConnectError("nothing is there")


async def test_a_name_that_changes_after_the_check_is_dialled_at_the_checked_address(secret_place: Listener) -> None:
    dialler, names = DialledAddresses(), ChangingNames()
    network = CheckedNetwork(AddressPolicy(), names, dialler)
    with pytest.raises(httpcore.ConnectError):
        await network.connect_tcp("rebinding.example", secret_place.port)
    assert dialler.dialled == ["93.184.216.34"]
    with pytest.raises(AddressRefused):
        await network.connect_tcp("rebinding.example", secret_place.port)
    assert dialler.dialled == ["93.184.216.34"]
    assert secret_place.hits == 0


async def test_a_name_that_has_become_private_is_refused_at_the_next_connection(secret_place: Listener) -> None:
    outgoing = OutgoingHttp(AddressPolicy(), resolver=ChangingNames())
    names = cast("ChangingNames", outgoing.resolver)
    names.answers = [["127.0.0.1"]]
    async with outgoing.client() as client:
        with pytest.raises(AddressRefused):
            await client.get(f"http://rebinding.example:{secret_place.port}/")
    assert secret_place.hits == 0


async def test_a_listed_host_is_reached() -> None:
    async with Listener() as there, OutgoingHttp(AddressPolicy(["127.0.0.1"])).client() as client:
        assert (await client.get(f"http://127.0.0.1:{there.port}/")).text == "hello"


async def test_proxies_of_the_environment_are_not_asked(
    secret_place: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{secret_place.port}")
    async with Listener() as there, OutgoingHttp(AddressPolicy(["127.0.0.1"])).client() as client:
        assert (await client.get(f"http://127.0.0.1:{there.port}/")).text == "hello"
    assert secret_place.hits == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n" + b"x" * 3000,
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n\x1f\x8b",
    ],
)
async def test_an_answer_of_any_size_or_in_disguise_is_cut_off(answer: bytes) -> None:
    heard: list[Exception] = []
    outgoing = OutgoingHttp(AddressPolicy(["127.0.0.1"]), max_answer_bytes=2000)
    async with Listener(answer) as there, outgoing.client(tell=heard.append) as client:
        with pytest.raises(AnswerTooLarge):
            await client.get(f"http://127.0.0.1:{there.port}/")


async def test_registering_a_server_at_the_metadata_address_or_the_loopback_makes_no_connection(
    database_url: str, secret_place: Listener
) -> None:
    async with running_registry(database_url, ssrf_allowed_hosts="elsewhere.example, other.example") as registry:
        for host in ("127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "169.254.169.254"):
            url = f"http://{host}:{secret_place.port}/mcp"
            body = {"name": "inside", "transport": "streamable_http", "url": url}
            answer = await registry.ask("POST", "/api/v1/mcp-servers", body)
            assert (answer.status_code, answer.json()["code"]) == (422, "mcp_server_refused"), host
            assert "TOOLS_SSRF_ALLOWED_HOSTS" in answer.json()["detail"]
    assert secret_place.hits == 0


async def test_an_mcp_server_that_redirects_elsewhere_is_not_followed(
    database_url: str, secret_place: Listener
) -> None:
    location = f"http://localhost:{secret_place.port}/mcp"
    answer = f"HTTP/1.1 307 Moved\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
    async with Listener(answer) as door, running_registry(database_url) as registry:
        body = {"name": "door", "transport": "streamable_http", "url": f"http://127.0.0.1:{door.port}/mcp"}
        refused = await registry.ask("POST", "/api/v1/mcp-servers", body)
        assert (refused.status_code, refused.json()["code"]) == (422, "mcp_server_refused")
        assert "it answered 307" in refused.json()["detail"]
        assert door.hits == 1
    assert secret_place.hits == 0
