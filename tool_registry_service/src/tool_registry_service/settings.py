"""The settings of the tool registry, from the environment under `TOOLS_`."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings, Words, words


class StdioCommand(BaseModel):
    """One entry of the operator's allowlist: what really runs, whether it may use the network, where it may write.

    `args` come before those that a server's registration gives. `environment` is all that the process gets beside
    PATH, HOME, LANG and TZ.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: Path
    args: tuple[str, ...] = ()
    network: bool = False
    writable: tuple[Path, ...] = ()
    environment: dict[str, str] = Field(default_factory=dict[str, str])

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
    lists folders that stdio servers must not see. `denied` lists tool patterns that no agent may call.
    `calls_kept_days`: recorded calls are forgotten then, but for those that somebody may still have to look at.
    Times are seconds, sizes bytes.
    """

    model_config = SettingsConfigDict(env_prefix="TOOLS_")

    ssrf_allowed_hosts: Words = Field(default_factory=list[str])
    stdio_allowed: dict[str, StdioCommand] = Field(default_factory=dict[str, StdioCommand])
    stdio_hidden: Annotated[list[Path], NoDecode, BeforeValidator(words)] = Field(default_factory=list[Path])
    denied: Words = Field(default_factory=list[str])
    connect_timeout_s: float = Field(default=15, gt=0)
    call_timeout_s: float = Field(default=30, gt=0)
    idle_close_s: float = Field(default=300, gt=0)
    definitions_age_s: float = Field(default=300, gt=0)
    max_answer_bytes: int = Field(default=4_194_304, ge=1024)
    max_result_bytes: int = Field(default=65_536, ge=256)
    max_tools_per_server: int = Field(default=200, ge=1)
    calls_kept_days: int = Field(default=90, ge=1)
    max_sessions: int = Field(default=64, ge=1)
    max_sessions_per_server: int = Field(default=4, ge=1)
    busy_session_calls: int = Field(default=16, ge=1)
