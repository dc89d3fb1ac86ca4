"""Each service's settings as the embedded host knows them; the operator's own come from config.toml and environment.

What the host decides (addresses, roles, secrets) wins over both. Secrets are made at the first boot, one file each.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from pydantic import AliasChoices, SecretStr, ValidationError

from platform_host.config import ConfigError, HostSettings, suggestion
from platform_host.embedded.secret_file import private_folder, read_or_create, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo

    from kgents_shared.http.service import ServiceDefinition
    from kgents_shared.http.settings import ServiceSettings
    from platform_host.config import HomePaths

ADMIN_EMAIL = "admin@localhost"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What only the host knows once its servers run. `issuer` names the public address."""

    settings: HostSettings
    issuer: str
    private_url: str
    nats_url: str
    nats_token: str | None
    database_urls: Mapping[str, str]


def client_secret(settings: HostSettings, service: str) -> str:
    """The service's machine credential at the auth service, made when first asked for."""
    return read_or_create(settings.paths.secrets / f"client-{service}.secret")


def admin_credentials(settings: HostSettings) -> tuple[str, str]:
    """The first administrator's address and password, from `secrets/admin.json`, made at the first boot."""
    path = settings.paths.secrets / "admin.json"
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return str(found["email"]), str(found["password"])
    except FileNotFoundError:
        made = {"email": ADMIN_EMAIL, "password": secrets.token_urlsafe(24)}
        write_private(path, json.dumps(made))
        return made["email"], made["password"]
    except (ValueError, KeyError, TypeError):
        raise ConfigError([f"{path}: must hold an email and a password; move it away to have it made anew"]) from None


def build_settings(definitions: Mapping[str, ServiceDefinition], around: Surroundings) -> dict[str, ServiceSettings]:
    """Every service's settings by name. Raises ConfigError with all faults of all of config.toml's sections."""
    private_folder(around.settings.paths.secrets)
    faults: list[str] = []
    built: dict[str, ServiceSettings] = {}
    for name, definition in definitions.items():
        decided = decided_values(definition, around)
        chosen = around.settings.sections.get(name, {})
        faults += _unknown_keys(name, chosen, definition, decided)
        values = {**_unless_in_environment(chosen, definition), **decided}
        try:
            built[name] = _with_home_hidden(definition.settings_type(**values), around.settings.paths)
        except ValidationError as error:
            faults += _sentences(name, error)
    if faults:
        raise ConfigError(faults)
    return built


def decided_values(definition: ServiceDefinition, around: Surroundings) -> dict[str, Any]:
    """The fields of one service's settings that the host decides."""
    settings, name = around.settings, definition.name
    values: dict[str, Any] = {
        "database_url": SecretStr(around.database_urls[name]),
        "nats_url": around.nats_url,
        "nats_token": None if around.nats_token is None else SecretStr(around.nats_token),
        "client_secret": SecretStr(client_secret(settings, name)),
        "issuer": around.issuer,
        "cors_origins": settings.cors_origins,
        "trusted_proxies": settings.trusted_proxies,
        "log_json": settings.log_json,
        "log_level": settings.log_level,
        **{f"{service}_url": f"{around.private_url}/{service}" for service in around.database_urls},
    }
    values |= _own_values(name, around)
    fields = definition.settings_type.model_fields
    return {key: value for key, value in values.items() if key in fields}


def _own_values(name: str, around: Surroundings) -> dict[str, Any]:
    """What a single service needs beyond what all do."""
    settings = around.settings
    if name == "auth":
        email, password = admin_credentials(settings)
        return {
            "signing_key_file": settings.paths.secrets / "signing-key.pem",
            "admin_email": email,
            "admin_password": SecretStr(password),
            "service_clients": {each: SecretStr(client_secret(settings, each)) for each in around.database_urls},
        }
    if name == "deployment":
        door = settings.paths.door
        return {
            "run_dir": settings.paths.sockets,
            "logs_dir": settings.paths.logs / "agents",
            "door": f"unix:{door}",
            "door_dir": door.parent,
            # What flows run on may lie elsewhere, so that homes can share it.
            "langflow_dir": os.environ.get("DEPLOYMENT_LANGFLOW_DIR") or settings.paths.home / "langflow",
        }
    if name == "runtime":
        installed = settings.paths.home / "embedding"  # by `kgents memory install`
        named = os.environ.get("RUNTIME_EMBEDDING_DIR")
        return {"embedding_dir": named or (str(installed) if (installed / "model.safetensors").is_file() else None)}
    if name == "tools":
        return {"wasm_cache_dir": settings.paths.home / "wasm"}
    return {}


def _with_home_hidden(built: ServiceSettings, paths: HomePaths) -> ServiceSettings:
    """Tool servers that run on this machine never see the home, whatever else the operator hides from them.

    Nor the agents' sockets, which lie elsewhere where the home's path is long.
    """
    if "stdio_hidden" not in type(built).model_fields:
        return built
    ours = [path for path in (paths.home, paths.sockets) if path == paths.home or not path.is_relative_to(paths.home)]
    return built.model_copy(update={"stdio_hidden": [*ours, *cast("list[Path]", getattr(built, "stdio_hidden", []))]})


def _environment_names(field: str, info: FieldInfo, definition: ServiceDefinition) -> set[str]:
    prefix = str(definition.settings_type.model_config.get("env_prefix", ""))
    alias = info.validation_alias
    if isinstance(alias, str):
        return {alias.upper()}
    if isinstance(alias, AliasChoices):
        return {choice.upper() for choice in alias.choices if isinstance(choice, str)}
    return {f"{prefix}{field}".upper()}


def _unless_in_environment(chosen: Mapping[str, Any], definition: ServiceDefinition) -> dict[str, Any]:
    """What config.toml says, without the fields that the environment overrides."""
    present = {name.upper() for name, value in os.environ.items() if value}
    fields = definition.settings_type.model_fields
    return {
        key: value
        for key, value in chosen.items()
        if key in fields and not present & _environment_names(key, fields[key], definition)
    }


def _unknown_keys(
    section: str, chosen: Mapping[str, Any], definition: ServiceDefinition, decided: Mapping[str, Any]
) -> list[str]:
    open_fields = [key for key in definition.settings_type.model_fields if key not in decided]
    return [
        f"config.toml: [{section}] {key!r} is "
        + ("decided by the host" if key in decided else f"not a setting{suggestion(key, open_fields)}")
        for key in chosen
        if key not in open_fields
    ]


def _sentences(service: str, error: ValidationError) -> list[str]:
    return [
        f"settings of {service}: {'.'.join(str(part) for part in fault['loc'])}: "
        + fault["msg"].removeprefix("Value error, ")
        for fault in error.errors(include_url=False, include_input=False)
    ]
