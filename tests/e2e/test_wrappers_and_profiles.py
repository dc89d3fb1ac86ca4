"""Document 003's wrappers and profiles on a running platform, at the paths as it writes them, and by command line."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import httpx
import jwt

from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.e2e.running_platform import RunningPlatform, publish_agent

PAGE = Path(__file__).resolve().parents[2] / "docs" / "wrappers-and-profiles.md"
WRAPPERS, PROFILES = "/api/agents/wrappers", "/api/agents/profiles"
ECHO = {"llm": {"provider": "echo"}}


async def posted(http: httpx.AsyncClient, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await http.post(path, json=body)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


async def verified(visitor: httpx.AsyncClient, jws: str) -> dict[str, Any]:
    """What a third party reads who has nothing but the JWS and the platform's address."""
    keys = jwt.PyJWKSet.from_dict((await visitor.get("/.well-known/jwks.json")).json())
    header = jwt.get_unverified_header(jws)
    assert header["typ"] == "attestation+jwt"
    return jwt.decode(jws, keys[header["kid"]], algorithms=["ES256"])


async def test_a_wrapper_of_an_agent_is_deployed_seen_running_and_answers(client: httpx.AsyncClient) -> None:
    base = await publish_agent(client, "wrapped-base")
    made = await posted(
        client,
        WRAPPERS,
        {"name": "wrapped-desk", "agent_id": base["id"], "configuration": ECHO, "supported_providers": ["echo"]},
    )
    assert (await client.get(f"{WRAPPERS}/{made['id']}/status")).json()["status"] == "not_deployed"
    deployed = await posted(client, f"{WRAPPERS}/{made['id']}/deploy", {})

    async def is_ready() -> bool:
        return (await client.get(f"{WRAPPERS}/wrapped-desk/status")).json()["status"] == "ready"

    await eventually(is_ready, describe="the wrapper's agent is ready")
    status = (await client.get(f"{WRAPPERS}/wrapped-desk/status")).json()
    assert (status["ready"], status["agent"]["id"]) == (1, deployed["deployed_agent_id"])
    said = await posted(client, status["endpoint_url"], {"text": "Are you there?"})
    assert "Are you there?" in said["text"]
    assert (await client.delete(f"{WRAPPERS}/wrapped-desk")).status_code == 204
    assert (await client.get("/api/agents/wrapped-desk")).status_code == 404
    assert (await client.get("/api/agents/wrapped-base")).status_code == 200


async def test_an_attestation_is_verified_by_whoever_holds_it_until_it_is_revoked(
    platform: RunningPlatform, client: httpx.AsyncClient
) -> None:
    agent = await posted(client, "/api/agents?publish=true", {"name": "attested", "system_prompt": "x", **ECHO})
    await posted(client, PROFILES, {"name": "attested", "agent_id": agent["id"], "capabilities": ["booking"]})
    said = {"type": "capability", "statement": "It books rooms.", "capabilities": ["booking"]}
    made = await posted(client, f"{PROFILES}/attested/attest", said)
    async with httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN) as visitor:
        claims = await verified(visitor, made["jws"])
        assert (claims["jti"], claims["agent"]["version"]) == (made["id"], 1)
        assert claims["attestation"]["statement"] == "It books rooms."
        assert claims["attester"]["name"]
        place = claims["status"]["uri"].partition("/api/")[2]
        assert (await visitor.get(f"/api/{place}")).json()["status"] == "valid"
        as_token = {"Authorization": f"Bearer {made['jws']}"}
        assert (await visitor.get("/api/agents", headers=as_token)).status_code == 401
        await posted(client, f"{PROFILES}/attested/attestations/{made['id']}/revoke", {"reason": "It was mistaken."})
        assert (await visitor.get(f"/api/{place}")).json()["status"] == "revoked"
    (listed,) = (await client.get(f"{PROFILES}/attested/attestations")).json()["items"]
    assert (listed["status"], listed["revocation_reason"]) == ("revoked", "It was mistaken.")


async def test_by_the_command_line_alone_as_the_page_says(platform: RunningPlatform) -> None:
    page = PAGE.read_text("utf-8")
    (settings,), (commands,) = [re.findall(rf"```{kind}\n(.*?)```", page, re.DOTALL) for kind in ("toml", "console")]
    (platform.home.parent / "careful.toml").write_text(settings)
    printed: list[str] = []
    for line in [*commands.splitlines(), "$ kgents profiles revoke careful ID"]:
        _, program, *arguments = shlex.split(line)
        if arguments[-1] == "ID":
            arguments[-1] = json.loads(printed[-1])[0]["id"]
        ran = await platform.cli(*arguments)
        assert (program, ran.returncode) == ("kgents", 0), f"{line}: {ran.stderr}"
        printed.append(ran.stdout)
    assert "careful 1.0.0 is running" in printed[1]
    assert "careful: ready" in printed[2]
    assert "Anybody there?" in printed[3]
    async with httpx.AsyncClient(base_url=platform.url, timeout=60, verify=PLAIN) as visitor:
        claims = await verified(visitor, printed[5].strip())
        assert claims["attestation"]["statement"] == "It echoes."
        place = claims["status"]["uri"].partition("/api/")[2]
        assert (await visitor.get(f"/api/{place}")).json()["status"] == "revoked"
    assert "echoing (attested)" in printed[6]
    assert json.loads(printed[7])[0]["jws"] == printed[5].strip()
