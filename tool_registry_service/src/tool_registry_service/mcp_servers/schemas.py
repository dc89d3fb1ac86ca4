"""What goes over the wire for MCP servers (DESIGN §12)."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.http_tools.checking import http_address
from tool_registry_service.tools.names import FirstName


class NewMcpServer(Contract):
    """Body of `POST /mcp-servers`. `command` names an entry of the operator's list; no path is taken.

    `credential_ref` is a credential of the server's owner, of type `mcp`: its secret goes to the server as a bearer.
    `side_effect` is what you say that the tools do which it offers now; `external` means that each call of them needs
    an approval. Tools that it offers later are `external` until you say otherwise of each.
    """

    name: FirstName
    transport: Literal["streamable_http", "stdio"]
    url: Annotated[Text, Field(max_length=2000), AfterValidator(http_address)] | None = None
    command: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    args: Annotated[list[Annotated[Text, Field(max_length=1000)]], Field(max_length=50)] = Field(
        default_factory=list[str]
    )
    credential_ref: CredentialRef | None = None
    side_effect: SideEffect = "external"

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
