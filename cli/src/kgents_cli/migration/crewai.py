"""CrewAI's `agents.yaml`: role, goal and backstory become the system prompt; tasks stay behind, told by agent."""

import re
from collections.abc import Mapping
from typing import Any, cast

from kgents_cli.migration.documents import short_json
from kgents_cli.migration.fields import Fields, mappings
from kgents_cli.migration.limits import carry_steps, carry_timeout
from kgents_cli.migration.models import (
    carry_credential,
    carry_model,
    carry_sampling,
    lose_address,
    named,
    only_with_provider,
)
from kgents_cli.migration.notes import Draft, Origin, Outcome, Refusal, Skipped
from kgents_cli.migration.tools import carry_patterns

FORMAT = "crewai"
_CORE = frozenset({"role", "goal", "backstory"})
_TASK = frozenset({"description", "expected_output"})
_VARIABLE = re.compile(r"(?<!\{)\{([A-Za-z_][A-Za-z0-9_]*)\}(?!\})")

# Each with its reason; what is false, null or empty says nothing and isn't told.
_LOST = {
    "max_rpm": "a limit of requests per minute isn't enforced yet",
    "allow_delegation": "an agent can't hand work to another one yet",
    "function_calling_llm": "one model answers and calls tools",
    "mcps": "servers are registered with the platform, not named by address in an agent",
    "memory": "every agent remembers its conversations; what it keeps beyond them, it keeps with the tools `memory.*`",
    "knowledge_sources": "files and other sources can't be given to an agent yet",
    "embedder": "there is no knowledge that it would embed",
    "allow_code_execution": "an agent runs no code of its own; a tool can",
    "code_execution_mode": "an agent runs no code of its own; a tool can",
    "multimodal": "messages are text",
    "inject_date": "the date isn't put into prompts; a clock tool tells it",
    "date_format": "the date isn't put into prompts; a clock tool tells it",
    "reasoning": "there is no planning step before a run",
    "planning": "there is no planning step before a run",
    "max_reasoning_attempts": "there is no planning step before a run",
    "step_callback": "it is code of the crew; what an agent did is in its runs",
    "callbacks": "it is code of the crew; what an agent did is in its runs",
    "system_template": "the provider's own wire carries the system prompt; templates aren't needed",
    "prompt_template": "the provider's own wire carries the messages; templates aren't needed",
    "response_template": "the provider's own wire carries the answer; templates aren't needed",
    "guardrail": "it is code of the crew",
    "apps": "apps belong to the other system; offer them by an MCP server",
}
# How the other system logs, retries and caches: nothing of the agent's own behaviour.
_BOOKKEEPING = ("verbose", "cache", "max_retry_limit", "respect_context_window", "use_system_prompt", "id")


def is_agent(value: object) -> bool:
    """Whether a mapping reads like one agent: two of role, goal and backstory."""
    if not isinstance(value, dict):
        return False
    found = _CORE & cast("dict[str, Any]", value).keys()
    return len(found) >= 2


def is_agents(value: object) -> bool:
    """`agents.yaml`: agents by name, or with some of the attributes missing in a few of them."""
    return isinstance(value, dict) and mappings(value.values()) and any(is_agent(entry) for entry in value.values())


def is_tasks(value: object) -> bool:
    """`tasks.yaml`: tasks by name."""
    if not isinstance(value, dict) or not mappings(value.values()):
        return False
    entries = cast("dict[str, dict[str, Any]]", value).values()
    return all("description" in entry for entry in entries) and any(entry.keys() >= _TASK for entry in entries)


def convert_agents(agents: Mapping[str, Any], origin: Origin) -> Outcome:
    """Every agent of an `agents.yaml`."""
    outcome = Outcome()
    for name, entry in agents.items():
        here = Origin(origin.file, FORMAT, (*origin.place, name))
        outcome.add(convert_agent(name, entry, here))
    return outcome


