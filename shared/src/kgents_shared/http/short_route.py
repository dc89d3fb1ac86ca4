"""A short way for a route that is called all the time: token, body, endpoint, answer, and nothing between them.

FastAPI's own way of doing that (exit stacks, dependencies, the body parsed and then validated) costs ten times as much
as what is left of it here. The route stands in the app as any other, with its document; what isn't a plain, valid JSON
request goes FastAPI's way, and so has its refusals from there.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope, Send

from kgents_shared.auth.requirements import Requirement

_SHORT = "__kgents_short__"
_JSON: Final = b"application/json"
Endpoint = Callable[..., Awaitable[Response]]
_Way = Callable[[Request], Awaitable[Response | None]]


def shortened(requirement: Requirement, parameter: str, body_type: type[BaseModel]) -> Callable[[Endpoint], Endpoint]:
    """Have an endpoint `(PARAMETER, body, principal, request)` called by the short way, on a router of `ShortRoute`s.

    `requirement` is the one that its signature names.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        async def short(request: Request) -> Response | None:
            principal = await requirement(request)
            try:
                body = body_type.model_validate_json(await request.body())
            except ValidationError:
                return None
            return await endpoint(request.path_params[parameter], body, principal, request)

        setattr(endpoint, _SHORT, short)
        return endpoint

    return mark


class ShortRoute(APIRoute):
    """A route that takes the short way where its endpoint is `shortened` and the request is of the usual form."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        short: _Way | None = getattr(self.endpoint, _SHORT, None)
        if short is None or scope["method"] != "POST" or not _is_json(scope):
            await super().handle(scope, receive, send)
            return
        request = Request(scope, receive, send)
        body = await _read(request)
        response = await short(request)
        if response is None:
            await super().handle(scope, _again(body, receive), send)
        else:
            await response(scope, receive, send)


def _is_json(scope: Scope) -> bool:
    """Whether it says so; of several types the first holds, as for FastAPI."""
    given = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    return given.lower() == _JSON


async def _read(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:  # nobody hears this
        raise HTTPException(400, "There was an error parsing the body") from error


def _again(body: bytes, receive: Receive) -> Receive:
    """What was read, once more; then whatever follows."""
    is_told = False

    async def told() -> Message:
        nonlocal is_told
        if is_told:
            return await receive()
        is_told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return told
