"""The outermost layer of a service: the correlation id in and out, bounds on bodies. Plain ASGI, no buffering."""

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kgents_shared.errors import PayloadTooLarge, RequestTimeout
from kgents_shared.errors.handlers import problem_response
from kgents_shared.telemetry.correlation import CORRELATION_HEADER, accept_correlation_id

BODY_PATIENCE_S = 30.0
_LONGEST_LENGTH = 20  # digits; a longer number is over any bound all the same

_TOO_SLOW = f"The body was not here within {BODY_PATIENCE_S:.0f} seconds."


class EdgeMiddleware:
    """Takes or makes the correlation id and returns it on every answer.

    A body over the bound (`larger_bodies` has that of paths where it isn't `max_body_bytes`) is refused with 413, one
    that isn't whole after `BODY_PATIENCE_S` seconds with 408.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, larger_bodies: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._larger_bodies = larger_bodies or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._larger_bodies.get(scope["path"], self._max_body_bytes)
        headers = Headers(scope=scope)
        current = accept_correlation_id(headers.get(CORRELATION_HEADER))

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[CORRELATION_HEADER] = current
            await send(message)

        length = headers.get("content-length", "")
        if length.isascii() and length.isdecimal() and int(length[:_LONGEST_LENGTH]) > most:
            await problem_response(PayloadTooLarge(_sentence(most)))(scope, receive, send_with_id)
            return
        await self._app(scope, self._bounded(receive, most), send_with_id)

    @staticmethod
    def _bounded(receive: Receive, most: int) -> Receive:
        seen = 0
        until: float | None = asyncio.get_running_loop().time() + BODY_PATIENCE_S

        async def counted() -> Message:
            nonlocal seen, until
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                # The rest of the body is of no use to anybody.
                raise HTTPException(RequestTimeout.status, _TOO_SLOW, {"Connection": "close"}) from None
            if not message.get("more_body", False):
                until = None
            seen += len(message.get("body", b""))
            if seen > most:
                # Starlette's own error: FastAPI makes a 400 of any other that comes up while a body is read.
                raise HTTPException(PayloadTooLarge.status, _sentence(most))
            return message

        return counted


def _sentence(most: int) -> str:
    return f"The body is over {most} bytes, the most that is taken here."
