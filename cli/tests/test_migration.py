"""Definitions of other systems, with the fields of public ones, become agents that the validator takes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kgents_cli.migration.notes import Kind, Note, Refusal
from kgents_cli.migration.plan import Converted, Plan, plan
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.examine import examine

DATA = Path(__file__).parent / "migration_data"


@cache
def migrated(folder: str) -> Plan:
    """What a whole folder comes to: its files are one batch."""
    return plan(sorted((DATA / folder).iterdir()))


def converted(folder: str, name: str) -> Converted:
    return next(one for one in migrated(folder).converted if one.name == name)


def spec(folder: str, name: str) -> AgentSpec:
    report = examine(converted(folder, name).toml.encode(), "toml")
    assert report.spec is not None, report.errors
    return report.spec


def told(notes: list[Note] | Any, kind: Kind) -> set[tuple[str, str]]:
    """Each note of a kind as (last part of its place, code)."""
    return {(str(note.place[-1]) if note.place else "", note.code) for note in notes if note.kind is kind}


def refusal(folder: str, name: str | None) -> Refusal:
    return next(one for one in migrated(folder).refused if one.name == name)


# What each agent calls, may call and is bound by: provider, model, temperature, max_tokens; tools; changed limits.
AGENTS: dict[str, dict[str, tuple[tuple[Any, ...], list[str], dict[str, int]]]] = {
    "wegent": {
        "release-team": ((None, None, None, None), [], {}),
        "glossary": ((None, None, None, None), [], {}),
        "issues-bot": (("openai", "gpt-4o-mini", None, 2048), ["github.*", "team-calendar.*"], {}),
        "poet": ((None, None, None, None), [], {}),
        "film-maker": ((None, None, None, None), [], {}),
        "interviewer": ((None, None, None, None), [], {}),
        "night-desk": (("openai", "gpt-4o", 0.3, None), [], {}),
        "summariser": ((None, None, None, None), [], {}),
        "weekly-letter": ((None, None, None, None), [], {}),
    },
    "crewai": {
        "market-researcher": ((None, None, None, None), [], {}),
        "report-writer": (("openai", "gpt-4o", None, None), ["files.read"], {"max_steps": 12, "timeout_s": 300}),
        "fact-checker": (("openai", "gpt-4o-mini", 0.0, None), ["web.*"], {}),
        "headline-writer": ((None, None, None, None), [], {}),
        "crew-3": ((None, None, None, None), [], {}),
        "triage": (("openai", "gpt-4o-mini", 0.2, 500), [], {}),
        "director": ((None, None, None, None), [], {}),
        "coder": ((None, None, None, None), [], {"max_steps": 100}),
    },
    "plain": {
        "chatbot": (("openai", None, None, None), [], {}),
        "developer": (("google", "gemini-2.5-flash", 0.2, None), ["git.*"], {}),
        "customer-support": (("openai", "gpt-4o", 0.7, 2000), ["orders.lookup"], {}),
        "parrot-agent": (("openai", "gpt-4o-mini", 0.4, None), ["WeatherPlugin.current"], {}),
        "planner": ((None, None, None, None), [], {}),
        "weather": (("ollama", "llama3.2", None, None), [], {}),
        "analyst": (("openai", "gpt-4o", 0.3, None), [], {}),
        "searcher": (("openai", "gpt-4o", 0.9, None), [], {"max_steps": 100, "timeout_s": 90}),
        "unicode-agent": ((None, None, 0.5, None), [], {}),
        "data-analyzer": (
            ("openai", "gpt-4o", 0.1, 800),
            ["time.*", "files.read"],
            {"memory_mb": 512, "max_steps": 8, "timeout_s": 60},
        ),
    },
    "openai": {
        "hr-helper": (("openai", "gpt-4-1106-preview", None, None), [], {}),
        "coding-tutor": ((None, None, None, None), [], {}),
        "finance-reader": (("openai", "gpt-4o", 0.01, None), [], {}),
        "weather": (("openai", "gpt-4o-mini", 1.0, None), [], {}),
        "weather-2": (("openai", "o3-mini", None, None), [], {}),
        "list-4": (("openai", "ft:gpt-4o-mini:us::abc", None, None), [], {}),
        "travel-desk": (("openai", "gpt-4-turbo", None, None), [], {}),
        "geometry-tutor": (("openai", "gpt-4o", 1.0, None), [], {}),
    },
}


@pytest.mark.parametrize("folder", AGENTS)
def test_at_least_eight_definitions_of_each_format_become_agents(folder: str) -> None:
    names = [one.name for one in migrated(folder).converted]
    assert len(names) >= 8
    assert sorted(names) == sorted(AGENTS[folder])


@pytest.mark.parametrize(("folder", "name"), [(folder, name) for folder, names in AGENTS.items() for name in names])
def test_an_agent_keeps_its_model_its_tools_and_its_limits(folder: str, name: str) -> None:
    llm, tools, limits = AGENTS[folder][name]
    found = spec(folder, name)
    assert (found.llm.provider, found.llm.model, found.llm.temperature, found.llm.max_tokens) == llm
    assert found.tools.allow == tools
    assert found.limits.model_dump(exclude_defaults=True) == limits


def test_a_prompt_over_several_lines_is_kept_to_the_byte() -> None:
    prompt = spec("wegent", "release-team").system_prompt
    assert prompt.startswith("You prepare releases of a software project.\n\nSteps\n1. Read")
    assert prompt.endswith(
        'Answer with the notes alone:\n```markdown\n## Release "next"\n- path: C:\\new\\folder\n```\n'
    )
    assert spec("plain", "unicode-agent").system_prompt == 'First line.\n\nThird "line" with \\ and \t.'
    assert spec("openai", "finance-reader").system_prompt == "Answer from the annual report alone.\n\nName the page."


def test_role_goal_and_backstory_are_one_prompt() -> None:
    assert spec("crewai", "report-writer").system_prompt == (
        "You are Report Writer.\n\nYou leave out what a reader already knows.\n\n"
        "Your goal: Turn findings into a report of two pages."
    )
    assert (
        spec("crewai", "coder").system_prompt
        == "You read logs like novels.\n\nYour goal: Mend what the ticket tells of."
    )
    assert spec("crewai", "coder").description == ""
    assert spec("crewai", "report-writer").description == "Report Writer"


# (format, agent) → what is lost, each with the last part of its place; nothing else may be.
LOST: dict[tuple[str, str], set[tuple[str, str]]] = {
    ("wegent", "release-team"): set(),
    ("wegent", "glossary"): {("skills", "not_supported")},
    ("wegent", "issues-bot"): {
        ("defaultKnowledgeBaseRefs", "not_supported"),
        ("api_key", "secret_left_out"),
        ("base_url", "address_left_out"),
        ("context_window", "not_supported"),
        ("apiFormat", "not_supported"),
    },
    ("wegent", "poet"): {
        ("ANTHROPIC_MODEL", "provider_not_supported"),
        ("ANTHROPIC_AUTH_TOKEN", "secret_left_out"),
        ("ANTHROPIC_BASE_URL", "address_left_out"),
        ("ANTHROPIC_DEFAULT_HAIKU_MODEL", "not_supported"),
    },
    ("wegent", "film-maker"): {("modelType", "model_unknown"), ("secondaryModelRef", "not_supported")},
    ("wegent", "summariser"): {("modelRef", "part_missing"), ("shellRef", "shell_unknown")},
    ("wegent", "weekly-letter"): {("subscription", "not_supported"), ("queue", "not_supported")},
    ("crewai", "report-writer"): {("tools", "tool_not_here"), ("max_rpm", "not_supported")},
    ("crewai", "director"): {
        ("llm", "provider_not_supported"),
        ("allow_delegation", "not_supported"),
        ("dept", "unknown_field"),
    },
    ("crewai", "coder"): {
        ("llm", "model_unknown"),
        ("allow_code_execution", "not_supported"),
        ("code_execution_mode", "not_supported"),
        ("knowledge_sources", "not_supported"),
        ("system_template", "not_supported"),
    },
    ("plain", "data-analyzer"): set(),
    ("plain", "customer-support"): {
        ("tools", "tool_not_here"),
        ("author", "not_supported"),
        ("evaluations", "not_supported"),
        ("test_cases", "not_supported"),
    },
    ("plain", "parrot-agent"): {("top_p", "not_supported")},
    ("plain", "developer"): {
        ("memory", "not_supported"),
        ("display_name", "not_supported"),
    },
    ("openai", "geometry-tutor"): {("tools", "tool_not_here")},
    ("openai", "finance-reader"): {
        ("top_p", "not_supported"),
        ("tools", "tool_not_here"),
        ("tool_resources", "not_supported"),
        ("metadata", "not_supported"),
    },
    ("openai", "weather"): {("tools", "tool_not_here"), ("response_format", "not_supported")},
    ("openai", "list-4"): set(),
}


@pytest.mark.parametrize(("folder", "name"), LOST)
def test_what_is_lost_is_told_with_its_place_and_nothing_else_is(folder: str, name: str) -> None:
    assert told(converted(folder, name).notes, Kind.LOST) == LOST[folder, name]


@pytest.mark.parametrize(
    ("folder", "name", "place", "code"),
    [
        ("wegent", "issues-bot", "mcpServers", "register_server"),
        ("crewai", "market-researcher", "role", "fill_variables"),
        ("crewai", "director", "role", "fill_variables"),
        ("plain", "developer", "mcp_servers", "register_server"),
    ],
)
def test_what_is_left_to_do_outside_of_the_definition_is_told(folder: str, name: str, place: str, code: str) -> None:
    assert told(converted(folder, name).notes, Kind.TODO) == {(place, code)}


@pytest.mark.parametrize(
    ("folder", "name", "place", "code"),
    [
        ("wegent", "release-team", "shellRef", "shell_changed"),
        ("wegent", "glossary", "systemPrompt", "prompt_made"),
        ("wegent", "interviewer", "Ghost/interviewer", "ghost_alone"),
        ("crewai", "coder", "max_iter", "limit_changed"),
        ("plain", "chatbot", "capabilities", "renamed"),
        ("plain", "unicode-agent", "prompt", "prompt_made"),
        ("openai", "weather-2", "2", "renamed"),
    ],
)
def test_what_is_carried_over_in_another_form_is_told(folder: str, name: str, place: str, code: str) -> None:
    assert (place, code) in told(converted(folder, name).notes, Kind.CHANGED)


@pytest.mark.parametrize(
    ("folder", "name", "code", "words"),
    [
        ("wegent", "release-and-glossary", "several_bots", "2 bots can't work together yet"),
        ("wegent", "answers-bot", "runs_elsewhere", "Dify runs the agent"),
        ("wegent", "orphan-bot", "part_missing", "no file has the Ghost 'a-ghost-of-another-installation'"),
        ("wegent", "silent", "no_prompt", "has no prompt"),
        ("plain", "reads_a_file", "no_prompt", "stands in another file"),
        ("openai", "Blank", "no_prompt", "there are no instructions"),
    ],
)
def test_what_cannot_become_an_agent_is_refused_with_the_reason(folder: str, name: str, code: str, words: str) -> None:
    [reason] = refusal(folder, name).reasons
    assert reason.code == code
    assert words in reason.msg
    assert reason.hint


def test_tasks_and_other_kinds_stay_behind_each_with_its_reason() -> None:
    crew = {one.what: one.reason for one in migrated("crewai").skipped}
    assert set(crew) == {
        "task research_task of market_researcher", "task report_task of report_writer", "task check of Fact Checker",
        "process",
    }  # fmt: skip
    assert "kgents message" in crew["task report_task of report_writer"]
    kinds = {one.what for one in migrated("wegent").skipped}
    assert kinds == {"Workspace our-repository", "Task first-release", "Skill pdf"}


def test_each_agent_of_a_large_team_becomes_one_of_its_own_unless_a_team_of_one_has_it() -> None:
    names = {one.name for one in migrated("wegent").converted}
    assert {"release-team", "glossary"} <= names
    assert not {"release-bot", "glossary-bot", "release-and-glossary"} & names


@pytest.mark.parametrize("folder", AGENTS)
def test_the_report_names_the_file_and_the_format_of_each_agent(folder: str) -> None:
    for one in migrated(folder).as_json()["converted"]:
        assert one["from"]["format"] == folder
        assert Path(one["from"]["file"]).parent == DATA / folder
        assert one["file"] == f"{one['name']}.toml"
