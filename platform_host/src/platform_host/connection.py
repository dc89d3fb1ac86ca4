"""One HTTP connection of a listener, with the bounds that uvicorn's own lacks: on a request's head, and on its time.

Trailers (RFC 9110 §6.5) are read and dropped: uvicorn takes them for headers, also when the app has looked at those.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

MAX_HEAD_BYTES = 64 * 1024
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


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

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A head is awaited from now on."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_is_here()
        super().connection_lost(exc)

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
