"""What goes over the wire for MCP servers (DESIGN §12)."""

from datetime import datetime
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract

ServerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max_length=63)]


def _http_url(url: str) -> str:
    import httpx  # noqa: PLC0415 -- the HTTP client isn't part of the service's start

    try:
        parts = urlsplit(url)
        httpx.URL(url)
        port_is_fine = parts.port is None or parts.port > 0
    except (ValueError, httpx.InvalidURL) as error:
        raise PydanticCustomError("bad_url", "must be a URL") from error
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_fine:
        raise PydanticCustomError("bad_url", "must be an http or https URL with a host")
    if parts.username is not None or parts.password is not None:
        raise PydanticCustomError("secret_in_url", "must not carry a user name or password")
    if any(char.isspace() or ord(char) < 0x20 for char in url):
        raise PydanticCustomError("bad_url", "must not contain spaces or control characters")
    return url


class NewMcpServer(Contract):
    """Body of `POST /mcp-servers`. `command` names an entry of the operator's list; no path is taken.

    `credential_ref` is a credential of the server's owner, of type `mcp`: its secret goes to the server as a bearer.
    """

    name: ServerName
    transport: Literal["streamable_http", "stdio"]
    url: Annotated[Text, Field(max_length=2000), AfterValidator(_http_url)] | None = None
    command: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    args: Annotated[list[Annotated[Text, Field(max_length=1000)]], Field(max_length=50)] = Field(
        default_factory=list[str]
    )
    credential_ref: CredentialRef | None = None

    @model_validator(mode="after")
    def _reached_one_way(self) -> Self:
        if self.transport == "streamable_http" and (self.url is None or self.command is not None or self.args):
            raise PydanticCustomError("bad_transport", "streamable_http takes url, and neither command nor args")
        if self.transport == "stdio" and (self.command is None or self.url is not None):
            raise PydanticCustomError("bad_transport", "stdio takes command (and args), and no url")
        if self.transport == "stdio" and self.credential_ref is not None:
            raise PydanticCustomError("bad_transport", "a credential_ref goes with streamable_http alone")
        return self


class McpServerView(Contract):
    """A registered server. `warnings` names what of its tools could not be taken."""

    id: UUID
    owner_id: str
    name: str
    transport: str
    url: str | None
    command: str | None
    args: list[str]
    credential_ref: str | None
    warnings: list[str]
    created_at: datetime
    refreshed_at: datetime


class RefreshView(Contract):
    """What a refresh found, by the tools' full names. What is under `changed` stays off until it is accepted."""

    server: McpServerView
    added: list[str]
    changed: list[str]
    removed: list[str]
    unchanged: list[str]


class Empty(Contract):
    """The body `{}`."""
