"""What the client connects to, and what it finds there."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from kgents_shared.http.vault import CredentialUse

TransportName = Literal["streamable_http", "stdio"]


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """One registered MCP server: `url` for streamable HTTP; `command` (a name on the operator's list) for stdio."""

    id: UUID
    name: str
    transport: TransportName
    url: str | None = None
    command: str | None = None
    args: tuple[str, ...] = ()
    credential: CredentialUse | None = None


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
        text = json.dumps(shown, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode()).hexdigest()
