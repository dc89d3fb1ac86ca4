"""One HTTP connection of a listener, with the bounds that uvicorn's own lacks: on a request's head, and on its time.

What is answered in one turn of the loop goes out in one piece: uvicorn writes head, body and end one by one, each of
them a system call, and a wake-up of who reads.

Trailers (RFC 9110 §6.5) are read and dropped: uvicorn takes them for headers, also when the app has looked at those.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

MAX_HEAD_BYTES = 64 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"

_MOST_GATHERED: Final = 64 * 1024


class GatheringTransport(asyncio.Transport):
    """Passes on what is written when the loop comes around, when it is much, or when it is told to."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Keep it for a moment; more than a little goes out at once, so that a slow reader is noticed."""
        if not self._pieces:
            self._loop.call_soon(self.flush)
        self._pieces.append(bytes(data))
        self._size += len(data)
        if self._size > _MOST_GATHERED:
            self.flush()

    def flush(self) -> None:
        """Send what was gathered."""
        if self._pieces:
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._size = 0
            self._transport.write(data)

    def close(self) -> None:
        """Close once what was written is sent."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.drop()
        self._transport.abort()

    def drop(self) -> None:
        """Forget what was gathered: nobody is there any more, and uvloop's transports refuse it then."""
        self._pieces.clear()
        self._size = 0

    def is_closing(self) -> bool:
        """Whether it is closed or about to be."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What is known of the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()


class BoundedConnection(HttpToolsProtocol):
    """A connection that is closed when a head takes longer than `head_patience_s` seconds or `MAX_HEAD_BYTES`.

    The parser puts a header together piece by piece, in quadratic time and without an end; and a connection on which
    nothing is asked would stay for ever. Trailers are bounded as heads are.
    """

    head_patience_s = 20.0

    _head_timer: asyncio.TimerHandle | None = None
    _silent_bytes = 0
    _told_something = False
    _is_in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """A head is awaited from now on."""
        self._gathering = GatheringTransport(transport, self.loop)
        super().connection_made(self._gathering)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_is_here()
        self._gathering.drop()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Nothing more is asked: the transport closes next, behind what was answered."""
        self._gathering.flush()

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count how much of it told nothing yet."""
        self._told_something = False
        if self._head_timer is None and self._is_idle():
            self._await_head()
        super().data_received(data)
        self._silent_bytes = 0 if self._told_something else self._silent_bytes + len(data)
        if self._silent_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            if self._is_idle():
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """The first byte of a head."""
        self._told_something = True
        self._is_in_body = False
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        if not self._is_in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The whole head is here."""
        self._is_in_body = True
        self._head_is_here()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of a body, which the app bounds."""
        self._told_something = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._told_something = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The answer is whole."""
        self._gathering.flush()
        super().on_response_complete()

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        cycle = cast("RequestResponseCycle | None", self.cycle)  # uvicorn's annotation leaves the None out
        return cycle is None or cycle.response_complete

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_patience_s, self._head_is_late)

    def _head_is_here(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
