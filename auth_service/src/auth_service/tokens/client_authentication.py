"""Clients at the door of the OAuth endpoints: who they are, and what they do within one transaction."""

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar

from fastapi import Request

from auth_service.machines.repository import ClientRecord
from auth_service.parts import Parts
from auth_service.storage import Work
from auth_service.tokens.oauth_errors import OAuthError
from auth_service.tokens.token_request import shown_by_client

GotT = TypeVar("GotT")


async def as_client(
    request: Request,
    parts: Parts,
    form: Mapping[str, str],
    network: str,
    act: Callable[[Work, ClientRecord], Awaitable[GotT]],
) -> GotT:
    """What `act` gives for the client that the request shows. Raises `OAuthError`.

    The transaction is committed also where `act` refuses: an assertion that was shown has been used.
    """
    shown = shown_by_client(request.headers.get("authorization"), form)
    async with parts.storage.transaction() as work:
        client = await parts.machines.authenticate(work, shown)
        if client is None:
            outcome = OAuthError("invalid_client", "The client is unknown, or what it shows is wrong.")
        else:
            try:
                outcome = await act(work, client)
            except OAuthError as refused:
                outcome = refused
    if isinstance(outcome, OAuthError):
        if client is None:
            await parts.limits.wrong("client", network, shown.client_id)
        raise outcome
    return outcome
