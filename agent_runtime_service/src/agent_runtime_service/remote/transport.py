"""httpx over the checked aiohttp session: what the A2A SDK sends goes to no address that the policy refuses."""

from collections.abc import AsyncIterator
from typing import Final

import aiohttp
import httpx

from agent_runtime_service.gateway import own_accounts
from agent_runtime_service.gateway.providers import MAX_ANSWER_BYTES
from kgents_shared.http.addresses import AddressNotPublic, AddressPolicy
from kgents_shared.http.vault import CredentialFault

_NOT_PASSED: Final = frozenset({"host", "content-length", "accept-encoding", "connection", "transfer-encoding"})


class LeadsElsewhere(AddressNotPublic):
    """A card names an address of another server than the one that it lies on; the argument is that server's."""


class CheckedTransport(httpx.AsyncBaseTransport):
    """Requests of one client, with a bearer that is shown to one origin alone."""

    def __init__(self, session: aiohttp.ClientSession, policy: AddressPolicy, origin: str, bearer: str | None) -> None:
        self._session = session
        self._policy = policy
        self._origin = origin
        self._bearer = bearer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send it. Raises `AddressNotPublic` beside httpx's own errors."""
        url = str(request.url)
        if origin_of(url) != self._origin:
            raise LeadsElsewhere(origin_of(url))
        try:
            own_accounts.refuse_private_literal(url, self._policy)
        except CredentialFault as error:
            raise AddressNotPublic(str(error)) from None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_PASSED}
        headers["Accept-Encoding"] = "identity"
        if self._bearer is not None:
            headers["Authorization"] = f"Bearer {self._bearer}"
        try:
            answer = await self._session.request(
                request.method, url, data=await request.aread(), headers=headers, allow_redirects=False
            )
        except aiohttp.ClientError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        return httpx.Response(answer.status, headers=list(answer.headers.items()), stream=_Body(answer))


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        try:
            while data := await self._answer.content.readany():
                size += len(data)
                if size > MAX_ANSWER_BYTES:
                    raise httpx.DecodingError("more than an answer may hold")
                yield data
        except aiohttp.ClientError as error:
            raise httpx.ReadError(str(error)) from error

    async def aclose(self) -> None:
        """Let the connection go; one with an answer that wasn't read is closed."""
        self._answer.release() if self._answer.content.at_eof() else self._answer.close()


def origin_of(url: str) -> str:
    """Scheme, host and port."""
    parts = httpx.URL(url)
    return f"{parts.scheme}://{parts.host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