def convert_agent(name: str, entry: Mapping[str, Any], origin: Origin) -> Outcome:
    """One agent: a draft, or the refusal of one that has nothing to say."""
    fields = Fields(entry, origin.place)
    role, goal, backstory = (_prose(fields.text(part)) for part in ("role", "goal", "backstory"))
    prompt = _prompt(role, goal, backstory)
    if not prompt:
        msg = "has neither role nor goal nor backstory: nothing to make a prompt of"
        refusal = Refusal.because(origin, name, "no_prompt", msg, "write its role, goal and backstory")
        return Outcome(refusals=[refusal])
    fields.change("role", "prompt_made", "role, goal and backstory stand in system_prompt, in CrewAI's order")
    _tell_variables(fields, prompt)
    llm = _llm(fields)
    tools = _tools(fields)
    limits = carry_steps(fields, "max_iter") | carry_timeout(fields, "max_execution_time")
    fields.ignore(*_BOOKKEEPING, "name")
    fields.lose_known(_LOST)
    fields.lose_rest()
    made: dict[str, Any] = {"description": _prose(role), "system_prompt": prompt}
    made |= {key: value for key, value in (("llm", llm), ("tools", tools), ("limits", limits)) if value}
    return Outcome(drafts=[Draft(name, made, origin, fields.notes)])


def _prose(text: str | None) -> str:
    """Folded blocks end in a line break that means nothing."""
    return "" if text is None else text.strip()


def _prompt(role: str, goal: str, backstory: str) -> str:
    parts = [f"You are {role}." if role and role[-1] not in ".!?" else (f"You are {role}" if role else ""), backstory]
    parts.append(f"Your goal: {goal}" if goal else "")
    return "\n\n".join(part for part in parts if part)


def _tell_variables(fields: Fields, prompt: str) -> None:
    names = list(dict.fromkeys(_VARIABLE.findall(prompt)))
    if names:
        shown = ", ".join(f"{{{name}}}" for name in names)
        fields.todo(
            "role", "fill_variables", f"{shown}: CrewAI fills these in at the start; here they stay as they are",
            "write what is meant, or tell the agent in the first message",
        )  # fmt: skip


def _llm(fields: Fields) -> dict[str, Any]:
    """`llm: openai/gpt-4o`, or a table as newer crews write it."""
    value = fields.take("llm", "model")
    if value is None:
        return {}
    if isinstance(value, dict):
        inside = Fields(cast("dict[str, Any]", value), (*fields.place, "llm"), fields.notes)
        model, provider = inside.text("model", "model_name", "name"), inside.text("provider")
        found = named(model, provider)
        carried = carry_model(inside, "model", found) | carry_sampling(inside)
        carried |= carry_credential(inside, "credential_ref", "api_key")
        lose_address(inside, "base_url", "api_base")
        inside.lose_rest()
        return only_with_provider(inside, "model", found, carried)
    if not isinstance(value, str):
        fields.lose("llm", "model_unknown", f"{short_json(value)!r} is no model's name; the platform's own answers")
        return {}
    return carry_model(fields, "llm", named(value)) | carry_sampling(fields)


def _tools(fields: Fields) -> dict[str, Any]:
    value = fields.take("tools", "tool_names")
    allowed = [] if value is None else carry_patterns(fields, "tools", value)
    return {"allow": allowed} if allowed else {}


def convert_tasks(tasks: Mapping[str, Any], origin: Origin) -> Outcome:
    """Tasks are told, by the agent that each was for: here a task is a message to an agent."""
    told: list[Skipped] = []
    for name, entry in tasks.items():
        agent = cast("Mapping[str, Any]", entry).get("agent")
        whose = f" of {agent}" if isinstance(agent, str) else ""
        here = Origin(origin.file, FORMAT, (*origin.place, name))
        why = "a task is no part of an agent; send its description as a message: kgents message AGENT TEXT"
        told.append(Skipped(here, f"task {name}{whose}", why))
    return Outcome(skipped=told)
