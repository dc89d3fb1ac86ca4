"""Every service's app, made without opening anything: which is itself a promise (no work at import or creation)."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from pydantic import SecretStr

from kgents_shared.http.service import installed_services

_REQUIRED_BY_ONE: dict[str, dict[str, Any]] = {
    "auth": {"signing_key_file": Path("/nonexistent/signing-key.pem")},
    "deployment": {"run_dir": Path("/nonexistent"), "logs_dir": Path("/nonexistent"), "door": "unix:/nonexistent"},
}


SNAPSHOT = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"


@cache
def service_apps() -> dict[str, FastAPI]:
    """The app of every service by its name, its servers nowhere: one for all tests, as is its document."""
    return {
        name: definition.create_app(
            definition.settings_type(
                database_url=SecretStr("postgresql://nobody@127.0.0.1:1/none"),
                nats_url="nats://127.0.0.1:1",
                client_secret=SecretStr("for-this-test-only"),
                **_REQUIRED_BY_ONE.get(name, {}),
            )
        )
        for name, definition in installed_services().items()
    }


@cache
def recorded_document() -> dict[str, Any]:
    """The document of all services as it is recorded, which `test_openapi_snapshot` holds them to."""
    return json.loads(SNAPSHOT.read_text("utf-8"))
