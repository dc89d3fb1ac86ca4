"""Connections of a real listener: clients that mean no good (heads and trailers without end, silence), and writes."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from platform_host.connection import MAX_HEAD_BYTES, BoundedConnection, GatheringTransport
from platform_host.listeners import Listener
from platform_host.sockets import bind_tcp

REQUEST = b"GET / HTTP/1.1\r\nHost: kgents\r\n\r\n"
# What the kernel and the parser may have taken in before the connection is closed.
SLACK_BYTES = 16 * 1024 * 1024


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    text = f"{size} bytes".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


@pytest.fixture
async def port() -> AsyncGenerator[int]:
    listening = bind_tcp("127.0.0.1", 0)
    listener = Listener(app, listening=listening, grace_s=1)
    await listener.start()
    yield listening.getsockname()[1]
    await listener.stop()


async def _told_until_closed(reader: asyncio.StreamReader) -> bytes:
    try:
        async with asyncio.timeout(60):
            return await reader.read()
    except ConnectionError:
        return b""


async def _pour(writer: asyncio.StreamWriter, piece: bytes) -> int:
    """How much could be sent before the far side closed."""
    sent = 0
    try:
        while sent <= SLACK_BYTES and not writer.transport.is_closing():
            writer.write(piece)
            await writer.drain()
            sent += len(piece)
            await asyncio.sleep(0)
    except ConnectionError:
        return sent
    return sent


@pytest.mark.parametrize(
    "begin",
    [
        b"GET / HTTP/1.1\r\nX-Endless: ",
        b"GET / HTTP/1.1\r\n",
        b"GET /",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Endless: ",
    ],
    ids=["one header", "many headers", "path", "trailer"],
)
async def test_a_head_without_end_is_cut_off(port: int, begin: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    await writer.drain()
    piece = b"X-Header: x\r\n" * 1000 if begin.endswith(b"1.1\r\n") else b"a" * 65536
    assert await _pour(writer, piece) <= SLACK_BYTES
    writer.close()
    await _told_until_closed(reader)


async def test_a_head_over_the_bound_is_431(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nX-Long: ")
    for _ in range(8):
        writer.write(b"a" * (MAX_HEAD_BYTES // 4))
        await writer.drain()
        await asyncio.sleep(0)
    told = await _told_until_closed(reader)
    assert told == b"" or told.startswith(b"HTTP/1.1 431 ")
    writer.close()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", REQUEST[:-2], REQUEST + b"\r\n"], ids=repr)
async def test_a_connection_on_which_no_request_is_made_whole_is_closed(
    port: int, sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedConnection, "head_patience_s", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if sent.startswith(REQUEST):
        writer.write(REQUEST)
        await reader.readuntil(b"0 bytes")
        sent = sent.removeprefix(REQUEST)
    writer.write(sent)
    assert await _told_until_closed(reader) == b""
    writer.close()


async def test_large_bodies_and_one_request_after_another_go_through(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BoundedConnection, "head_patience_s", 5.0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = b"b" * (4 * MAX_HEAD_BYTES)
    for _ in range(3):
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        answer = await reader.readuntil(b" bytes")
        assert answer.endswith(b"%d bytes" % len(body))
    chunks = b"".join(b"1\r\nc\r\n" for _ in range(MAX_HEAD_BYTES))
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
    assert (await reader.readuntil(b" bytes")).endswith(b"%d bytes" % MAX_HEAD_BYTES)
    writer.write(REQUEST + REQUEST)
    for _ in range(2):
        assert (await reader.readuntil(b" bytes")).endswith(b"0 bytes")
    writer.close()


class _Written(asyncio.Transport):
    """A transport that tells what was written to it, piece by piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.is_closed = True


async def test_what_is_written_in_one_turn_of_the_loop_goes_out_in_one_piece_and_before_a_close() -> None:
    written = _Written()
    gathering = GatheringTransport(written, asyncio.get_running_loop())
    gathering.write(b"head ")
    gathering.write(b"body")
    assert written.pieces == []
    await asyncio.sleep(0)
    assert written.pieces == [b"head body"]
    gathering.write(b"x" * 65_537)
    assert len(written.pieces) == 2
    gathering.write(b"last")
    gathering.close()
    assert (written.pieces[2:], written.is_closed) == ([b"last"], True)


async def test_an_answer_reaches_who_asks_nothing_more_and_is_forgotten_with_who_is_gone() -> None:
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(app, http=BoundedConnection, ws="none", lifespan="off", log_config=None)
    config.load()
    ends: list[tuple[Callable[[BoundedConnection], None], list[bytes]]] = [
        (lambda connection: connection.eof_received(), [b"answer"]),
        (lambda connection: connection.connection_lost(None), []),
    ]
    for end, told in ends:
        written = _Written()
        connection = BoundedConnection(config, ServerState(), {}, loop)
        connection.connection_made(written)
        connection.transport.write(b"answer")
        end(connection)
        assert written.pieces == told
        await asyncio.sleep(0)
        assert written.pieces == told
