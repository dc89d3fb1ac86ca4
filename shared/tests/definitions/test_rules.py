"""What holds between fields, what is likely a mistake, and what an operator doesn't give."""

from __future__ import annotations

from typing import Any

import pytest

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.examine import examine
from kgents_shared.definitions.limits import SystemLimits, beyond_limits, refuse_beyond
from kgents_shared.definitions.rules import contradictions, warnings_of
from kgents_shared.errors import InvalidInput
from kgents_shared.errors.catalogue import known_codes


def spec_of(**fields: Any) -> AgentSpec:
    return AgentSpec.model_validate({"name": "good", "system_prompt": "Good.", **fields})


def tools(allow: list[str], deny: list[str] | None = None) -> dict[str, Any]:
    return {"tools": {"allow": allow, "deny": deny or []}}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (tools(["*"]), {("tools", "allow", 0): "allows_every_tool"}),
        (tools(["*.*"]), {("tools", "allow", 0): "allows_every_tool"}),
        (tools(["a.b", "a.b"]), {("tools", "allow", 1): "repeated_tool_pattern"}),
        (tools(["a.*", "a.b"]), {("tools", "allow", 1): "covered_tool_pattern"}),
        (tools(["a.*", "b.*"], ["b.*"]), {("tools", "allow", 1): "denied_anyway"}),
        (tools(["a.b", "c.d"], ["a.*"]), {("tools", "allow", 0): "denied_anyway"}),
        (tools(["a.*"], ["b.*"]), {("tools", "deny", 0): "idle_deny"}),
        (tools(["a.*", "capability:b"], ["capability:c", "b.x"]), {}),
        (tools(["a.b"], ["a.c"]), {("tools", "deny", 0): "idle_deny"}),
        (tools(["a.*x"], ["a.*y"]), {("tools", "deny", 0): "idle_deny"}),
        (tools([], ["b.c"]), {("tools", "deny", 0): "idle_deny"}),
        (
            {"llm": {"provider": "echo", "model": "x", "temperature": 1, "max_tokens": 1}},
            {
                ("llm", "model"): "ignored_by_echo",
                ("llm", "temperature"): "ignored_by_echo",
                ("llm", "max_tokens"): "ignored_by_echo",
            },
        ),
        ({"llm": {"model": "gpt-4o-mni"}}, {("llm", "model"): "unknown_model"}),
        ({"llm": {"model": "GPT-4o"}}, {("llm", "model"): "unknown_model"}),
        ({"llm": {"model": "o3-mini", "temperature": 0.5}}, {("llm", "temperature"): "temperature_not_taken"}),
        ({"llm": {"provider": "openai-compatible"}}, {("llm", "provider"): "provider_without_address"}),
        (
            {"llm": {"fallbacks": [{"provider": "openai"}, {"provider": "openai-compatible"}]}},
            {("llm", "fallbacks", 1, "provider"): "provider_without_address"},
        ),
        ({"llm": {"provider": "openai-compatible", "credential_ref": f"cred_{'a' * 32}"}}, {}),
        ({"llm": {"max_tokens": 5}}, {("llm", "max_tokens"): "answers_cut_short"}),
        ({**tools(["a.b"]), "limits": {"max_steps": 1}}, {("limits", "max_steps"): "no_step_for_answer"}),
        ({"limits": {"max_steps": 50, "timeout_s": 20}}, {("limits", "timeout_s"): "timeout_before_steps"}),
        ({"system_prompt": " \n\t"}, {("system_prompt",): "blank_prompt"}),
        ({"system_prompt": "word " * 7000}, {("system_prompt",): "long_prompt"}),
        ({"system_prompt": "Be kind\u202e ot eb"}, {("system_prompt",): "hidden_character"}),
        ({"description": "x\U000e0041"}, {("description",): "hidden_character"}),
    ],
)
def test_a_likely_mistake_is_warned_of_at_its_place(fields: dict[str, Any], told: dict[tuple[str | int, ...], str]):
    found = warnings_of(spec_of(**fields))
    assert {fault.loc: fault.code for fault in found} == told
    assert all(fault.hint and fault.code in known_codes() for fault in found)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        tools(["a.*", "b.c"], ["a.write", "*.delete"]),
        tools(["a.b*"], ["*c"]),
        {"llm": {"model": "gpt-4o-2024-08-06"}},
        {"llm": {"model": "gpt-5.2", "max_tokens": 400}},
        {"llm": {"model": "llama-3.1-70b", "temperature": 0.1}},
        {"llm": {"provider": "echo"}},
        {"system_prompt": "Family: \U0001f468\u200d\U0001f469\u200d\U0001f467, naïve, 日本語\n"},
    ],
)
def test_what_is_as_it_should_be_is_not_warned_of(fields: dict[str, Any]):
    assert warnings_of(spec_of(**fields)) == []


