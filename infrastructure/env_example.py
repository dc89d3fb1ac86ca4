"""Makes `.env.example` from the settings classes, so that it names every setting with its default.

python -P infrastructure/env_example.py            writes .env.example
python -P infrastructure/env_example.py --check    exit code 1 if the committed file is not current
"""

from __future__ import annotations

import inspect
import json
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import AliasChoices, BaseModel, SecretStr

from kgents_shared.http.service import installed_services
from kgents_shared.http.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

TARGET = Path(__file__).resolve().parents[1] / ".env.example"
_COMPOSE = """\
# Every setting of Kgents with its default. Lines that begin with # are defaults; take the # away to change one.
# Made by infrastructure/env_example.py from the settings classes; a test compares the two.

# ---- docker-compose: copy this file to .env and give each of these a value of its own: openssl rand -hex 32
POSTGRES_PASSWORD=
NATS_TOKEN=
AUTH_DATABASE_PASSWORD=
MANAGEMENT_DATABASE_PASSWORD=
TOOLS_DATABASE_PASSWORD=
DEPLOYMENT_DATABASE_PASSWORD=
RUNTIME_DATABASE_PASSWORD=
NL_DATABASE_PASSWORD=
GOVERNANCE_DATABASE_PASSWORD=
AUTH_CLIENT_SECRET=
MANAGEMENT_CLIENT_SECRET=
TOOLS_CLIENT_SECRET=
DEPLOYMENT_CLIENT_SECRET=
RUNTIME_CLIENT_SECRET=
NL_CLIENT_SECRET=
GOVERNANCE_CLIENT_SECRET=
# The first administrator, made while there is none.
AUTH_ADMIN_PASSWORD=

# The images that compose builds from and runs.
# BASE=python:3.13-slim-bookworm
# GATEWAY_BASE=nginxinc/nginx-unprivileged:1.29-alpine
# POSTGRES_IMAGE=pgvector/pgvector:pg18
# NATS_IMAGE=nats:2.12-alpine
"""
_HOST = """
# ---- The embedded host (kgents up, kgents server start). $KGENTS_HOME/config.toml has the same under other names.
# KGENTS_HOME=~/.kgents
# KGENTS_PORT=8080
# KGENTS_BIND=127.0.0.1
# The address that tokens name; default http://localhost:<port>.
# KGENTS_ISSUER=
# KGENTS_CORS_ORIGINS=
# KGENTS_TRUSTED_PROXIES=
# KGENTS_LOG_LEVEL=INFO
# Default: true where stderr is no terminal.
# KGENTS_LOG_JSON=
# An administrator's URL of a PostgreSQL of your own, and a NATS of your own; default: the embedded ones.
# DATABASE_URL=
# NATS_URL=
"""
_CLIENT = """
# ---- The kgents command: another server than this machine's, and a token for it.
# KGENTS_URL=http://localhost:8080
# KGENTS_TOKEN=
# KGENTS_PYTHON and KGENTS_UV name a Python and a uv for the bootstrap script to use instead of those on PATH.
# KGENTS_PYTHON=
# KGENTS_UV=
"""
_SERVICES = """
# ---- The services, each under its own prefix. The embedded host decides addresses, roles and secrets by itself.
"""


def render() -> str:
    """The whole file."""
    lines = [_COMPOSE, _HOST, _CLIENT, _SERVICES]
    for name, definition in sorted(installed_services().items()):
        lines.append(f"\n# {name}\n")
        own = definition.settings_type
        lines += _comment(inspect.getdoc(own if own.__doc__ != ServiceSettings.__doc__ else ServiceSettings) or "")
        lines += [f"# {variable}={value}\n" for variable, value in service_settings(own)]
    return "".join(lines)


def service_settings(settings: type[ServiceSettings]) -> Iterator[tuple[str, str]]:
    """Environment name and default of each of one service's settings."""
    prefix = str(settings.model_config.get("env_prefix", ""))
    for field, info in settings.model_fields.items():
        alias = info.validation_alias
        if isinstance(alias, AliasChoices):
            names = [str(choice) for choice in alias.choices if str(choice).isupper()]
        else:
            names = [str(alias).upper() if alias else f"{prefix}{field}".upper()]
        yield names[0], _default(info)


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "  (required)"
    value: Any = info.get_default(call_default_factory=False) if info.default_factory is None else None
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(value)
    return value.model_dump_json() if isinstance(value, BaseModel) else str(value)


def _comment(text: str) -> list[str]:
    return [f"#   {line}\n" for line in textwrap.wrap(" ".join(text.split()), 110)]


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` say whether it is current."""
    text = render()
    if "--check" in arguments:
        current = TARGET.exists() and TARGET.read_text("utf-8") == text
        if not current:
            sys.stderr.write(".env.example is not current: run python -P infrastructure/env_example.py\n")
        return 0 if current else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
