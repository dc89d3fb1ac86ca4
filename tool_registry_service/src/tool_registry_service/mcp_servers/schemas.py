"""What goes over the wire for MCP servers (DESIGN §12)."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.credentials import CredentialRef
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import SideEffect
from tool_registry_service.authorization.schemas import OAuthSettings
from tool_registry_service.credentials import has_fields
from tool_registry_service.http_tools.checking import http_address
from tool_registry_service.tools.names import FirstName
from tool_registry_service.wasm_tools.schemas import WasmSetup

_NOT_OURS = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "content-type", "cookie", "host", "keep-alive",
    "last-event-id", "mcp-protocol-version", "mcp-session-id", "proxy-authorization", "te", "trailer",
    "transfer-encoding", "upgrade", "user-agent",
})  # fmt: skip


def _headers(headers: dict[str, str]) -> dict[str, str]:
    for name in headers:
        if name.lower() in _NOT_OURS:
            raise PydanticCustomError("bad_header", "can't hold {name}, which the client sets itself", {"name": name})
    if len({name.lower() for name in headers}) != len(headers):
        raise PydanticCustomError("bad_header", "holds a header twice")
    return headers


HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")]
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?$")]
ServerHeaders = Annotated[dict[HeaderName, HeaderValue], Field(max_length=20), AfterValidator(_headers)]
ServerUrl = Annotated[Text, Field(max_length=2000), AfterValidator(http_address)]


class NewMcpServer(Contract):
    """Body of `POST /mcp-servers`. `command` names an entry of the operator's list; no path is taken.

    `credential_ref` is a credential of the server's owner, of type `mcp`: its secret goes to the server as a bearer, or
    by fields where `headers` name some (`{"X-Api-Key": "${key}"}`; a credential that is one text has the field
    `token`). `oauth` has the server authorized instead; where a person does that, it has no tools before.
    `side_effect` is what you say that the tools do which it offers now; `external` means that each call of them needs
    an approval. Tools that it offers later are `external` until you say otherwise of each.

    `wasm` makes the server of an uploaded module (`POST /mcp-servers/modules`): it is reached no other way, and its
    tools, which reach nothing outside, are `none` unless you say otherwise.
    """

    name: FirstName
    transport: Literal["streamable_http", "stdio", "wasm"]
    wasm: WasmSetup | None = None
    url: ServerUrl | None = None
    command: Annotated[Text, Field(min_length=1, max_length=100)] | None = None
    args: Annotated[list[Annotated[Text, Field(max_length=1000)]], Field(max_length=50)] = Field(
        default_factory=list[str]
    )
    credential_ref: CredentialRef | None = None
    headers: ServerHeaders = Field(default_factory=dict[str, str])
    oauth: OAuthSettings | None = None
    side_effect: SideEffect = "external"

    @model_validator(mode="after")
    def _reached_one_way(self) -> Self:
        if (self.transport == "wasm") != (self.wasm is not None):
            raise PydanticCustomError("bad_transport", "wasm goes with transport wasm, which takes it")
        if self.wasm is not None and self.model_fields_set - {"name", "transport", "wasm", "side_effect"}:
            raise PydanticCustomError("bad_transport", "wasm takes name and side_effect, and nothing else")
        if self.transport == "streamable_http" and (self.url is None or self.command is not None or self.args):
            raise PydanticCustomError("bad_transport", "streamable_http takes url, and neither command nor args")
        if self.transport == "stdio" and (self.command is None or self.url is not None):
            raise PydanticCustomError("bad_transport", "stdio takes command (and args), and no url")
        if self.transport == "stdio" and (self.credential_ref is not None or self.headers or self.oauth is not None):
            raise PydanticCustomError(
                "bad_transport", "credential_ref, headers and oauth go with streamable_http alone"
            )
        check_secrets(self.credential_ref, self.headers, has_oauth=self.oauth is not None)
        return self


def check_secrets(credential_ref: str | None, headers: dict[str, str], *, has_oauth: bool) -> None:
    """Refuse what can't hold at once: a server is shown one thing that says who calls."""
    if has_oauth and credential_ref is not None:
        raise PydanticCustomError("bad_headers", "a server takes a credential_ref or oauth, not both")
    if has_fields(tuple(headers.items())) and credential_ref is None:
        raise PydanticCustomError("bad_headers", "headers with ${field} take a credential_ref")
    by_us = has_oauth or (credential_ref is not None and not has_fields(tuple(headers.items())))
    if by_us and any(name.lower() == "authorization" for name in headers):
        raise PydanticCustomError("bad_headers", "Authorization is set already, by credential_ref or oauth")


class McpServerChange(Contract):
    """Body of `PATCH /mcp-servers/{id}`: what is not named stays; null takes a credential_ref or oauth away.

    Where it is reached by something else then, its definitions are read again and held against the pinned ones.
    """

    name: FirstName | None = None
    url: ServerUrl | None = None
    credential_ref: CredentialRef | None = None
    headers: ServerHeaders | None = None
    oauth: OAuthSettings | None = None

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not self.model_fields_set:
            raise PydanticCustomError("nothing_to_change", "must name what is to change")
        for name in ("name", "url", "headers"):
            if name in self.model_fields_set and getattr(self, name) is None:
                raise PydanticCustomError("bad_change", "{name} can't be null", {"name": name})
        return self


class McpServerView(Contract):
    """A registered server. `warnings` names what of its tools could not be taken.

    `authorized_at` is when a person last authorized it, where it is one that is (`oauth`).
    """

    id: UUID
    owner_id: str
    name: str
    transport: str
    url: str | None
    command: str | None
    args: list[str]
    credential_ref: str | None
    headers: dict[str, str]
    oauth: OAuthSettings | None
    authorized_at: datetime | None
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


class McpServerHealth(Contract):
    """How a server is, as the process that answers has seen it.

    `state`: `connected` (a session is held), `idle` (one is opened at the next call), `away` (the last try failed;
    the next one is in `next_try_in_s`), `unauthorized` (its owner has to authorize it). Latencies are of the latest
    calls, in milliseconds; `failures_in_a_row` is 0 where the last answer came. `says` is what it calls itself,
    `offers` what it has beside tools. Of a server that is a process of the platform's, `starts` counts how often it was
    started, and `last_end` says how it ended last.
    """

    state: Literal["connected", "idle", "away", "unauthorized"]
    sessions: int
    in_flight: int
    calls: int
    failures: int
    failures_in_a_row: int
    last_seen_at: datetime | None
    last_failed_at: datetime | None
    last_failure: str | None
    latency_ms_p50: float | None
    latency_ms_max: float | None
    next_try_in_s: float | None
    says: str | None
    protocol: str | None
    offers: list[str]
    starts: int | None
    last_end: str | None


class Empty(Contract):
    """The body `{}`."""
