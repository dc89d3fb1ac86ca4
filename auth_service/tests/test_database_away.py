"""While the database is away nobody is let in and nobody is told that they are wrong: each route is 503."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from auth_service.settings import AuthSettings
from kgents_shared.testing.polling import eventually
from tests.external.cuttable import cuttable
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, RunningAuth, is_healthy, running

# What was read once, or is the same everywhere, is told on: whoever verifies tokens goes on doing so.
NEEDS_NO_DATABASE = {
    "/.well-known/jwks.json",
    "/.well-known/oauth-authorization-server",
    "/api/v1/admin/permissions",
}
# What the settings name: no database is asked whether there is such a thing.
OF_THE_SETTINGS = "/api/v1/auth/oidc/"


# Who calls what begins so, by the first that fits; the runtime calls all else.
_CALLERS = {
    "attestations": "management",
    "people": "governance",
    "credentials/known": "management",
    "credentials": "tools",
}


@dataclass(frozen=True)
class CutOff:
    """A service that lost its database, and what let somebody in before."""

    auth: RunningAuth
    token: str
    api_keys: tuple[str, str]
    service_tokens: dict[str, str]

    def bearer_for(self, path: str) -> str:
        """A token that the route takes."""
        if not path.startswith("/internal"):
            return self.token
        inside = path.removeprefix("/internal/")
        return self.service_tokens[next((_CALLERS[part] for part in _CALLERS if inside.startswith(part)), "runtime")]


@pytest.fixture(scope="module")
async def cut_off(auth_settings: AuthSettings) -> AsyncGenerator[CutOff]:
    async with AsyncExitStack() as stack:
        url, cut = await stack.enter_async_context(cuttable(auth_settings.database_url.get_secret_value()))
        # The database is that of all tests of this service: who is known there keeps their secret.
        unknown = set(_CALLERS.values()) - auth_settings.service_clients.keys()
        added = {name: SecretStr(f"{name}-secret-0123456789") for name in unknown}
        clients = {**auth_settings.service_clients, **added}
        settings = auth_settings.model_copy(update={"database_url": SecretStr(url), "service_clients": clients})
        auth = await stack.enter_async_context(running(settings))
        await eventually(lambda: is_healthy(auth))
        token = (await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD))["access_token"]
        unused, used = [await _api_key(auth, token) for _ in range(2)]
        me = await auth.client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {used}"})
        assert me.status_code == 200
        services: dict[str, str] = {}
        for name in ("runtime", *_CALLERS.values()):
            secret = auth.settings.service_clients[name].get_secret_value()
            shown = {"client_id": name, "client_secret": secret, "audience": "auth"}
            services[name] = (await auth.token(grant_type="client_credentials", **shown)).json()["access_token"]
        await cut()
        yield CutOff(auth, token, (unused, used), services)


async def _api_key(auth: RunningAuth, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    body = {"name": uuid4().hex, "scopes": ["agents:read"]}
    answer = await auth.client.post("/api/v1/users/me/api-keys", json=body, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


def asked(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Every route of the document, with an id of nothing wherever one stands."""
    return [
        (method.upper(), re.sub(r"{\w+}", str(uuid4()), path.replace("{credential_ref}", f"cred_{uuid4().hex}")))
        for path, item in document["paths"].items()
        for method in item
        if path not in NEEDS_NO_DATABASE
    ]


async def test_no_route_answers_as_if_it_knew(cut_off: CutOff):
    client = cut_off.auth.client
    routes = asked((await client.get("/openapi.json")).json())
    assert len(routes) > 60
    away = 0
    for method, path in routes:
        headers = {"Authorization": f"Bearer {cut_off.bearer_for(path)}"}
        body: dict[str, Any] = {} if method in {"GET", "DELETE"} else {"json": {}}
        answer = await client.request(method, path, headers=headers, **body)
        # What has faults is refused before anything is asked of the database.
        refused = {400, 422, 404} if path.startswith(OF_THE_SETTINGS) else {400, 422}
        assert answer.status_code in {503, *refused}, f"{method} {path}: {answer.text}"
        if answer.status_code == 503:
            away += 1
            assert answer.json()["code"] in {"database_away", "revocations_unknown"}, f"{method} {path}: {answer.text}"
            assert int(answer.headers["Retry-After"]) >= 1
    assert away > len(routes) / 2, away


async def test_a_key_that_can_not_be_looked_up_lets_nobody_in(cut_off: CutOff):
    for bearer in cut_off.api_keys:
        headers = {"Authorization": f"Bearer {bearer}"}
        answer = await cut_off.auth.client.get("/api/v1/users/me", headers=headers)
        assert answer.status_code == 503


async def test_its_health_says_what_is_away(cut_off: CutOff):
    health = await cut_off.auth.client.get("/health")
    assert (health.status_code, health.json()["parts"]["database"]) == (503, False)
