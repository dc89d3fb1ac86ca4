"""The proxy of stdio servers: what it carries, and everything that it must not reach."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import pytest
from aiohttp import web

from kgents_shared.http.addresses import AddressPolicy
from kgents_shared.testing.plain_http import PLAIN
from tool_registry_service.outgoing.client import OutgoingHttp
from tool_registry_service.outgoing.proxy import OutgoingProxy
from tool_registry_service.outgoing.proxy_rules import ProxyMeter, ProxyRules
from tool_registry_service.outgoing.transport import SystemResolver


class Names(SystemResolver):
    """`far.example` and `other.example` lie on the loopback here, as a hostile name server may say of any name."""

    async def addresses(self, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host.rstrip(".").endswith(".example") else await super().addresses(host, port)


@dataclass
class FarSide:
    """A web server that tells what it was asked, and how often."""

    port: int = 0
    asked: list[str] = field(default_factory=list[str])

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        self.asked.append(f"{request.method} {request.host.partition(':')[0]}{request.path_qs} {body}".strip())
        if request.path == "/headers":
            return web.json_response(dict(request.headers))
        return web.Response(text="x" * int(request.query.get("size", "0")) or "hello")


@pytest.fixture
async def far_side() -> AsyncGenerator[FarSide]:
    far = FarSide()
    app = web.Application(client_max_size=10_000_000)
    app.router.add_route("*", "/{path:.*}", far.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    far.port = int(runner.addresses[0][1])
    yield far
    await runner.cleanup()


@dataclass
class Running:
    """A proxy that listens."""

    port: int
    meter: ProxyMeter

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(proxy=f"http://127.0.0.1:{self.port}", timeout=60, trust_env=False, verify=PLAIN)

    async def says(self, words: str) -> str:
        """The first line of the answer to a request written by hand."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(words.encode("latin-1"))
        line = await reader.readline()
        writer.close()
        return line.decode().strip()


@asynccontextmanager
async def proxy(
    *, allowed: tuple[str, ...] = (), hosts: tuple[str, ...] = (), max_bytes: int = 1_000_000
) -> AsyncGenerator[Running]:
    """A proxy whose operator lists the private hosts `allowed`, for an entry that names `hosts`."""
    network = OutgoingHttp(AddressPolicy(allowed), resolver=Names()).network()
    meter = ProxyMeter()
    listener = socket.create_server(("127.0.0.1", 0))
    port = int(listener.getsockname()[1])
    async with OutgoingProxy("test", network, ProxyRules(hosts, max_bytes), meter).serve(listener):
        yield Running(port, meter)


async def test_requests_go_through_with_their_bodies_and_without_what_is_the_proxys_own(far_side: FarSide) -> None:
    async def parts() -> AsyncGenerator[bytes]:
        yield b"in "
        yield b"parts"

    base = f"http://far.example:{far_side.port}"
    async with proxy(allowed=("far.example",)) as running, running.client() as client:
        assert (await client.get(f"{base}/a?b=c")).text == "hello"
        assert (await client.post(f"{base}/whole", content=b"body")).status_code == 200
        assert (await client.post(f"{base}/parts", content=parts())).status_code == 200
        shown = await client.get(f"{base}/headers", headers={"Proxy-Authorization": "Basic eDp5", "X-Kept": "yes"})
    assert far_side.asked[0] == "GET far.example/a?b=c"
    assert far_side.asked[1:3] == ["POST far.example/whole body", "POST far.example/parts in parts"]
    arrived = {name.lower(): value for name, value in shown.json().items()}
    wanted = {"x-kept": "yes", "connection": "close", "host": f"far.example:{far_side.port}"}
    assert wanted.items() <= arrived.items()
    assert "proxy-authorization" not in arrived
    assert (running.meter.connections, running.meter.refused) == (4, 0)
    assert running.meter.bytes_received > running.meter.bytes_sent > 0


async def test_a_tunnel_carries_bytes_both_ways(far_side: FarSide) -> None:
    async with proxy(allowed=(f"far.example:{far_side.port}",)) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(f"CONNECT far.example:{far_side.port} HTTP/1.1\r\nHost: far.example\r\n\r\n".encode())
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 200 Connection established\r\n\r\n"
        writer.write(b"GET /within HTTP/1.1\r\nHost: far.example\r\nConnection: close\r\n\r\n")
        assert b"hello" in await reader.read()
        writer.close()
    assert far_side.asked == ["GET far.example/within"]


