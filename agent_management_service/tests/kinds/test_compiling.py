"""Kinds to a spec and back. Pure: nothing here asks a server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_management_service.kinds.compiling import (
    LLM_FIELDS,
    LLM_OF_SHELL,
    RUNTIME_OF_SHELL,
    Parts,
    parts_of,
    spec_of,
)
from agent_management_service.kinds.errors import NotRunnable
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.models import GhostRow, ModelRow, ShellRow
from agent_management_service.kinds.schemas import (
    ChatConfig,
    ChatShellBody,
    GhostBody,
    LangflowShellBody,
    ModelBody,
    RemoteShellBody,
)
from kgents_shared.contracts.agent_spec import AgentSpec, LlmSpec, RuntimeSpec
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import Document
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.errors import InvalidInput

CHARS = st.characters(exclude_categories=["Cs"], exclude_characters="\x00")
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,10}-[a-z0-9]{1,9}", fullmatch=True)
PATTERNS = st.lists(st.from_regex(r"[a-z]{1,8}\.(\*|[a-z_]{1,8})", fullmatch=True), max_size=3)
REFERENCES = st.from_regex(r"cred_[0-9a-f]{32}", fullmatch=True)
LLM = st.fixed_dictionaries(
    {},
    optional={
        "provider": st.sampled_from(["openai", "echo"]),
        "model": st.text(CHARS, min_size=1, max_size=30),
        "temperature": st.floats(0, 2),
        "max_tokens": st.integers(1, 1_000_000),
        "credential_ref": REFERENCES,
        "cache_s": st.integers(1, 604_800),
        "fallbacks": st.lists(st.fixed_dictionaries({"provider": st.sampled_from(["google", "ollama"])}), max_size=2),
    },
)
LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "memory_mb": st.integers(64, 8192),
        "max_steps": st.integers(1, 100),
        "timeout_s": st.integers(1, 3600),
    },
)


def is_whole(fields: dict[str, Any]) -> bool:
    """Whether nothing contradicts and nothing looks like a secret by chance."""
    try:
        compile_spec(Document(fields))
    except InvalidInput:
        return False
    return True


SPECS = st.fixed_dictionaries(
    {"name": NAMES, "system_prompt": st.text(CHARS, min_size=1, max_size=200)},
    optional={
        "description": st.text(CHARS, max_size=50),
        "capabilities": st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), max_size=3, unique=True),
        "llm": LLM,
        "limits": LIMITS,
        "memory": st.fixed_dictionaries({}, optional={"scope": st.sampled_from(["user", "conversation"])}),
        "runtime": st.fixed_dictionaries({}, optional={"replicas": st.integers(1, 32)}),
        "tools": st.fixed_dictionaries({}, optional={"allow": PATTERNS, "deny": PATTERNS}),
    },
).filter(is_whole)
GHOST = GhostBody(name="who", system_prompt="You help.")
MODEL = ModelBody(name="which")
SHELL = ChatShellBody(name="where")


def refused(parts: Parts) -> list[tuple[Any, ...]]:
    with pytest.raises(NotRunnable) as caught:
        spec_of(Kind.BOT, "desk", parts)
    return [fault.loc for fault in caught.value.errors]


@given(fields=SPECS)
@settings(max_examples=40, deadline=None)
def test_a_spec_taken_apart_and_put_together_is_the_same_spec(fields: dict[str, Any]) -> None:
    spec = AgentSpec.model_validate(fields)
    assert spec_of(Kind.BOT, spec.name, Parts(*parts_of(spec))) == spec


@given(fields=SPECS)
@settings(max_examples=40, deadline=None)
def test_parts_put_together_and_taken_apart_are_the_same_parts(fields: dict[str, Any]) -> None:
    parts = parts_of(AgentSpec.model_validate(fields))
    assert parts_of(spec_of(Kind.TEAM, parts[0].name, Parts(*parts))) == parts


def test_every_field_of_a_spec_has_its_part() -> None:
    of_a_shell = set(ChatConfig.model_fields) - {*LLM_OF_SHELL, *RUNTIME_OF_SHELL}
    # A team stands for itself, too: it is made of bots.
    whole = {"name", "description", "system_prompt", "llm", "runtime", "team"} | of_a_shell
    assert set(AgentSpec.model_fields) == whole
    assert set(LlmSpec.model_fields) == {*LLM_FIELDS, *LLM_OF_SHELL}
    assert set(ModelBody.model_fields) == {"name", *LLM_FIELDS.values()}
    # A flow and an agent elsewhere stand for themselves: no part is made of one.
    assert set(RuntimeSpec.model_fields) == {"shell", "flow", "remote", *RUNTIME_OF_SHELL}


def test_what_no_part_says_is_what_a_definition_leaves_out() -> None:
    least = AgentSpec(name="desk", system_prompt="You help.")
    assert spec_of(Kind.BOT, "desk", Parts(GHOST, MODEL, SHELL)) == least


def test_a_model_is_the_agents_llm_under_its_own_names() -> None:
    reference = f"cred_{'0' * 32}"
    model = ModelBody(
        name="m", provider="openai", model_name="gpt", temperature=0.25, max_tokens=7, api_key_ref=reference
    )
    spec = spec_of(Kind.BOT, "desk", Parts(GHOST, model, SHELL))
    assert spec.llm == LlmSpec(provider="openai", model="gpt", temperature=0.25, max_tokens=7, credential_ref=reference)


@pytest.mark.parametrize("provider", ["anthropic", "google", "ollama", "openai-compatible"])
def test_a_provider_that_the_operator_has_closed_is_told_at_the_model(provider: Any) -> None:
    limits = SystemLimits(providers=("openai", "echo"))
    with pytest.raises(NotRunnable) as caught:
        spec_of(Kind.BOT, "desk", Parts(GHOST, ModelBody(name="m", provider=provider), SHELL), limits)
    (fault,) = caught.value.errors
    assert (fault.loc, fault.code) == (("model", "provider"), "provider_closed")
    assert fault.hint == "choose 'openai' or 'echo', or leave it out"


def test_a_flow_that_is_none_is_told_at_the_shell() -> None:
    shell = LangflowShellBody.model_validate({"name": "s", "type": "Langflow", "config": {"flow": {"data": {}}}})
    assert refused(Parts(GHOST, MODEL, shell)) == [("shell", "type")]


def test_an_agent_elsewhere_is_a_shell_with_its_place() -> None:
    place = {"protocol": "a2a", "url": "https://agents.example.com/a"}
    shell = RemoteShellBody.model_validate({"name": "s", "type": "Remote", "config": place})
    spec = spec_of(Kind.BOT, "desk", Parts(GHOST, MODEL, shell))
    assert spec.runtime == RuntimeSpec.model_validate({"shell": "Remote", "remote": place})


def test_every_reason_is_told_at_once() -> None:
    shell = ShellRow(name="s", type="Remote", config={"protocol": "http", "url": "nowhere"})
    model = ModelRow(name="m", temperature=9.0)
    assert refused(Parts(GHOST, model, shell)) == [("model", "temperature"), ("shell", "config", "url")]


def test_what_was_stored_before_a_rule_came_is_told_at_its_part() -> None:
    ghost = GhostRow(name="g", description="", system_prompt="")
    model = ModelRow(name="m", temperature=9.0)
    shell = ShellRow(name="s", type="Chat", config={"tools": {"allow": ["no pattern"]}})
    assert refused(Parts(ghost, model, shell)) == [
        ("ghost", "system_prompt"),
        ("model", "temperature"),
        ("shell", "config", "tools", "allow", 0),
    ]


def test_what_is_beyond_the_platforms_limits_is_told_at_its_part() -> None:
    shell = ChatShellBody.model_validate({"name": "s", "config": {"limits": {"memory_mb": 1024}}})
    with pytest.raises(NotRunnable) as caught:
        spec_of(Kind.BOT, "desk", Parts(GHOST, MODEL, shell), SystemLimits(memory_mb=512))
    (fault,) = caught.value.errors
    assert (fault.loc, fault.code) == (("shell", "config", "limits", "memory_mb"), "over_system_limit")


def test_a_name_that_no_agent_may_have_is_told_as_the_name() -> None:
    with pytest.raises(NotRunnable) as caught:
        spec_of(Kind.TEAM, "wrappers", Parts(GHOST, MODEL, SHELL))
    assert [fault.loc for fault in caught.value.errors] == [("name",)]
