"""Every service has the parts that CONTRIBUTING promises, and guards every route that it doesn't list as public."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgents_shared.auth import internal_routes_without_service, public_routes, route_scopes
from kgents_shared.auth.scopes import ALL_SCOPES
from kgents_shared.contracts.path_table import load_path_table
from kgents_shared.http.service import installed_services
from tests.architecture.service_apps import service_apps

ROOT = Path(__file__).resolve().parents[2]
SERVICES = installed_services()
PUBLIC = {
    "auth": [
        "GET /.well-known/jwks.json",
        "GET /.well-known/oauth-authorization-server",
        "GET /api/v1/auth/oidc/{name}/callback",
        "GET /api/v1/auth/oidc/{name}/start",
        "GET /health",
        "POST /api/v1/auth/email/verify",
        "POST /api/v1/auth/email/verify/resend",
        "POST /api/v1/auth/introspect",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/password/reset",
        "POST /api/v1/auth/password/reset/confirm",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/revoke",
        "POST /api/v1/auth/token",
    ],
    "management": [
        "GET /api/v1/agents/profiles/attestations/{attestation_id}/status",
        "GET /api/v1/schemas/agent",
        "GET /health",
    ],
    "tools": [
        "GET /.well-known/oauth-protected-resource",
        "GET /.well-known/oauth-protected-resource/mcp",
        "GET /api/v1/mcp-servers/oauth/callback",
        "GET /health",
    ],
    "runtime": ["GET /a2a/public/{agent_id}/.well-known/agent-card.json", "GET /health"],
    "deployment": ["GET /health"],
    "nl": ["GET /health"],
    "governance": ["GET /health"],
}


def test_every_service_of_the_path_table_is_installed():
    assert load_path_table().services == {name: row.package for name, row in SERVICES.items()}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_its_parts(name: str):
    folder = ROOT / SERVICES[name].package
    for part in (
        "pyproject.toml",
        "Dockerfile",
        ".dockerignore",
        "README.md",
        "alembic.ini",
        "alembic/env.py",
        f"src/{SERVICES[name].package}/main.py",
        f"src/{SERVICES[name].package}/asgi.py",
        f"src/{SERVICES[name].package}/settings.py",
        f"src/{SERVICES[name].package}/lifespan.py",
        "tests",
    ):
        assert (folder / part).exists(), f"{folder.name}/{part} is missing"
    assert list((folder / "alembic" / "versions").glob("*.py")), "no migration"
    assert not (folder / "alembic" / "__init__.py").exists(), "it would shadow the library"


@pytest.mark.parametrize("name", SERVICES)
def test_public_routes_are_the_listed_ones(name: str):
    assert public_routes(service_apps()[name]) == PUBLIC[name]


@pytest.mark.parametrize("name", SERVICES)
def test_every_internal_route_asks_for_a_service(name: str):
    assert internal_routes_without_service(service_apps()[name]) == []


@pytest.mark.parametrize("name", SERVICES)
def test_every_scope_that_a_route_asks_for_exists(name: str):
    asked = route_scopes(service_apps()[name])
    assert {scope for scopes in asked.values() for scope in scopes} <= ALL_SCOPES


@pytest.mark.parametrize("name", SERVICES)
def test_the_path_table_sends_every_public_path_to_its_service(name: str):
    table = load_path_table()
    for path in service_apps()[name].openapi()["paths"]:
        if path.startswith("/internal"):
            continue
        target = table.resolve(path.replace("{", "").replace("}", ""))
        assert target is not None, f"{path} is in no row of the path table"
        assert target.service == name, f"{path} goes to {target.service}"
