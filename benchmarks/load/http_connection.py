"""One keep-alive HTTP/1.1 connection that costs the load generator next to nothing."""

import asyncio
from dataclasses import dataclass
from typing import cast

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Status and the whole body."""

    status: int
    body: bytes


class BrokenAnswer(Exception):
    """The connection ended within an answer, or what came is no HTTP."""


def parse_answer(data: bytes) -> tuple[HttpAnswer, int] | None:
    """The first answer in `data` and how many bytes it took; None while it isn't all there. Raises BrokenAnswer."""
    head_end = data.find(_HEAD_END)
    if head_end < 0:
        return None
    head = data[:head_end].lower()
    if not head.startswith(b"http/1."):
        raise BrokenAnswer(f"no HTTP: {head[:40]!r}")
    status = int(head[9:12])
    start = head_end + len(_HEAD_END)
    length = _header(head, b"content-length")
    if length is not None:
        end = start + int(length)
        return (HttpAnswer(status, data[start:end]), end) if len(data) >= end else None
    if _header(head, b"transfer-encoding") == b"chunked":
        return _parse_chunks(status, data, start)
    if status == 204:
        return HttpAnswer(status, b""), start
    raise BrokenAnswer("an answer without a length")


def _header(head: bytes, name: bytes) -> bytes | None:
    at = head.find(b"\r\n" + name + b":")
    if at < 0:
        return None
    line_end = head.find(b"\r\n", at + 2)
    line = head[at + 2 :] if line_end < 0 else head[at + 2 : line_end]
    return line.partition(b":")[2].strip()


def _parse_chunks(status: int, data: bytes, start: int) -> tuple[HttpAnswer, int] | None:
    body = b""
    while (line_end := data.find(b"\r\n", start)) >= 0:
        size = int(data[start:line_end].partition(b";")[0], 16)
        end = line_end + 2 + size
        if len(data) < end + 2:
            return None
        if size == 0:
            return HttpAnswer(status, body), end + 2
        body += data[line_end + 2 : end]
        start = end + 2
    return None


class HttpConnection(asyncio.Protocol):
    """Requests one after the other; it connects anew when the server has closed in between."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._transport: asyncio.WriteTransport | None = None
        self._received = bytearray()
        self._waiting: asyncio.Future[HttpAnswer] | None = None

    async def exchange(self, request: bytes) -> HttpAnswer:
        """Send one request, wait for its answer. Raises BrokenAnswer, OSError."""
        loop = asyncio.get_running_loop()
        if self._transport is None or self._transport.is_closing():
            self._received.clear()
            await loop.create_connection(lambda: self, self._host, self._port)
        assert self._transport is not None
        self._waiting = loop.create_future()
        self._transport.write(request)
        return await self._waiting

    def close(self) -> None:
        """Close it; safe to call twice."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own type is no subclass

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._waiting is None or self._waiting.done():
            return
        try:
            parsed = parse_answer(bytes(self._received))
        except (BrokenAnswer, ValueError) as error:
            self._waiting.set_exception(BrokenAnswer(str(error)))
            self.close()
            return
        if parsed is not None:
            answer, taken = parsed
            del self._received[:taken]
            self._waiting.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(BrokenAnswer(f"the connection ended within an answer: {exc}"))
