"""People of the running platform, and one with a thing of every kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent
from tests.external.langflow import echo_flow
from tests.external.scripted_mcp import ScriptedServer
from tests.external.wasm_modules import arithmetic

PASSWORD = "words that nobody joins"


@dataclass
class Tenant:
    """Somebody with things of their own; `things` are their ids, by the name of the place that they stand in."""

    http: httpx.AsyncClient
    things: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


async def person(admin: httpx.AsyncClient, roles: set[str]) -> dict[str, Any]:
    """The login of somebody new who has these roles and no other."""
    body = {"email": f"{uuid4().hex}@example.org", "name": "Ada", "password": PASSWORD}
    made = (await admin.post("/api/v1/admin/users", json=body)).json()
    given = {"user_id": made["id"]}
    for role in roles - set(made["roles"]):
        assert (await admin.post("/api/v1/admin/assignments", json=given | {"role": role})).status_code == 201
    for role in set(made["roles"]) - roles:
        taken = await admin.delete("/api/v1/admin/assignments", params=given | {"role": role})
        assert taken.status_code == 204, taken.text
    login = await admin.post("/api/v1/auth/login", json={"email": body["email"], "password": PASSWORD})
    assert login.status_code == 200, login.text
    return login.json()


async def furnish(tenant: Tenant, name: str, mcp: ScriptedServer) -> None:
    async def post(path: str, body: dict[str, Any]) -> Any:
        answer = await tenant.http.post(f"/api/v1{path}", json=body)
        assert answer.status_code in {200, 201}, answer.text
        return answer.json()

    agent = await publish_agent(tenant.http, name)
    await label_stable(tenant.http, name)
    # Its draft is a flow, so that there is one to ask for; what is published is not.
    assert (await tenant.http.put(f"/api/v1/agents/{name}", json=echo_flow())).status_code == 200
    said = await post(f"/agents/{name}/message", {"text": "Hello"})
    organisation = await post("/organisations", {"slug": f"team-{name}", "name": name})
    profile = (await tenant.http.get("/api/v1/users/me")).json()
    key = await post("/users/me/api-keys", {"name": name, "scopes": ["agents:read"]})
    client = await post("/auth/clients", {"name": name, "scopes": ["agents:read"]})
    credential = await post("/credentials", {"name": name, "type": "mcp", "secret": f"secret of {name}"})
    server = await post("/mcp-servers", {"name": name, "transport": "streamable_http", "url": mcp.url})
    tools = (await tenant.http.get("/api/v1/tools", params={"server_id": server["id"]})).json()["items"]
    source = arithmetic() + f";; of {name}".encode()
    module = await tenant.http.post("/api/v1/mcp-servers/modules", content=source)
    assert module.status_code == 201, module.text
    wasm = {"module": module.json()["sha256"]}
    wasm_server = await post("/mcp-servers", {"name": f"{name}-wasm", "transport": "wasm", "wasm": wasm})
    api = {"openapi": "3.1.0", "info": {"title": name, "version": "1"}, "paths": {}}
    imported = await post("/tools/import", {"name": f"{name}-api", "document": api, "base_url": "https://api.example"})
    called = await tenant.http.post(f"/api/v1/tools/{tools[0]['name']}/call", json={})
    assert called.status_code in {200, 202}, called.text
    cost = await tenant.http.put(f"/api/v1/tools/{tools[0]['name']}/cost", json={"amount": "1"})
    assert cost.status_code == 200, cost.text
    rule = await post("/tools/permissions", {"effect": "deny", "pattern": tools[1]["name"]})
    denied = await tenant.http.post(f"/api/v1/tools/{tools[1]['name']}/call", json={})
    assert denied.status_code == 200, denied.text
    capability = f"tools-of-{name}"
    answer = await tenant.http.put(f"/api/v1/tools/capabilities/{capability}", json={"patterns": [f"{name}.*"]})
    assert answer.status_code == 201, answer.text
    text = 'forbid (principal, action, resource == Tool::"nothing.nothing");'
    policy = await post("/governance/policies", {"name": name, "text": text})
    ghost = await post("/kinds/ghosts", {"name": name, "system_prompt": "Answer briefly."})
    model = await post("/kinds/models", {"name": name, "api_key_ref": credential["credential_ref"]})
    shell = await post("/kinds/shells", {"name": name})
    ids = {"ghost_id": ghost["id"], "model_id": model["id"], "shell_id": shell["id"]}
    bot = await post("/kinds/bots", {"name": f"{name}-bot", **ids})
    team = await post("/kinds/teams", {"name": f"{name}-team", "members": [{"bot_id": bot["id"]}]})
    wrapper = await post("/agents/wrappers", {"name": f"{name}-wrapper", "agent_id": agent["id"]})
    profile_of_agent = await post("/agents/profiles", {"name": name, "agent_id": agent["id"]})
    statement = {"type": "identity", "statement": f"It is {name}."}
    attestation = await post(f"/agents/profiles/{name}/attest", statement)
    context = await post("/multi_agent/context", {"name": name, "agents": [{"agent": agent["id"]}]})
    platform_credentials = {"platform": name, "credentials": {"access_token": f"token of {name}"}}
    coins = {"default_coin": "BTC", "risk_limits": {"max_units_per_order": "1"}}
    keys = {"api_key": f"key of {name}", "api_secret": f"the other half of {name}"}
    for path, body in (("platform-credentials", platform_credentials), ("exchange-setup", keys | coins)):
        assert (await tenant.http.put(f"/api/v1/cp/{path}", json=body)).status_code == 200
    # The model server of these tests drafts nothing; what was asked is kept all the same.
    drafting = (await tenant.http.post("/api/v1/nl/agents", json={"description": f"An agent of {name}"})).json()
    bounds = {"scope": "user", "window": "month", "max_tokens": 10**12}
    budget = await tenant.http.put("/api/v1/budgets", json=bounds)
    assert budget.status_code == 200, budget.text
    tenant.things = {
        "budget_id": [budget.json()["id"]],
        "draft_id": [drafting["draft_id"]],
        "agent": [agent["id"], name],
        "number": ["1"],
        "label": ["stable"],
        "organisation": [organisation["id"], organisation["slug"]],
        "user_id": [profile["id"]],
        "conversation_id": [said["conversation_id"]],
        "context_id": [context["id"]],
        "run_id": [said["run_id"]],
        "run": [said["run_id"]],
        "previous_response_id": [said["run_id"]],
        "with": [said["run_id"]],
        "conversation": [said["conversation_id"]],
        "invocation_id": [called.json()["invocation_id"]],
        "rule_id": [rule["id"]],
        "capability": [capability],
        "policy_id": [policy["id"]],
        "key_id": [key["id"]],
        "client_id": [client["client_id"]],
        "secret_id": [client["secrets"][0]["id"]],
        "credential_ref": [credential["credential_ref"]],
        "client_ref": [credential["credential_ref"]],
        "server_id": [server["id"]],
        "api_id": [imported["api"]["id"]],
        "wasm_server_id": [wasm_server["id"]],
        "sha256": [wasm["module"]],
        "tool": [tools[0]["name"].partition(".")[2]],
        "name": [tools[0]["name"]],
        "api_key_ref": [credential["credential_ref"]],
        "ghost": [ghost["id"], name],
        "model": [model["id"], name],
        "shell": [shell["id"], name],
        "bot": [bot["id"], bot["name"]],
        "team": [team["id"], team["name"]],
        "bot_id": [bot["id"]],
        "agent_id": [agent["id"]],
        "wrapper": [wrapper["id"], wrapper["name"]],
        "profile": [profile_of_agent["id"], name],
        "attestation_id": [attestation["id"]],
        **{place: [value] for place, value in ids.items()},
    }


async def label_stable(http: httpx.AsyncClient, name: str) -> None:
    """Give version 1 the label, and wait until the deployer has heard of it."""
    answer = await http.put(f"/api/v1/agents/{name}/labels/stable", json={"version": 1})
    assert answer.status_code == 200, answer.text

    async def is_heard() -> bool:
        [deployment] = (await http.get(f"/api/v1/agents/{name}/deployments")).json()["items"]
        return deployment["updated_at"] != deployment["created_at"]

    await eventually(is_heard)


async def asked_approval(inside: httpx.AsyncClient, registry: str, owner_id: str, **changes: Any) -> dict[str, Any]:
    """What the registry asks of people, with its own token: an approval that waits."""
    body: dict[str, Any] = {
        "owner_id": owner_id,
        "principal": owner_id,
        "action": "tool:mail.send",
        "payload_hash": "a" * 64,
        "payload": {"to": "ada@example.org"},
        "summary": "mail.send to ada@example.org",
        "request_key": uuid4().hex,
        **changes,
    }
    headers = {"Authorization": f"Bearer {registry}"}
    answer = await inside.post("/governance/internal/approvals", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return {**body, **answer.json()}


async def kept_memory(inside: httpx.AsyncClient, registry: str, tenant: Tenant) -> str:
    """What the registry has the runtime keep for an agent of theirs, with its own token: the memory's id."""
    body = {
        "owner_id": tenant.things["user_id"][0],
        "agent_id": tenant.things["agent"][0],
        "key": "tea",
        "value": "Ada likes tea.",
    }
    headers = {"Authorization": f"Bearer {registry}"}
    answer = await inside.post("/runtime/internal/memories/put", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


async def service_token(platform: RunningPlatform, visitor: httpx.AsyncClient, caller: str, audience: str) -> str:
    """A token with which `caller` calls `audience`."""
    secret = (platform.home / "secrets" / f"client-{caller}.secret").read_text().strip()
    form = {"grant_type": "client_credentials", "client_id": caller, "client_secret": secret, "audience": audience}
    answer = await visitor.post("/api/v1/auth/token", data=form)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])