async def test_a_request_that_waits_to_be_told_to_go_on_is_told(far_side: FarSide) -> None:
    async with proxy(allowed=("far.example",)) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        writer.write(
            f"POST http://far.example:{far_side.port}/slow HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"body")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
    assert far_side.asked == ["POST far.example/slow body"]


LOOPBACK = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0.0.0.0", "[::ffff:127.0.0.1]", "[::1]", "far.example"]  # noqa: S104 -- asked for, not bound


@pytest.mark.parametrize("host", [*LOOPBACK, "169.254.169.254", "10.0.0.1", "[fe80::1]"])
async def test_no_private_address_is_reached_however_it_is_written(far_side: FarSide, host: str) -> None:
    async with proxy() as running:
        tunnel = await running.says(f"CONNECT {host}:{far_side.port} HTTP/1.1\r\nHost: x\r\n\r\n")
        plain = await running.says(f"GET http://{host}:{far_side.port}/ HTTP/1.1\r\nHost: public.example\r\n\r\n")
    for line in (tunnel, plain):
        assert line.split()[1] in ("403", "502")
    assert far_side.asked == []
    assert running.meter.refused == 2


async def test_of_the_hosts_that_are_named_each_is_reached_and_no_other(far_side: FarSide) -> None:
    port = far_side.port
    listed = ("127.0.0.1", "far.example", "a.far.example", "other.example")
    async with proxy(allowed=listed, hosts=("*.far.example",)) as running:
        asked = {
            host: (await running.says(f"GET http://{host}:{port}/ HTTP/1.1\r\nHost: a.far.example\r\n\r\n")).split()[1]
            for host in ("a.far.example", "A.FAR.example.", "far.example", "other.example", "127.0.0.1", "xfar.example")
        }
    assert asked == {
        "a.far.example": "200", "A.FAR.example.": "200", "far.example": "403", "other.example": "403",
        "127.0.0.1": "403", "xfar.example": "403",
    }  # fmt: skip
    assert "none of the hosts that this server may reach: *.far.example" in str(running.meter.last_refusal)


@pytest.mark.parametrize(
    ("hosts", "host", "port", "reached"),
    [
        ((), "example.com", 443, True),
        ((), "example.com", 8443, True),
        ((), "example.com", 25, False),
        (("example.com",), "example.com", 25, False),
        (("example.com:25",), "example.com", 25, True),
        (("example.com:8443",), "example.com", 443, False),
        (("*.example.com",), "example.com", 443, False),
        (("EXAMPLE.com",), "example.COM.", 443, True),
    ],
)
def test_ports_and_hosts_are_held_against_the_entry(
    hosts: tuple[str, ...], host: str, port: int, reached: bool
) -> None:
    assert (ProxyRules(hosts, 1).refusal(host, port) is None) is reached


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("GET ftp://far.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("GET https://far.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("GET http://user:secret@far.example/ HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("CONNECT far.example HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("CONNECT far.example:99999 HTTP/1.1\r\nHost: x\r\n\r\n", "400"),
        ("nonsense\r\n\r\n", "400"),
        (f"GET http://far.example/ HTTP/1.1\r\nHost: x\r\nX: {'a' * 200_000}\r\n\r\n", "431"),
    ],
)
async def test_what_is_no_request_to_a_proxy_is_refused(words: str, status: str) -> None:
    async with proxy(allowed=("far.example",)) as running:
        assert (await running.says(words)).split()[1] == status


async def test_a_connection_ends_where_it_carries_too_much(far_side: FarSide) -> None:
    base = f"http://far.example:{far_side.port}"
    async with proxy(allowed=("far.example",), max_bytes=100_000) as running, running.client() as client:
        assert len((await client.get(f"{base}/?size=90000")).text) == 90_000
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{base}/?size=200000")
        with pytest.raises((httpx.RemoteProtocolError, httpx.WriteError, httpx.ReadError)):
            await client.post(f"{base}/up", content=b"x" * 2_000_000)
    assert "more than 100000 bytes" in str(running.meter.last_refusal)
    assert not any("/up" in line for line in far_side.asked)


async def test_more_connections_than_there_may_be_are_turned_away(far_side: FarSide) -> None:
    async with proxy(allowed=("far.example",)) as running:
        held = [await asyncio.open_connection("127.0.0.1", running.port) for _ in range(32)]
        late = await running.says(f"GET http://far.example:{far_side.port}/ HTTP/1.1\r\nHost: x\r\n\r\n")
        for _, writer in held:
            writer.close()
    assert late.split()[1] == "503"
