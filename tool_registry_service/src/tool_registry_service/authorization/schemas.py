"""What goes over the wire when a server is authorized."""

from datetime import datetime
from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract
from tool_registry_service.authorization.setup import Grant


def _issuer(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise PydanticCustomError("bad_url", "must be a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise PydanticCustomError("bad_url", "must be an http or https URL with a host, and nothing after its path")
    return url


class OAuthSettings(Contract):
    """How a server is authorized by OAuth 2.1, as the MCP specification has it.

    `authorization_code`: a person agrees in a browser (`POST /mcp-servers/{id}/authorize`). `client_credentials`: the
    client in `client_ref` is enough. `client_ref` is a credential of type `mcp` with `client_id` and `client_secret`,
    which only the authorization server `issuer` is shown; without one the platform registers itself.
    """

    grant: Grant = "authorization_code"
    client_ref: CredentialRef | None = None
    issuer: Annotated[str, Field(max_length=2000), AfterValidator(_issuer)] | None = None
    scope: (
        Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$")] | None
    ) = Field(default=None, max_length=1000)

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if (self.client_ref is None) != (self.issuer is None):
            raise PydanticCustomError("bad_oauth", "client_ref and issuer go together")
        if self.grant == "client_credentials" and self.client_ref is None:
            raise PydanticCustomError("bad_oauth", "client_credentials takes client_ref and issuer")
        return self


class AuthorizationStart(Contract):
    """Where the owner of a server is to go, in a browser, before `expires_at`."""

    authorization_url: str
    expires_at: datetime


class AuthorizationEnd(Contract):
    """The server is authorized. `tools` could be listed of it; `fault` says why none could."""

    server_id: UUID
    name: str
    tools: int
    fault: str | None = None
