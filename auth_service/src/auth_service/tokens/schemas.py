"""Shapes of the token endpoint."""

from typing import Any, Literal

from pydantic import BaseModel


class TokenAnswer(BaseModel):
    """A successful answer (RFC 6749 §5.1). `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- RFC 6750's name of the type
    expires_in: int
    scope: str
    refresh_token: str | None = None


# The endpoint reads its form itself, so that its faults are RFC 6749's; this tells the OpenAPI document of it.
TOKEN_REQUEST: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/x-www-form-urlencoded": {
                "schema": {
                    "type": "object",
                    "required": ["grant_type"],
                    "properties": {
                        "grant_type": {"type": "string", "enum": ["client_credentials", "refresh_token"]},
                        "client_id": {"type": "string"},
                        "client_secret": {"type": "string", "format": "password"},
                        "audience": {"type": "string", "description": "The service that the token is for."},
                        "scope": {"type": "string", "description": "Space-separated; narrows the token."},
                        "refresh_token": {"type": "string", "format": "password"},
                    },
                }
            }
        },
    }
}
