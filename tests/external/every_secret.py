"""One secret of each kind, made at a running auth service as people and machines make them."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass
from typing import Any

from tests.external.app_clients import ACCESS_TOKEN, EXCHANGE, RUNTIME
from tests.external.mailed import token_mailed_to
from tests.external.running_auth import ADMIN_PASSWORD, PASSWORD, RUNTIME_SECRET, TOOLS_SECRET, RunningAuth


@dataclass(frozen=True)
class Walk:
    """Everything that was made, what of it is a person's choice, and every answer that told of it."""

    made: dict[str, str]
    passwords: frozenset[str]
    address: str
    headers: dict[str, str]
    client: dict[str, Any]


def spellings(secret: str) -> dict[str, str]:
    """What would let somebody use `secret`, whichever way a text holds it."""
    raw = secret.encode()
    return {
        "as it is": secret,
        "its bytes": raw.hex(),
        "in base64": base64.b64encode(raw).decode().rstrip("="),
        "in base64url": base64.urlsafe_b64encode(raw).decode().rstrip("="),
    }


async def every_kind_of_secret(auth: RunningAuth) -> Walk:
    """Have one of each kind made."""
    passwords = [f"a password that is {secrets.token_hex(8)}" for _ in range(2)]
    address = await auth.register(password=passwords[0])
    tokens = await auth.log_in(address, passwords[0])
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    async def post(path: str, body: dict[str, Any], method: str = "POST") -> dict[str, Any]:
        answer = await auth.client.request(method, f"/api/v1{path}", json=body, headers=headers)
        assert answer.status_code in {200, 201, 202, 204}, answer.text
        found: dict[str, Any] = answer.json() if answer.content else {}
        return found

    canary = secrets.token_hex(16)
    key = await post("/users/me/api-keys", {"name": "ci", "scopes": ["agents:read"]})
    client = await post("/auth/clients", {"name": "ci", "scopes": ["agents:read"]})
    second = await post(f"/auth/clients/{client['client_id']}/secrets", {})
    model = {"name": "model", "type": "llm_provider", "secret": f"credential {canary}"}
    kept = await post("/credentials", model)
    platform = {"platform": "youtube", "credentials": {"access_token": f"platform {canary}"}}
    await post("/cp/platform-credentials", platform, "PUT")
    exchange = {"api_key": f"exchange {canary}", "api_secret": f"half {canary}", "default_coin": "BTC"}
    await post("/cp/exchange-setup", exchange | {"risk_limits": {"max_units_per_order": "1"}}, "PUT")
    await post("/auth/password", {"current_password": passwords[0], "new_password": passwords[1]})
    await post("/auth/password/reset", {"email": address})
    shown = {"client_id": client["client_id"], "client_secret": client["client_secret"]}
    machine = await auth.token(grant_type="client_credentials", **shown)
    subject = {"subject_token": tokens["access_token"], "subject_token_type": ACCESS_TOKEN}
    acting = await auth.token(grant_type=EXCHANGE, **subject, **RUNTIME)
    await post("/organisations", {"slug": f"team-{secrets.token_hex(4)}", "name": "A team"})
    resolved = {"credential_ref": kept["credential_ref"], "owner_id": kept["owner_id"], "purpose": "a walk"}
    service = (await auth.token(grant_type="client_credentials", audience="auth", **RUNTIME)).json()["access_token"]
    by_service = {"Authorization": f"Bearer {service}"}
    assert (
        await auth.client.post("/internal/credentials/resolve", json=resolved, headers=by_service)
    ).status_code == 200
    other = await auth.log_in(address, passwords[1])
    ending = {"Authorization": f"Bearer {other['access_token']}"}
    assert (await auth.client.post("/api/v1/auth/logout", json={}, headers=ending)).status_code == 204
    next_pair = await auth.client.post("/api/v1/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    made = {
        "first password": passwords[0],
        "password": passwords[1],
        "another's password": PASSWORD,
        "the first admin's password": ADMIN_PASSWORD,
        "access token": tokens["access_token"],
        "refresh token": tokens["refresh_token"],
        "next refresh token": next_pair.json()["refresh_token"],
        "API key": key["key"],
        "secret part of the API key": key["key"].rsplit("_", 1)[1],
        "client secret": client["client_secret"],
        "second client secret": second["client_secret"],
        "client secret without its prefix": client["client_secret"].partition("_")[2],
        "a machine's token": machine.json()["access_token"],
        "a service's token": service,
        "exchanged token": acting.json()["access_token"],
        "a service's secret": RUNTIME_SECRET,
        "another service's secret": TOOLS_SECRET,
        "credential": f"credential {canary}",
        "platform credential": f"platform {canary}",
        "exchange key": f"exchange {canary}",
        "exchange secret": f"half {canary}",
        "mailed token": await token_mailed_to(auth, address),
    }
    assert len(set(made.values())) == len(made)
    return Walk(made, frozenset({*passwords, PASSWORD, ADMIN_PASSWORD}), address, headers, client)
