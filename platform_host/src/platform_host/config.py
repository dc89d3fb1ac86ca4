"""What the host runs with: `$KGENTS_HOME/config.toml`, overridden by the environment.

    port = 8080                  # KGENTS_PORT; 0 takes a free one
    bind = "127.0.0.1"           # KGENTS_BIND
    issuer = "https://…"         # KGENTS_ISSUER, the address that tokens name; default http://localhost:<port>
    cors_origins = []            # KGENTS_CORS_ORIGINS, separated by commas
    trusted_proxies = []         # KGENTS_TRUSTED_PROXIES, separated by commas: whose X-Forwarded-For is believed
    log_level = "INFO"           # KGENTS_LOG_LEVEL
    log_json = false             # KGENTS_LOG_JSON; default: true where stderr is no terminal
    database_url = "…"           # DATABASE_URL, an administrator's; default: the embedded PostgreSQL
    nats_url, nats_token = "…"   # NATS_URL, NATS_TOKEN; default: the embedded NATS
    [runtime]                    # a service's own settings, by the service's name

Unknown keys are refused, and all faults are told at once.
"""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
import os
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from kgents_shared.http.allowlists import checked_origin, proxy_network

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DEFAULT_PORT = 8080
SECTIONS = ("auth", "management", "tools", "deployment", "runtime", "nl", "governance")
_ENVIRONMENT = {
    "port": "KGENTS_PORT",
    "bind": "KGENTS_BIND",
    "issuer": "KGENTS_ISSUER",
    "cors_origins": "KGENTS_CORS_ORIGINS",
    "trusted_proxies": "KGENTS_TRUSTED_PROXIES",
    "log_level": "KGENTS_LOG_LEVEL",
    "log_json": "KGENTS_LOG_JSON",
    "database_url": "DATABASE_URL",
    "nats_url": "NATS_URL",
    "nats_token": "NATS_TOKEN",
}
_LISTS = ("cors_origins", "trusted_proxies")
# sockaddr_un holds 107 characters; below the run folder stands "/instances/<uuid>/worker.sock".
_LONGEST_RUN_FOLDER = 107 - len("/instances/") - 36 - len("/worker.sock")


class ConfigError(Exception):
    """The configuration can't be used; `faults` are sentences, one for each fault."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def _address(value: str) -> str:
    if value == "localhost":
        return "127.0.0.1"
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("must be an IP address such as 127.0.0.1 or 0.0.0.0") from None
    return value


def _proxy(value: str) -> str:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        raise ValueError("must be an address or a network such as 10.0.0.0/8") from None
    return str(proxy_network(network))


def _scheme(*allowed: str) -> AfterValidator:
    def check(value: str | SecretStr) -> str | SecretStr:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if text.partition("://")[0] not in allowed or not text.partition("://")[2]:
            raise ValueError(f"must be an address that begins with {' or '.join(f'{name}://' for name in allowed)}")
        return value

    return AfterValidator(check)


class HostSettings(BaseModel):
    """The host's own settings. `sections` holds each service's table of config.toml, unread."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    home: Path
    port: int = Field(default=DEFAULT_PORT, ge=0, le=65535)
    bind: Annotated[str, AfterValidator(_address)] = "127.0.0.1"
    issuer: Annotated[str, _scheme("http", "https")] | None = None
    cors_origins: list[Annotated[str, AfterValidator(checked_origin)]] = []
    trusted_proxies: list[Annotated[str, AfterValidator(_proxy)]] = []
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_json: bool = Field(default_factory=lambda: not sys.stderr.isatty())
    database_url: Annotated[SecretStr, _scheme("postgresql", "postgres", "postgresql+psycopg")] | None = None
    nats_url: Annotated[str, _scheme("nats", "tls")] | None = None
    nats_token: SecretStr | None = None
    sections: dict[str, dict[str, Any]] = {}

    @property
    def paths(self) -> HomePaths:
        """Where things lie below the home."""
        return HomePaths(self.home)


@dataclass(frozen=True, slots=True)
class HomePaths:
    """The layout of KGENTS_HOME."""

    home: Path

    @property
    def config(self) -> Path:
        """The operator's settings."""
        return self.home / "config.toml"

    @property
    def run(self) -> Path:
        """What stands only while the host runs: pid file, record."""
        return self.home / "run"

    @property
    def sockets(self) -> Path:
        """Where Unix sockets lie: `run`, or a short stand-in below the temporary folder where that is too long."""
        if len(str(self.run)) <= _LONGEST_RUN_FOLDER:
            return self.run
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"kgents-{os.getuid()}-{name}"

    @property
    def door(self) -> Path:
        """The workers' socket; its folder is shown in every sandbox."""
        return self.sockets / "door" / "door.sock"

    @property
    def secrets(self) -> Path:
        """Secrets, one file each, 0600."""
        return self.home / "secrets"

    @property
    def logs(self) -> Path:
        """server.log, postgres.log, nats.log and the agents' logs."""
        return self.home / "logs"


def home_folder(environment: Mapping[str, str]) -> Path:
    """KGENTS_HOME, else `~/.kgents`, made absolute."""
    given = environment.get("KGENTS_HOME", "").strip()
    return (Path(given).expanduser() if given else Path.home() / ".kgents").absolute()


def load_settings(environment: Mapping[str, str]) -> HostSettings:
    """Read the configuration. Raises ConfigError with every fault of file and environment."""
    home = home_folder(environment)
    file = _read_file(HomePaths(home).config)
    faults = [_unknown_key(key) for key in file if key not in _ENVIRONMENT and key not in SECTIONS]
    sections = {key: value for key, value in file.items() if key in SECTIONS}
    faults += [
        f"config.toml: {key} must be a table: [{key}]" for key, row in sections.items() if not isinstance(row, dict)
    ]
    values: dict[str, Any] = {key: value for key, value in file.items() if key in _ENVIRONMENT}
    from_environment: set[str] = set()
    for key, variable in _ENVIRONMENT.items():
        if given := environment.get(variable, "").strip():
            values[key] = _listed(given) if key in _LISTS else given
            from_environment.add(key)
    tables = {key: cast("dict[str, Any]", row) for key, row in sections.items() if isinstance(row, dict)}
    try:
        settings = HostSettings(home=home, sections=tables, **values)
    except ValidationError as error:
        raise ConfigError(faults + _sentences(error, from_environment)) from None
    if faults:
        raise ConfigError(faults)
    return settings


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except tomllib.TOMLDecodeError as error:
        raise ConfigError([f"{path}: {error}"]) from None
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: byte {error.start} is not UTF-8"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: can't be read: {error.strerror}"]) from None


def _unknown_key(key: str) -> str:
    return f"config.toml: {key!r} is not a setting{suggestion(key, [*_ENVIRONMENT, *SECTIONS])}"


def suggestion(word: str, known: Sequence[str]) -> str:
    """`; did you mean "…"?` where something known is near, else nothing."""
    near = difflib.get_close_matches(word, known, n=1)
    return f'; did you mean "{near[0]}"?' if near else ""


def _sentences(error: ValidationError, from_environment: set[str]) -> list[str]:
    found: list[str] = []
    for fault in error.errors(include_url=False, include_input=False):
        key = str(fault["loc"][0])
        place = _ENVIRONMENT[key] if key in from_environment else f"config.toml: {key}"
        message = fault["msg"].removeprefix("Value error, ")
        found.append(f"{place}: {message[0].lower()}{message[1:]}")
    return found
