"""An HTTP proxy that reaches what outgoing calls may reach, and nothing else.

It is the only way out for a stdio server with `network = "proxy"`: such a server has a network of its own, and the
socket that listens on its loopback is served here, in the platform's process (`stdio_guard`). Names are resolved and
addresses checked by the same `CheckedNetwork` that the platform's own outgoing calls are made with.

`CONNECT` (RFC 9110 §9.3.6) gives a tunnel; a request with an absolute `http` URL (RFC 9112 §3.2.2) is sent on, one a
connection.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import h11
import httpcore
import structlog

from tool_registry_service.errors import AddressRefused
from tool_registry_service.outgoing.proxy_rules import ProxyMeter, ProxyRules
from tool_registry_service.outgoing.transport import CheckedNetwork

_log = structlog.get_logger("kgents.tools.proxy")
_MAX_HEAD: Final = 32_768
_PART: Final = 65_536
_HEAD_WITHIN_S: Final = 15.0
_CONNECT_WITHIN_S: Final = 10.0
_IDLE_S: Final = 120.0
_LONGEST_S: Final = 3600.0
_MAX_CONNECTIONS: Final = 32
_LOGGED_REFUSALS: Final = 50
# Of one connection alone (RFC 9110 §7.6.1); `expect` is answered here.
_HOP_BY_HOP: Final = frozenset(
    (b"connection", b"proxy-connection", b"proxy-authorization", b"keep-alive", b"te", b"upgrade", b"expect", b"host")
)


class _Refusal(Exception):
    """What is answered instead; the text says why."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class OutgoingProxy:
    """The proxy of one server; `meter` is told what goes through it."""

    server: str
    network: CheckedNetwork
    rules: ProxyRules
    meter: ProxyMeter

    @asynccontextmanager
    async def serve(self, listener: socket.socket) -> AsyncGenerator[None]:
        """Answer at `listener`, which is closed at the end, with every connection."""
        running: set[asyncio.Task[None]] = set()

        def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.create_task(self._serve(reader, writer, crowded=len(running) >= _MAX_CONNECTIONS))
            running.add(task)
            task.add_done_callback(running.discard)

        server = await asyncio.start_server(taken, sock=listener, limit=_PART)
        try:
            yield
        finally:
            server.close()
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, crowded: bool) -> None:
        self.meter.connections += 1
        try:
            async with asyncio.timeout(_LONGEST_S):
                if crowded:
                    raise _Refusal(HTTPStatus.SERVICE_UNAVAILABLE, f"More than {_MAX_CONNECTIONS} connections.")
                await self._answer(reader, writer)
        except _Refusal as refusal:
            await self._refuse(writer, refusal)
        except (OSError, TimeoutError, h11.ProtocolError, httpcore.NetworkError, httpcore.TimeoutException) as error:
            _log.debug("stdio_proxy_connection_ended", server=self.server, error=f"{type(error).__name__}: {error}")
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
        with _as_bad_request():
            request = await _next(client, reader)
        if not isinstance(request, h11.Request):
            return
        if request.method == b"CONNECT":
            await self._tunnel(client, request, reader, writer)
        else:
            await self._send_on(client, request, reader, writer)

    async def _tunnel(
        self, client: h11.Connection, request: h11.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, port, _ = _place(b"//" + request.target)
        stream = await self._dial(host, port)
        try:
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _next(client, reader)
            early = client.trailing_data[0]
            if early:
                await stream.write(early, _IDLE_S)
            up = asyncio.create_task(self._up(reader, stream))
            down = asyncio.create_task(self._down(stream, writer))
            try:
                await asyncio.wait({up, down}, return_when="FIRST_COMPLETED")
                if up.done() and up.exception() is None:
                    await down
            finally:
                for task in (up, down):
                    task.cancel()
                await asyncio.gather(up, down, return_exceptions=True)
        finally:
            await stream.aclose()

    async def _send_on(
        self, client: h11.Connection, request: h11.Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if not request.target.lower().startswith(b"http://"):
            raise _Refusal(
                HTTPStatus.BAD_REQUEST, "This is a proxy: it takes CONNECT, and requests with an absolute http URL."
            )
        host, port, path = _place(request.target)
        stream = await self._dial(host, port or 80)
        far = h11.Connection(h11.CLIENT)
        named = f"[{host}]" if ":" in host else host
        headers = [(b"Host", (named if port in (None, 80) else f"{named}:{port}").encode())]
        headers += [(name, value) for name, value in request.headers if name not in _HOP_BY_HOP]
        headers.append((b"Connection", b"close"))
        try:
            sent = far.send(h11.Request(method=request.method, target=path, headers=headers))
            await self._give(stream, sent)
            if client.they_are_waiting_for_100_continue:
                writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            allowance = self._allowance()
            while not isinstance(event := await _next(client, reader), h11.EndOfMessage):
                if not isinstance(event, h11.Data):
                    return
                allowance(len(event.data))
                await self._give(stream, far.send(event))
            await self._give(stream, far.send(h11.EndOfMessage()))
            await self._down(stream, writer)
        finally:
            await stream.aclose()

    async def _dial(self, host: str, port: int | None) -> httpcore.AsyncNetworkStream:
        if port is None:
            raise _Refusal(HTTPStatus.BAD_REQUEST, "CONNECT must name a port.")
        reason = self.rules.refusal(host, port)
        if reason is not None:
            raise _Refusal(HTTPStatus.FORBIDDEN, reason)
        try:
            return await self.network.connect_tcp(host, port, _CONNECT_WITHIN_S)
        except AddressRefused as error:
            raise _Refusal(HTTPStatus.FORBIDDEN, str(error)) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise _Refusal(HTTPStatus.BAD_GATEWAY, f"{host}:{port} can't be reached: {error}") from None

    async def _up(self, reader: asyncio.StreamReader, stream: httpcore.AsyncNetworkStream) -> None:
        allowance = self._allowance()
        while True:
            async with asyncio.timeout(_IDLE_S):
                data = await reader.read(_PART)
            if not data:
                return
            allowance(len(data))
            await self._give(stream, data)

    async def _down(self, stream: httpcore.AsyncNetworkStream, writer: asyncio.StreamWriter) -> None:
        allowance = self._allowance()
        while data := await stream.read(_PART, _IDLE_S):
            self.meter.bytes_received += len(data)
            allowance(len(data))
            writer.write(data)
            await writer.drain()

    async def _give(self, stream: httpcore.AsyncNetworkStream, data: bytes | None) -> None:
        if data:
            self.meter.bytes_sent += len(data)
            await stream.write(data, _IDLE_S)

    def _allowance(self) -> Callable[[int], None]:
        """Counts what goes one way; the connection ends where that is too much."""
        left = self.rules.max_bytes

        def take(size: int) -> None:
            nonlocal left
            left -= size
            if left < 0:
                self._told(f"A connection carried more than {self.rules.max_bytes} bytes one way.")
                raise ConnectionAbortedError("over the bound")

        return take

    async def _refuse(self, writer: asyncio.StreamWriter, refusal: _Refusal) -> None:
        self._told(str(refusal))
        text = f"{refusal}\n".encode()
        head = (
            f"HTTP/1.1 {refusal.status.value} {refusal.status.phrase}\r\nContent-Type: text/plain; charset=utf-8\r\n"
            f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + text)
        try:
            await writer.drain()
        except ConnectionError as error:
            _log.debug("stdio_proxy_connection_ended", server=self.server, error=str(error))

    def _told(self, reason: str) -> None:
        self.meter.refused += 1
        self.meter.last_refusal = reason[:500]
        if self.meter.refused <= _LOGGED_REFUSALS:
            _log.info("stdio_proxy_refused", server=self.server, reason=reason[:500])


async def _next(client: h11.Connection, reader: asyncio.StreamReader) -> object:
    """The next event of what the server sends; raises `h11.RemoteProtocolError`, TimeoutError."""
    while (event := client.next_event()) is h11.NEED_DATA:
        async with asyncio.timeout(_HEAD_WITHIN_S):
            client.receive_data(await reader.read(_PART))
    return event


@contextmanager
def _as_bad_request() -> Generator[None]:
    try:
        yield
    except h11.RemoteProtocolError as error:
        raise _Refusal(HTTPStatus(error.error_status_hint), f"That is no HTTP request: {error}") from error


def _place(target: bytes) -> tuple[str, int | None, bytes]:
    """Host, port if one is named, and path with query of a URL."""
    try:
        parts = urlsplit(target.decode("ascii"))
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise _Refusal(HTTPStatus.BAD_REQUEST, "That is no URL.") from error
    if not host or parts.username is not None or parts.password is not None:
        raise _Refusal(HTTPStatus.BAD_REQUEST, "A URL must have a host, and neither user nor password.")
    path = parts.path or "/"
    return host, port, (f"{path}?{parts.query}" if parts.query else path).encode()
