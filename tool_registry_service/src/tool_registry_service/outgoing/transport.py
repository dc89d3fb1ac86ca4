"""An httpx transport that resolves a host, checks every address, and connects to the checked address.

The check sits where connections are made, below redirects, retries and keep-alive, so that nothing gets around it:
the name isn't resolved a second time, and each redirect makes a connection of its own.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Generator, Iterable
from contextlib import contextmanager
from typing import Protocol, cast

import httpcore
import httpx

from kgents_shared.http.addresses import AddressNotPublic, AddressPolicy
from tool_registry_service.errors import AddressRefused, AnswerTooLarge


class Resolver(Protocol):
    """Turns a host name into addresses."""

    async def addresses(self, host: str, port: int) -> list[str]:
        """Every address of `host`, as text; raises OSError where it has none."""
        ...


class SystemResolver:
    """The operating system's resolver."""

    async def addresses(self, host: str, port: int) -> list[str]:
        """Every address of `host`, each once, in the system's order of preference."""
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(row[4][0]) for row in found))


class CheckedNetwork(httpcore.AsyncNetworkBackend):
    """Dials only what the policy lets through; `inner` dials the addresses."""

    def __init__(self, policy: AddressPolicy, resolver: Resolver, inner: httpcore.AsyncNetworkBackend) -> None:
        self._policy = policy
        self._resolver = resolver
        self._inner = inner

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's own signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first checked address of `host` that answers."""
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolver.addresses(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout(f"{host} was not resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(f"{host} can't be resolved") from error
        failure: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in self._checked(host, port, found):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure or httpcore.ConnectError(f"{host} has no address")

    def _checked(self, host: str, port: int, found: list[str]) -> list[str]:
        try:
            return self._policy.checked(host, port, found)
        except AddressNotPublic as error:
            raise AddressRefused(f"{error} An operator can list it in TOOLS_SSRF_ALLOWED_HOSTS.") from None

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109 -- httpcore's own signature
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Refused: no outgoing call goes to a Unix socket."""
        raise AddressRefused("Outgoing calls don't go to Unix sockets.")

    async def sleep(self, seconds: float) -> None:
        """Wait, as the pool asks to between its tries."""
        await asyncio.sleep(seconds)


class _BoundedBody(httpx.AsyncByteStream):
    """A response's body that fails once it is longer than it may be."""

    def __init__(self, inner: AsyncIterator[bytes], close: httpcore.Response, limit: int, tell: "Tell") -> None:
        self._inner = inner
        self._response = close
        self._limit = limit
        self._tell = tell

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        with _as_httpx_errors():
            async for part in self._inner:
                seen += len(part)
                if seen > self._limit:
                    error = AnswerTooLarge(f"The answer is over {self._limit} bytes, the most that is read.")
                    self._tell(error)
                    raise error
                yield part

    async def aclose(self) -> None:
        """Give the connection back, or end it where the body wasn't read to its end."""
        await self._response.aclose()


Tell = Callable[[Exception], None]


class GuardedTransport(httpx.AsyncBaseTransport):
    """Connections that `network` lets through, bodies of at most `max_answer_bytes`, no compressed answers.

    `tell` hears of a body that was cut off, for callers whose library swallows the error.
    """

    def __init__(
        self, network: CheckedNetwork, tls: ssl.SSLContext, max_answer_bytes: int, tell: Tell = lambda _: None
    ) -> None:
        self._max_answer_bytes = max_answer_bytes
        self._tell = tell
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls, max_connections=32, keepalive_expiry=30, network_backend=network
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; httpx follows redirects by calling this again."""
        if request.url.scheme not in ("http", "https"):
            raise AddressRefused(f"{request.url.scheme} is not a scheme that outgoing calls may use.")
        # A compressed answer could unfold to any size.
        request.headers["accept-encoding"] = "identity"
        sent = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=request.url.raw_scheme,
                host=request.url.raw_host,
                port=request.url.port,
                target=request.url.raw_path,
            ),
            headers=request.headers.raw,
            content=cast("httpx.AsyncByteStream", request.stream),
            extensions=request.extensions,
        )
        with _as_httpx_errors():
            answer = await self._pool.handle_async_request(sent)
        encodings = [value for name, value in answer.headers if name.lower() == b"content-encoding"]
        if any(value.strip().lower() not in (b"", b"identity") for value in encodings):
            await answer.aclose()
            raise AnswerTooLarge("The answer is compressed, which was not asked for and is not read.")
        body = _BoundedBody(answer.aiter_stream(), answer, self._max_answer_bytes, self._tell)
        return httpx.Response(answer.status, headers=answer.headers, stream=body, extensions=answer.extensions)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


_ERRORS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (httpcore.ConnectTimeout, httpx.ConnectTimeout),
    (httpcore.PoolTimeout, httpx.PoolTimeout),
    (httpcore.ReadTimeout, httpx.ReadTimeout),
    (httpcore.WriteTimeout, httpx.WriteTimeout),
    (httpcore.TimeoutException, httpx.TimeoutException),
    (httpcore.ConnectError, httpx.ConnectError),
    (httpcore.ReadError, httpx.ReadError),
    (httpcore.WriteError, httpx.WriteError),
    (httpcore.NetworkError, httpx.NetworkError),
    (httpcore.RemoteProtocolError, httpx.RemoteProtocolError),
    (httpcore.LocalProtocolError, httpx.LocalProtocolError),
    (httpcore.ProtocolError, httpx.ProtocolError),
)


@contextmanager
def _as_httpx_errors() -> Generator[None]:
    try:
        yield
    except Exception as error:
        for theirs, ours in _ERRORS:
            if isinstance(error, theirs):
                raise ours(str(error)) from error
        raise
