"""The settings of the tool registry, from the environment under `TOOLS_`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings, Words, words

Network = Literal["none", "proxy", "open"]
_HOST = r"^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?(:[0-9]{1,5})?$"


def _network(value: object) -> object:
    """`true` and `false` are how entries said it before there was a proxy."""
    return {True: "open", False: "none"}[value] if isinstance(value, bool) else value


class StdioCommand(BaseModel):
    """One entry of the operator's allowlist: what really runs, and what it may use.

    `args` come before those that a server's registration gives. `environment` is all that the process gets beside
    PATH, HOME, LANG, TZ and, with a proxy, where that is. It sees the system's programs and libraries, its own
    installation, what `args` and `readable` name, and may write in the folders `writable`.

    `network` is `none`; or `proxy`: a network of its own with nothing in it but an HTTP proxy, which reaches public
    addresses, and of those only `hosts` where any are named (`name`, `name:port`, `*.name`); or `open`: the platform's
    own network, with all that is reached from there.

    `memory_mb`, `processes` (and threads) and `cpus` bound all of a server's processes together, where this machine
    has control groups that the platform may use. Elsewhere a process may reserve `memory_mb` and a gigabyte, the number
    of processes is bounded unless the platform is root, and processors are not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Path
    args: tuple[str, ...] = ()
    network: Annotated[Network, BeforeValidator(_network)] = "none"
    hosts: tuple[Annotated[str, StringConstraints(pattern=_HOST, max_length=260)], ...] = ()
    readable: tuple[Path, ...] = ()
    writable: tuple[Path, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict[str, str])
    memory_mb: int = Field(default=1024, ge=64, le=1_048_576)
    processes: int = Field(default=128, ge=2, le=65_536)
    cpus: float = Field(default=1.0, ge=0.05, le=1024)

    @model_validator(mode="after")
    def _hosts_of_a_proxy(self) -> Self:
        if self.hosts and self.network != "proxy":
            raise ValueError('hosts are for network = "proxy" alone')
        return self

    @field_validator("command")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        if not path.is_absolute():
            raise ValueError("the command must be an absolute path")
        return path


class ToolsSettings(ServiceSettings):
    """What an operator decides about tools.

    `ssrf_allowed_hosts` lists hosts (`name` or `name:port`, as they stand in a server's URL) that may have loopback
    or private addresses. `stdio_allowed` maps a name to a command; a registration names the name. `stdio_hidden`
    lists folders that stdio servers must not see; `stdio_proxy_max_bytes` bounds one connection each way of those that
    have a proxy; `stdio_start_timeout_s` is for a process to start and to say what it is, which `connect_timeout_s`
    is for servers elsewhere. `denied` lists tool patterns that no agent may call.
    `calls_kept_days`: recorded calls are forgotten then, but for those that somebody may still have to look at.
    `calls_per_person`: those without an agent that one person may have under way in a process.
    `mcp_…` are of `/mcp`: sessions that a process keeps, open streams and requests under way of one person, and how
    often it is looked whether what they are offered has changed.
    `wasm_…` are of WASM tools: threads that calls run on, calls of one server that may wait for one, where compiled
    code is kept (without, until the process ends) and how much of it there and in memory, and what the modules of one
    owner may have together.
    `files_…` bound what the builtin tools keep for a conversation: bytes of one file, files, bytes of all of them, and
    for how many days after the last change.
    Times are seconds, sizes bytes.
    """

    model_config = SettingsConfigDict(env_prefix="TOOLS_")

    ssrf_allowed_hosts: Words = Field(default_factory=list[str])
    stdio_allowed: dict[str, StdioCommand] = Field(default_factory=dict[str, StdioCommand])
    stdio_hidden: Annotated[list[Path], NoDecode, BeforeValidator(words)] = Field(default_factory=list[Path])
    stdio_proxy_max_bytes: int = Field(default=67_108_864, ge=65_536)
    denied: Words = Field(default_factory=list[str])
    connect_timeout_s: float = Field(default=15, gt=0)
    stdio_start_timeout_s: float = Field(default=40, gt=0)
    call_timeout_s: float = Field(default=30, gt=0)
    idle_close_s: float = Field(default=300, gt=0)
    definitions_age_s: float = Field(default=300, gt=0)
    max_answer_bytes: int = Field(default=4_194_304, ge=1024)
    max_result_bytes: int = Field(default=65_536, ge=256)
    max_tools_per_server: int = Field(default=200, ge=1)
    mcp_sessions: int = Field(default=256, ge=1)
    mcp_streams_per_person: int = Field(default=16, ge=1)
    mcp_requests_per_person: int = Field(default=32, ge=1)
    mcp_watch_s: float = Field(default=5, gt=0)
    files_max_bytes: int = Field(default=262_144, ge=1024)
    files_per_conversation: int = Field(default=100, ge=1)
    files_conversation_bytes: int = Field(default=4_194_304, ge=1024)
    files_kept_days: int = Field(default=30, ge=1)
    calls_kept_days: int = Field(default=90, ge=1)
    calls_per_person: int = Field(default=64, ge=1)
    max_sessions: int = Field(default=64, ge=1)
    wasm_threads: int = Field(default=4, ge=1, le=32)
    wasm_waiting: int = Field(default=256, ge=1)
    wasm_cache_dir: Path | None = None
    wasm_cache_bytes: int = Field(default=1_073_741_824, ge=1)
    wasm_loaded_bytes: int = Field(default=268_435_456, ge=1)
    wasm_owner_bytes: int = Field(default=268_435_456, ge=1)
    wasm_compile_timeout_s: float = Field(default=120, gt=0)
    max_sessions_per_server: int = Field(default=4, ge=1)
    busy_session_calls: int = Field(default=16, ge=1)
