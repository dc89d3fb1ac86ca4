"""Errors of the token endpoint, in the shape of RFC 6749 §5.2."""

from typing import Any, Literal

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from kgents_shared.http.openapi import refusals

OAuthCode = Literal[
    "invalid_request",
    "invalid_client",
    "invalid_grant",
    "unauthorized_client",
    "unsupported_grant_type",
    "invalid_scope",
    "invalid_target",
    "unsupported_token_type",
]


class OAuthRefusal(BaseModel):
    """A refusal of the OAuth endpoints."""

    error: OAuthCode
    error_description: str


# Failures are counted by network: too many of them, and one waits.
OAUTH_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthRefusal},
    401: {"model": OAuthRefusal},
    **refusals(429),
}
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthError(Exception):
    """A refusal of the token endpoint: 400, or 401 with a challenge for `invalid_client`."""

    def __init__(self, code: OAuthCode, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


async def on_oauth_error(_: Request, error: Exception) -> Response:
    """Render an `OAuthError`."""
    if not isinstance(error, OAuthError):
        raise error
    headers = dict(NO_STORE)
    if error.code == "invalid_client":
        headers["WWW-Authenticate"] = 'Basic realm="kgents"'
    status = 401 if error.code == "invalid_client" else 400
    return JSONResponse({"error": error.code, "error_description": error.description}, status, headers)
