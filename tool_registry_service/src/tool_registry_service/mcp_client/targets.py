"""What the client connects to, and what it finds there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple
from uuid import UUID

from kgents_shared.http.vault import CredentialUse
from tool_registry_service.authorization.setup import OAuthUse, oauth_use
from tool_registry_service.canonical import canonical_hash

TransportName = Literal["streamable_http", "stdio", "wasm"]


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """One registered MCP server: `url` for streamable HTTP; `command` (a name on the operator's list) for stdio.

    In `headers`, `${field}` stands for that field of the credential.
    """

    id: UUID
    name: str
    transport: TransportName
    url: str | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    credential: CredentialUse | None = None
    headers: tuple[tuple[str, str], ...] = ()
    oauth: OAuthUse | None = None
    owner_id: str = ""


class ServerRow(NamedTuple):
    """The columns of a server's row that say how it is reached."""

    id: UUID
    name: str
    transport: TransportName
    url: str | None
    command: str | None
    args: Sequence[str]
    credential_ref: str | None
    owner_id: str
    headers: Mapping[str, str]
    oauth: Mapping[str, str] | None
    oauth_ref: str | None

    @property
    def target(self) -> ServerTarget:
        """What the client connects to."""
        used = None if self.credential_ref is None else CredentialUse(self.credential_ref, self.owner_id)
        return ServerTarget(
            self.id, self.name, self.transport, self.url, self.command, tuple(self.args), used,
            tuple(sorted(self.headers.items())),
            None if self.oauth is None else oauth_use(self.owner_id, self.oauth, self.oauth_ref),
            self.owner_id,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool as its server defines it."""

    name: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None = None

    @property
    def definition_hash(self) -> str:
        """SHA-256 over what a model is shown and what results are held against, in canonical JSON; what is pinned."""
        shown: dict[str, Any] = {
            "name": self.name, "description": self.description, "input_schema": self.input_schema,
        }  # fmt: skip
        if self.output_schema is not None:
            shown["output_schema"] = self.output_schema
        return canonical_hash(shown)
