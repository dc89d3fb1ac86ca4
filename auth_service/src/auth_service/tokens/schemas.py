"""Shapes of the OAuth endpoints."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from auth_service.tokens import exchange
from auth_service.tokens.token_request import ASSERTION_TYPE

GRANTS = ("client_credentials", "refresh_token", exchange.GRANT)


class TokenAnswer(BaseModel):
    """A successful answer (RFC 6749 §5.1, RFC 8693 §2.2.1). `expires_in` is in seconds."""

    access_token: str
    issued_token_type: str | None = None
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- RFC 6750's name of the type
    expires_in: int
    scope: str
    refresh_token: str | None = None


class Introspection(BaseModel):
    """What a token says (RFC 7662 §2.2); of one that isn't good, or isn't the asker's, only that."""

    model_config = ConfigDict(extra="allow")

    active: bool


def _form(required: list[str], **properties: dict[str, Any]) -> dict[str, Any]:
    """A form, for the OpenAPI document: the endpoints read theirs themselves, so that its faults are RFC 6749's."""
    of_client = {
        "client_id": {"type": "string"},
        "client_secret": {"type": "string", "format": "password"},
        "client_assertion_type": {"type": "string", "enum": [ASSERTION_TYPE]},
        "client_assertion": {"type": "string", "format": "password"},
    }
    schema = {"type": "object", "required": required, "properties": {**properties, **of_client}}
    return {
        "requestBody": {"required": True, "content": {"application/x-www-form-urlencoded": {"schema": schema}}},
    }


_SECRET = {"type": "string", "format": "password"}
_TOKEN_TYPE = {"type": "string", "enum": [exchange.ACCESS_TOKEN]}
TOKEN_REQUEST = _form(
    ["grant_type"],
    grant_type={"type": "string", "enum": list(GRANTS)},
    audience={"type": "string", "description": "The service that the token is for."},
    scope={"type": "string", "description": "Space-separated; narrows the token."},
    refresh_token=_SECRET,
    subject_token=_SECRET,
    subject_token_type=_TOKEN_TYPE,
    requested_token_type=_TOKEN_TYPE,
)
TOKEN_ABOUT = _form(["token"], token=_SECRET, token_type_hint={"type": "string"})
