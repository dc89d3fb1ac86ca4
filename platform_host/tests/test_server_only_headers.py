"""Headers that only servers may set don't come in at the public door, however a connection brings them (CP-2.4)."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest

from kgents_shared.contracts.path_table import load_path_table
from platform_host.dispatcher import Dispatcher
from platform_host.listeners import Listener
from platform_host.sockets import bind_tcp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Receive, Scope, Send

PREFIXES = load_path_table().server_only_header_prefixes


class Mirror:
    """A service that tells which headers it has once the whole request is there."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.begun.set()
        while (await receive()).get("more_body", False):
            pass
        seen = json.dumps([[name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]])
        headers = [(b"content-length", str(len(seen)).encode()), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": seen.encode()})


class Door:
    """The public listener before one service."""

    def __init__(self, port: int, mirror: Mirror) -> None:
        self.port = port
        self._mirror = mirror

    async def asks(self, *pieces: bytes) -> tuple[int, list[list[str]]]:
        """The status, and the headers that the service saw. What follows the first piece is sent when it is at work."""
        self._mirror.begun.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        first, *others = pieces
        writer.write(first)
        for piece in others:
            await asyncio.wait_for(self._mirror.begun.wait(), 60)
            writer.write(piece)
        head, _, body = (await asyncio.wait_for(reader.read(), 60)).partition(b"\r\n\r\n")
        writer.close()
        status = int(head.split()[1])
        return status, json.loads(body) if status == 200 else []


@pytest.fixture
async def door() -> AsyncGenerator[Door]:
    mirror, listening = Mirror(), bind_tcp("127.0.0.1", 0)
    listener = Listener(Dispatcher(load_path_table(), {"management": mirror}, {}), listening=listening, grace_s=1)
    await listener.start()
    yield Door(listening.getsockname()[1], mirror)
    await listener.stop()


def server_only(headers: list[list[str]]) -> list[str]:
    return [name for name, _ in headers if name.lower().replace("_", "-").startswith(PREFIXES)]


def request(*lines: bytes) -> bytes:
    return b"\r\n".join([b"GET /api/v1/agents HTTP/1.1", b"Host: kgents", *lines, b"", b""])


CHUNKED = b"POST /api/v1/agents HTTP/1.1\r\nHost: kgents\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        request(b"X-Metering-Cost: 0", b"x-kgents-run: 1", b"X_Kgents_Epoch: 1", b"X-KGENTS_Owner: me"),
        request(b"X-Kgents-Run : 1"),
        request(b" X-Kgents-Run: 1"),
        request(b"A: b", b" X-Kgents-Run: 1"),
        request(b"A: b\nX-Kgents-Run: 1"),
        request(b"A: b\rX-Kgents-Run: 1"),
        request(b"A: b\0\r\nX-Kgents-Run: 1"),
        request(b"X-Kgents-Run", b": 1"),
        request(b"X-Kgents-Run: 1", b"Connection: close, X-Kgents-Run"),
        request(b"Connection: X-Kgents-Run", b"X-Kgents-Run: 1", b"X-Kgents-Run: 2"),
        request(b"X-Kgents-Run:", b"X-Metering-:\t"),
        CHUNKED + b"1\r\nx\r\n0\r\nX-Kgents-Run: 1\r\nX_Metering_Cost: 0\r\n\r\n",
    ],
)
async def test_no_way_of_writing_them_brings_them_in(door: Door, sent: bytes):
    status, seen = await door.asks(sent)
    assert status in {200, 400}
    assert server_only(seen) == []


async def test_trailers_bring_none_nor_anything_else_even_when_the_service_is_at_work(door: Door):
    trailers = b"0\r\nX-Kgents-Run: 1\r\nHost: elsewhere\r\nAuthorization: Bearer t\r\n\r\n"
    for pieces in ([CHUNKED + b"1\r\nx\r\n", trailers], [CHUNKED + b"1\r\nx\r\n" + trailers]):
        assert await door.asks(*pieces) == (200, [["host", "kgents"], ["transfer-encoding", "chunked"]])


@pytest.mark.parametrize("listed", [b"authorization, x-correlation-id", b"Authorization", b"host"])
async def test_a_caller_that_lists_a_header_as_the_connections_own_takes_nothing_away(door: Door, listed: bytes):
    lines = (b"Connection: " + listed, b"Authorization: Bearer t", b"X-Correlation-Id: abc")
    status, seen = await door.asks(request(*lines, b"X-Kgents-Run: 1"))
    assert status == 200
    assert [row for row in seen if row[0] != "connection"] == [
        ["host", "kgents"],
        ["authorization", "Bearer t"],
        ["x-correlation-id", "abc"],
    ]
