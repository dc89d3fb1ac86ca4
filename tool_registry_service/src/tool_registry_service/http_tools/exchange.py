"""One request and its answer, through the client that checks every address.

The credential goes to the origin that the definition names and nowhere else: once a redirect leads away, what follows
has neither it nor the headers and the body of the call.
"""

import asyncio
from dataclasses import dataclass

import httpx

from tool_registry_service.errors import (
    AddressRefused,
    AnswerTooLarge,
    ArgumentRefused,
    CallTimedOut,
    ConnectionLost,
    NeverSent,
    ToolCallFault,
)
from tool_registry_service.http_tools.secrets import Shown
from tool_registry_service.http_tools.sending import Outgoing, origin_of
from tool_registry_service.outgoing.client import OutgoingHttp

_MAX_REDIRECTS = 5
_BARE = {"accept": "application/json, text/*;q=0.9, */*;q=0.1", "user-agent": "Kgents/0.1"}
_SAFE = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, read to its end. `url` is where it came from."""

    status: int
    reason: str
    content_type: str
    body: bytes
    url: str


async def exchange(http: OutgoingHttp, wanted: Outgoing, shown: Shown, timeout_s: float) -> Answered:
    """Send a request and read its answer.

    Raises:
        ToolCallFault: there is none; the kind says whether the request may have had an effect.
    """
    home = origin_of(wanted.url)
    # What answers a change by leading on has most likely made it.
    astray = ToolCallFault if wanted.method in _SAFE else ConnectionLost
    try:
        async with asyncio.timeout(timeout_s), http.client() as client:
            sent, at_home = _built(client, shown.on(wanted)), True
            for hop in range(_MAX_REDIRECTS + 1):
                answer = await _sent(client, sent, None if hop == 0 else astray)
                if answer.next_request is None:
                    return await _read(answer)
                await answer.aclose()
                following = answer.next_request
                at_home = at_home and origin_of(str(following.url)) == home
                sent = _followed(client, following, shown if at_home else None)
    except TimeoutError as error:
        raise CallTimedOut(f"It did not answer within {timeout_s:g} s; whether it took effect is not known.") from error
    raise astray(f"It redirects more than {_MAX_REDIRECTS} times.")


def _built(client: httpx.AsyncClient, wanted: Outgoing) -> httpx.Request:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in (_BARE | wanted.headers).items()]
    try:
        return client.build_request(wanted.method, wanted.full_url, headers=headers, content=wanted.content)
    except httpx.InvalidURL as error:
        raise ArgumentRefused(f"The request has no address that can be sent: {_said(error)}") from error


async def _sent(
    client: httpx.AsyncClient, request: httpx.Request, astray: type[ToolCallFault] | None
) -> httpx.Response:
    """The head of an answer; `astray` is what comes of one that a redirect led to and that can't be had."""
    try:
        return await client.send(request, stream=True, follow_redirects=False)
    except (AddressRefused, httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        if astray is not None:
            raise astray(f"It redirects to where nothing can be reached. {_said(error)}".strip()) from error
        if isinstance(error, AddressRefused):
            raise
        raise NeverSent(f"It can't be reached. {_said(error)}".strip()) from error
    except httpx.TimeoutException as error:
        raise CallTimedOut("It did not answer in time; whether it took effect is not known.") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ConnectionLost("The connection broke; whether the call took effect is not known.") from error


async def _read(answer: httpx.Response) -> Answered:
    try:
        body = await answer.aread()
    except AnswerTooLarge:
        raise
    except httpx.TimeoutException as error:
        raise CallTimedOut("It did not answer in time; whether it took effect is not known.") from error
    except httpx.HTTPError as error:
        raise ConnectionLost("The connection broke within the answer.") from error
    finally:
        await answer.aclose()
    content_type = answer.headers.get("content-type", "")
    return Answered(answer.status_code, answer.reason_phrase, content_type, body, str(answer.url))


def _followed(client: httpx.AsyncClient, following: httpx.Request, shown: Shown | None) -> httpx.Request:
    """The request that a redirect asks for: as httpx makes it at home, bare elsewhere."""
    if shown is None:
        if following.method not in _SAFE:
            raise ToolCallFault(f"It redirects a {following.method} to another address, which is not followed.")
        return client.build_request(following.method, following.url, headers=_BARE)
    there = dict(following.url.params)
    missing = {name: value for name, value in shown.query if name not in there}
    if missing:
        following.url = following.url.copy_merge_params(missing)
    following.headers.update(shown.headers)
    return following


def _said(error: Exception) -> str:
    return str(error)[:300]
