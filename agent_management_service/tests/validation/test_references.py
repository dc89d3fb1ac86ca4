"""Credentials, providers and agents that aren't there, or are of no use, are warned of."""

from __future__ import annotations

from typing import Any

import pytest

from agent_management_service.validation import references
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.credentials import KnownCredential
from kgents_shared.errors.catalogue import known_codes

OPENAI, ANY, OWN_SERVER, MCP, NONE = (f"cred_{digit * 32}" for digit in "12340")
KNOWN = (
    KnownCredential(credential_ref=OPENAI, type="llm_provider", provider="openai"),
    KnownCredential(credential_ref=ANY, type="llm_provider"),
    KnownCredential(credential_ref=OWN_SERVER, type="llm_provider", provider="openai-compatible", has_address=True),
    KnownCredential(credential_ref=MCP, type="mcp"),
)
STATUSES = {"researcher": "published", "writer": "draft", "editor": "stopped"}


def model(provider: str | None, ref: str | None = None) -> dict[str, Any]:
    return {"provider": provider, "credential_ref": ref}


def remote(ref: str) -> dict[str, Any]:
    elsewhere = {"protocol": "http", "url": "https://agents.example/ask", "credential_ref": ref}
    return {"runtime": {"shell": "Remote", "remote": elsewhere}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"llm": model("openai", OPENAI)}, []),
        ({"llm": model(None, OPENAI)}, []),
        ({"llm": model("anthropic", ANY)}, []),
        ({"llm": model("localai", OPENAI)}, []),
        ({"llm": model("openai-compatible", OWN_SERVER)}, []),
        ({"llm": model("openai", NONE)}, [("llm.credential_ref", "credential_not_found")]),
        ({"llm": model("openai", MCP)}, [("llm.credential_ref", "credential_of_other_kind")]),
        ({"llm": model("google", OPENAI)}, [("llm.credential_ref", "credential_of_other_kind")]),
        ({"llm": model("openai-compatible", ANY)}, [("llm.credential_ref", "credential_of_other_kind")]),
        ({"llm": model("echo", ANY)}, [("llm.credential_ref", "credential_of_other_kind")]),
        ({"llm": model("ollama")}, []),
        ({"llm": model("echo")}, []),
        ({"llm": model("anthropic")}, [("llm.provider", "provider_without_account")]),
        (
            {"llm": {**model("ollama"), "fallbacks": [model("google"), model("openai", NONE)]}},
            [
                ("llm.fallbacks.1.credential_ref", "credential_not_found"),
                ("llm.fallbacks.0.provider", "provider_without_account"),
            ],
        ),
        (remote(MCP), [("runtime.remote.credential_ref", "credential_of_other_kind")]),
        (remote(NONE), [("runtime.remote.credential_ref", "credential_not_found")]),
        (remote(ANY), []),
        (
            {"team": {"mode": "route", "members": [{"agent": name} for name in (*STATUSES, "resercher")]}},
            [
                ("team.members.1.agent", "member_not_published"),
                ("team.members.2.agent", "member_not_published"),
                ("team.members.3.agent", "member_not_found"),
            ],
        ),
    ],
)
def test_what_a_definition_names_is_held_against_what_there_is(fields: dict[str, Any], told: list[tuple[str, str]]):
    spec = AgentSpec.model_validate({"name": "good", "system_prompt": "x", **fields})
    found = [
        *references.credential_warnings(spec, KNOWN),
        *references.provider_warnings(spec, {"echo", "ollama"}),
        *references.member_warnings(spec, STATUSES, [*STATUSES]),
    ]
    assert [(".".join(map(str, fault.loc)), fault.code) for fault in found] == told
    assert all(
        'did you mean "researcher"?' in (fault.hint or "") for fault in found if fault.code == "member_not_found"
    )
    assert {fault.code for fault in found} <= known_codes().keys()