def test_a_short_form_beside_the_long_one_is_warned_of():
    report = examine(b'name = "a"\nsystem_prompt = "x"\nllm_provider = "echo"\nllm.provider = "echo"', "toml")
    assert [(fault.code, fault.position["line"]) for fault in report.warnings] == [("given_twice", 3)]


@pytest.mark.parametrize(
    ("fields", "codes"),
    [
        (tools(["a.b"], ["a.*"]), ["no_tool_left"]),
        (tools(["a.*", "b.c"], ["*"]), ["no_tool_left"]),
        (tools(["a.*"], ["a.b"]), []),
        (tools([], ["a.b"]), []),
    ],
)
def test_denying_all_that_is_allowed_is_a_contradiction(fields: dict[str, Any], codes: list[str]):
    assert [fault.code for fault in contradictions(spec_of(**fields))] == codes


def test_a_contradiction_keeps_a_definition_from_being_taken():
    report = examine(b'name = "a"\nsystem_prompt = "x"\n[tools]\nallow = ["a.b"]\ndeny = ["a.*"]', "toml")
    assert [(fault.code, fault.position["line"]) for fault in report.errors] == [("no_tool_left", 5)]
    assert report.spec is None


LIMITS = SystemLimits(
    memory_mb=512, max_steps=10, timeout_s=60, max_tokens=1000, cpu=2, processes=64, replicas=4, providers=("openai",)
)
SHORT = {"max_steps": 1, "timeout_s": 1}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (
            {"limits": {"memory_mb": 513, "max_steps": 10, "timeout_s": 60}},
            [(("limits", "memory_mb"), "over_system_limit")],
        ),
        (
            {"limits": {"memory_mb": 512, "max_steps": 11, "timeout_s": 61}},
            [(("limits", "max_steps"), "over_system_limit"), (("limits", "timeout_s"), "over_system_limit")],
        ),
        (
            {"limits": {"max_steps": 1, "timeout_s": 1}, "llm": {"max_tokens": 1001}},
            [(("llm", "max_tokens"), "over_system_limit")],
        ),
        (
            {"limits": {"max_steps": 1, "timeout_s": 1}, "llm": {"provider": "echo"}},
            [(("llm", "provider"), "provider_closed")],
        ),
        (
            {"limits": {**SHORT, "cpu": 2.5, "processes": 65}, "runtime": {"replicas": 5}},
            [
                (("limits", "cpu"), "over_system_limit"),
                (("limits", "processes"), "over_system_limit"),
                (("runtime", "replicas"), "over_system_limit"),
            ],
        ),
        ({"limits": {"max_steps": 1, "timeout_s": 1}, "llm": {"provider": "openai", "max_tokens": 1000}}, []),
    ],
)
def test_more_than_the_operator_gives_is_refused(fields: dict[str, Any], told: list[tuple[tuple[str, ...], str]]):
    spec = spec_of(**fields)
    assert [(fault.loc, fault.code) for fault in beyond_limits(spec, LIMITS)] == told
    assert beyond_limits(spec, SystemLimits()) == []
    if told:
        with pytest.raises(InvalidInput) as refused:
            refuse_beyond(spec, LIMITS)
        assert [fault.loc for fault in refused.value.errors] == [loc for loc, _ in told]


def test_the_limits_of_the_operator_are_told_at_their_place_in_the_file():
    text = (
        b'name = "a"\nsystem_prompt="x"\nllm_provider = "echo"\n[limits]\nmemory_mb = 600\ntimeout_s = 9\nmax_steps = 1'
    )
    report = examine(text, "toml", LIMITS)
    assert [(fault.code, fault.position["line"]) for fault in report.errors] == [
        ("provider_closed", 3),
        ("over_system_limit", 5),
    ]
