"""Errors of the token endpoint, in the shape of RFC 6749 §5.2."""

from typing import Literal

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

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
