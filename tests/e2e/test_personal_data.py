"""Everything of a person, over all services: given out whole, and gone for good once they are erased."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psycopg
from psycopg import sql

from kgents_shared.http.service import installed_services
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform
from tests.e2e.tenants import PASSWORD, Tenant, furnish
from tests.e2e.test_schema_walls import role_url
from tests.external.scripted_mcp import scripted_server

SERVICES = installed_services()
QUESTION = "And what do you say?"


async def places_of(platform: RunningPlatform, service: str, canary: str) -> list[str]:
    """`schema.table` of each of a service's tables in which the canary stands, in whatever column."""
    found: list[str] = []
    schema = SERVICES[service].schema
    async with await psycopg.AsyncConnection.connect(role_url(platform, SERVICES[service].role)) as connection:
        tables = await connection.execute(
            "SELECT table_name, array_agg(column_name::text) FILTER (WHERE data_type = 'bytea') "
            "FROM information_schema.columns WHERE table_schema = %s GROUP BY table_name",
            [schema],
        )
        for table, binary in await tables.fetchall():
            conditions = [sql.SQL("row::text ILIKE {}").format(f"%{canary}%")]
            conditions += [
                sql.SQL("position({}::bytea IN {}) > 0").format(canary.encode(), sql.Identifier(column))
                for column in binary or ()
            ]
            asked = sql.SQL("SELECT count(*) FROM {} AS row WHERE {}").format(
                sql.Identifier(schema, table), sql.SQL(" OR ").join(conditions)
            )
            row = await (await connection.execute(asked)).fetchone()
            if row is not None and row[0]:
                found.append(f"{schema}.{table}")
    return found


async def test_a_person_takes_everything_along_and_is_erased(
    platform: RunningPlatform, client: httpx.AsyncClient, tmp_path: Path
):
    canary = f"canary{uuid4().hex[:12]}"
    address = f"{canary}@example.org"
    body = {"email": address, "name": f"Ada {canary}", "password": PASSWORD}
    made = (await client.post("/api/v1/admin/users", json=body)).json()
    login = (await client.post("/api/v1/auth/login", json={"email": address, "password": PASSWORD})).json()
    token, file = str(login["access_token"]), tmp_path / "me.jsonl"
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        scripted_server(tmp_path) as mcp,
        httpx.AsyncClient(base_url=platform.url, headers=headers, timeout=60, verify=PLAIN) as http,
    ):
        await furnish(Tenant(http), canary, mcp)
        said = (await http.post(f"/api/v1/agents/{canary}/message", json={"text": f"I am {canary}."})).json()
        facts = f"/api/v1/conversations/{said['conversation_id']}/facts/name"
        assert (await http.put(facts, json={"text": canary})).status_code == 200
        await eventually(lambda: _has_prompt(platform, canary), describe="the model's calls are written")

        context = await quoted_to_others(platform, http, made["id"], str(login["refresh_token"]), canary)
        places = await places_of(platform, "runtime", canary) + await places_of(platform, "tools", canary)
        assert {"runtime.context_messages", "runtime.runs", "tools.invocations"} <= set(places)

        exported = await platform.cli("users", "export", "--out", str(file), token=token)
        assert exported.returncode == 0, exported.stderr
        lines: list[dict[str, Any]] = [json.loads(line) for line in file.read_text().splitlines()]
        assert lines.pop() == {"complete": True, "missing": []}
        assert {line["service"] for line in lines} == SERVICES.keys()
        tables = {line["table"] for line in lines if canary in json.dumps(line["row"])}
        assert tables >= {"users", "agents", "versions", "steps", "conversations", "mcp_servers", "deployments"}
        assert "secret of" not in json.dumps(lines)

        wrong = await http.post("/api/v1/users/me/erasure", json={"confirm": "somebody@example.org"})
        assert (wrong.status_code, wrong.json()["errors"][0]["code"]) == (422, "wrong_address")
        erased = await platform.cli("users", "erase", "--confirm", address, token=token)
        assert erased.returncode == 0, erased.stderr
        await eventually(lambda: _is_refused(http), describe="the token is refused")

    await eventually(lambda: _all_erased(client), timeout=60, describe="every service has erased it")
    left = [place for service in SERVICES for place in await places_of(platform, service, canary)]
    assert left == []
    # What others said in an organisation that they were in is there still.
    async with await platform.client() as founder:
        history = (await founder.get(f"/api/v1/multi_agent/context/{context}/history")).json()["items"]
    assert {row["text"] for row in history} == {QUESTION, "[erased]"}
    # What others' records have of them is an id that leads to nobody.
    assert await places_of(platform, "auth", made["id"]) != []


async def quoted_to_others(
    platform: RunningPlatform, person: httpx.AsyncClient, subject: str, refresh_token: str, canary: str
) -> str:
    """A context of somebody else's organisation, in which a team is told what the person said there before."""
    slug = f"quoting-{uuid4().hex[:8]}"
    async with await platform.client() as founder:
        await _sent(founder, "POST", "/organisations", {"slug": slug, "name": "Quoting"})
        await _sent(founder, "PUT", f"/organisations/{slug}/members/{subject}", {"role": "member"})
    await _sent(person, "POST", f"/organisations/{slug}/join", {})
    renewed = await _sent(person, "POST", "/auth/refresh", {"refresh_token": refresh_token})
    person.headers["Authorization"] = f"Bearer {renewed['access_token']}"
    async with await platform.client() as founder:  # whose token knows of the organisation
        team = {"team": {"mode": "pipeline", "members": [{"agent": "one"}]}}
        for name, more in (("one", {}), ("all", team)):
            spec = {"name": name, "system_prompt": "Answer.", "llm_provider": "echo", **more}
            await _sent(founder, "POST", f"/agents?organisation={slug}&publish=true", spec)
        agents = [{"agent": f"{slug}~{name}"} for name in ("one", "all")]
        path = f"/multi_agent/context?organisation={slug}"
        context = str((await _sent(founder, "POST", path, {"name": "Talk", "agents": agents}))["id"])
        for speaker, text, agent in ((person, f"{canary} was here.", "one"), (founder, QUESTION, "all")):
            said = {"context_id": context, "text": text, "to": [agent]}
            await eventually(lambda speaker=speaker, said=said: _answered(speaker, said), describe="it is answered")
    return context


async def _answered(http: httpx.AsyncClient, said: dict[str, Any]) -> bool:
    exchange = await _sent(http, "POST", "/multi_agent/message", said)
    return exchange["answers"][0]["status"] == "answered"


async def _sent(http: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]) -> Any:
    answer = await http.request(method, f"/api/v1{path}", json=body)
    assert answer.status_code in {200, 201}, (path, answer.text)
    return answer.json()


async def _has_prompt(platform: RunningPlatform, canary: str) -> bool:
    return "runtime.steps" in await places_of(platform, "runtime", canary)


async def _is_refused(http: httpx.AsyncClient) -> bool:
    return (await http.get("/api/v1/users/me")).status_code in {401, 404}


async def _all_erased(admin: httpx.AsyncClient) -> bool:
    erasures = (await admin.get("/api/v1/admin/erasures")).json()["items"]
    assert [row for row in erasures if row["done_at"] is None] == []
    return bool(erasures)
