"""What `kgents wrappers …` and `kgents profiles …` ask of the API, and how they show what that answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

WRAPPERS, PROFILES = "/api/v1/agents/wrappers", "/api/v1/agents/profiles"
AGENT = {"id": "a-1", "name": "desk", "organisation": None, "version": 2, "status": "published"}
WRAPPER: dict[str, Any] = {
    "id": "w-1", "name": "careful", "organisation": None, "owner_id": "p-1", "description": "Careful.",
    "version": "1.0.0", "supported_providers": ["echo"], "agent_id": "a-1", "configuration": {"shell": "Chat"},
    "deployed_agent_id": None, "deployed_version": None, "deployed_at": None,
}  # fmt: skip
DEPLOYED = WRAPPER | {
    "deployed_agent_id": "a-2", "deployed_version": "1.0.0", "deployed_at": "2026-11-21T10:00:00Z",
}  # fmt: skip
PROFILE: dict[str, Any] = {
    "id": "f-1", "name": "desk", "organisation": None, "owner_id": "p-1", "description": "At the door.",
    "agent_id": "a-1", "capabilities": ["booking", "refunds"],
}  # fmt: skip
ATTESTATION: dict[str, Any] = {
    "id": "t-1", "status": "valid", "profile_id": "f-1", "jws": "a.b.c", "expires_at": "2027-02-19T10:00:00Z",
    "attester": {"kind": "person", "id": "p-1", "name": "Ada"}, "agent": AGENT,
    "claims": {"type": "identity", "statement": "It is ours.", "capabilities": [], "evidence_url": None},
}  # fmt: skip


def page(*items: Any) -> Answer:
    return Answer(200, {"items": list(items), "next_cursor": None})


@pytest.fixture
def stored(api: Api) -> Api:
    api.will("GET", "/api/v1/agents/desk", Answer(200, AGENT))
    for path, thing in ((f"{WRAPPERS}", WRAPPER), (f"{PROFILES}", PROFILE)):
        api.will("POST", path, Answer(201, thing))
        api.will("GET", path, page(thing))
        api.will("PUT", f"{path}/{thing['name']}", Answer(200, thing))
        api.will("DELETE", f"{path}/{thing['name']}", Answer(204))
    api.will("GET", f"{WRAPPERS}/careful", Answer(200, WRAPPER))
    api.will("GET", f"{PROFILES}/desk", Answer(200, PROFILE | {"agent": AGENT, "attested": ["booking"]}))
    return api


def sent(api: Api, method: str, path: str) -> Any:
    (body,) = api.bodies(method, path)
    return json.loads(body)


def test_a_wrapper_is_made_over_an_agent_that_is_named(kgents: Kgents, stored: Api, tmp_path: Path):
    file = tmp_path / "careful.toml"
    file.write_text('[llm]\nprovider = "echo"\n')
    ran = kgents(
        "wrappers", "create", "careful", "--agent", "desk", "--config", str(file), "--provider", "echo",
        "--provider", "openai", "--version", "1.2.3",
    )  # fmt: skip
    assert (ran.code, "kgents wrappers deploy careful" in ran.out) == (0, True)
    assert sent(stored, "POST", WRAPPERS) == {
        "name": "careful", "agent_id": "a-1", "configuration": {"llm": {"provider": "echo"}},
        "supported_providers": ["echo", "openai"], "version": "1.2.3",
    }  # fmt: skip


def test_a_change_of_a_wrapper_leaves_what_is_not_named(kgents: Kgents, stored: Api):
    assert kgents("wrappers", "update", "careful", "--version", "1.1.0").code == 0
    kept = {key: WRAPPER[key] for key in ("name", "description", "supported_providers", "agent_id", "configuration")}
    assert sent(stored, "PUT", f"{WRAPPERS}/careful") == kept | {"version": "1.1.0"}
    assert kgents("wrappers", "update", "careful").code == 2


def test_wrappers_are_listed_shown_and_deleted(kgents: Kgents, stored: Api):
    assert [line.split()[:4] for line in kgents("wrappers", "list").out.splitlines()] == [
        ["NAME", "VERSION", "DEPLOYED", "AT"],
        ["careful", "1.0.0", "-", "-"],
    ]
    assert json.loads(kgents("wrappers", "get", "careful").out) == WRAPPER
    assert kgents("wrappers", "delete", "careful", "--yes").out == "The wrapper careful is deleted.\n"


def test_a_deployed_wrapper_is_waited_for(kgents: Kgents, stored: Api):
    own = AGENT | {"id": "a-2", "name": "careful", "version": 1}
    stored.will("POST", f"{WRAPPERS}/careful/deploy", Answer(200, DEPLOYED))
    stored.will("GET", "/api/v1/agents/a-2", Answer(200, own))
    running = page({"instances": [{"lane": "stable", "version": 1, "state": "ready"}]})
    stored.will("GET", "/api/v1/agents/careful/deployments", page(), running)
    ran = kgents("wrappers", "deploy", "careful")
    assert (ran.code, ran.out.splitlines()[0]) == (0, "careful 1.0.0 is running, as version 1 of its agent.")


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ({"status": "not_deployed", "deployed_at": None, "agent": None, "last_error": None},
         ["careful: not deployed"]),
        ({"status": "updating", "deployed_at": "2026-11-21T10:00:00Z", "deployed_version": "1.0.0",
          "changed_since": True, "agent": AGENT, "instances": 2, "ready": 1, "last_error": "it was killed by SIGKILL"},
         ["careful: updating", "deployed   1.0.0 at 2026-11-21 10:00, changed since",
          "agent      desk version 2, published", "instances  1 of 2 ready", "last error it was killed by SIGKILL"]),
    ],
    ids=["not-deployed", "updating"],
)  # fmt: skip
def test_the_status_says_what_runs(kgents: Kgents, stored: Api, found: dict[str, Any], lines: list[str]):
    stored.will("GET", f"{WRAPPERS}/careful/status", Answer(200, found))
    assert kgents("wrappers", "status", "careful").out.splitlines() == lines
    assert kgents("wrappers", "status", "careful", "--json").json == found


def test_a_profile_is_made_changed_listed_shown_and_deleted(kgents: Kgents, stored: Api):
    assert kgents("profiles", "create", "desk", "--agent", "desk", "--capability", "booking").code == 0
    assert sent(stored, "POST", PROFILES) == {"name": "desk", "agent_id": "a-1", "capabilities": ["booking"]}
    assert kgents("profiles", "update", "desk", "--description", "Inside.").code == 0
    kept = {key: PROFILE[key] for key in ("name", "agent_id", "capabilities")}
    assert sent(stored, "PUT", f"{PROFILES}/desk") == kept | {"description": "Inside."}
    assert kgents("profiles", "update", "desk").code == 2
    assert "booking, refunds" in kgents("profiles", "list").out
    assert kgents("profiles", "get", "desk").out.splitlines() == [
        "desk  f-1", "agent         desk, published, version 2", "capability    booking (attested)",
        "capability    refunds", "At the door.",
    ]  # fmt: skip
    assert kgents("profiles", "delete", "desk", "--yes").code == 0


def test_what_is_signed_goes_to_standard_output_alone(kgents: Kgents, stored: Api):
    stored.will("POST", f"{PROFILES}/desk/attest", Answer(201, ATTESTATION))
    ran = kgents(
        "profiles", "attest", "desk", "--type", "identity", "--statement", "It is ours.", "--days", "30",
        "--evidence", "https://audits.example/7", "--organisation", "acme",
    )  # fmt: skip
    assert (ran.code, ran.out) == (0, "a.b.c\n")
    assert "Attestation t-1 of Ada (person), until 2027-02-19 10:00." in ran.err
    asked = stored.seen[-1]
    assert asked.path == f"{PROFILES}/desk/attest?organisation=acme"
    assert json.loads(asked.body) == {
        "type": "identity", "statement": "It is ours.", "capabilities": [], "valid_days": 30,
        "evidence_url": "https://audits.example/7",
    }  # fmt: skip


def test_attestations_are_listed_and_revoked(kgents: Kgents, stored: Api):
    stored.will("GET", f"{PROFILES}/desk/attestations", page(ATTESTATION))
    stored.will("POST", f"{PROFILES}/desk/attestations/t-1/revoke", Answer(200, ATTESTATION | {"status": "revoked"}))
    row = kgents("profiles", "attestations", "desk").out.splitlines()[1]
    assert row.split()[:5] == ["t-1", "valid", "identity", "Ada", "2"]
    ran = kgents("profiles", "revoke", "desk", "t-1", "--reason", "It was mistaken.")
    assert ran.out == "Attestation t-1 is revoked.\n"
    assert sent(stored, "POST", f"{PROFILES}/desk/attestations/t-1/revoke") == {"reason": "It was mistaken."}


@pytest.mark.parametrize(
    "arguments",
    [
        ("wrappers", "create"), ("wrappers", "create", "x", "--config", "/nowhere.toml"),
        ("profiles", "create", "x"), ("profiles", "attest", "desk", "--type", "oath", "--statement", "x"),
        ("profiles", "attest", "desk", "--type", "identity", "--statement", "x", "--days", "366"),
        ("profiles", "revoke", "desk", ""),
    ],
)  # fmt: skip
def test_what_can_not_be_asked_is_bad_input(kgents: Kgents, stored: Api, arguments: tuple[str, ...]):
    assert kgents(*arguments).code == 2
    assert [seen for seen in stored.seen if seen.path.startswith("/api/")] == []
