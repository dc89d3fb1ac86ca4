"""A tool that is an HTTP request: what a model is shown of it, and how it is sent."""

from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.canonical import canonical_hash
from tool_registry_service.http_tools.sending import Sending

AuthScheme = Literal["bearer", "basic", "header", "query"]
# Where a request goes and where it ends: a document that a stranger wrote could have a credential put there.
_OF_THE_CONNECTION: Final = frozenset({
    "host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "keep-alive",
})  # fmt: skip


class Placement(Contract):
    """How a credential goes with a request: as a bearer, as user and password, or as a header or parameter `name`."""

    scheme: AuthScheme = "bearer"
    name: str | None = Field(default=None, min_length=1, max_length=200, pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z\[\]-]+$")

    @model_validator(mode="after")
    def _named_where_it_must_be(self) -> Self:
        if (self.scheme in ("header", "query")) != (self.name is not None):
            raise PydanticCustomError("bad_placement", "name goes with the schemes header and query, and must be there")
        if self.scheme == "header" and (self.name or "").lower() in _OF_THE_CONNECTION:
            raise PydanticCustomError("bad_placement", "no credential goes in a header that says how a request is sent")
        return self


@dataclass(frozen=True, slots=True)
class HttpDefinition:
    """What is pinned of a tool. `suggested` is what its method lets one suppose of its effects; nobody believes it."""

    name: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any] | None
    sending: Sending
    placement: Placement | None
    suggested: SideEffect

    @property
    def definition_hash(self) -> str:
        """SHA-256 over all that decides what a call does, in canonical JSON."""
        pinned = {
            "name": self.name,
            "description": self.description,
            "input_schema": self.input_schema,
            "output_schema": self.output_schema,
            "sending": self.sending.model_dump(mode="json"),
            "placement": None if self.placement is None else self.placement.model_dump(mode="json"),
        }
        return canonical_hash(pinned)


class StoredDefinition(Contract):
    """What a tool's row holds beside what every tool has. The credential is its owner's choice, and not pinned."""

    sending: Sending
    placement: Placement | None = None
    suggested: SideEffect = "external"
    credential_ref: str | None = None
