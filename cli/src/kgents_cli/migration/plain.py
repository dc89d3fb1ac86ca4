"""Plain YAML and JSON as people write them: a name, a prompt under one of its usual names, a model, tools, limits."""

import re
from collections.abc import Mapping
from typing import Any, cast

from kgents_cli.migration.documents import short_json
from kgents_cli.migration.fields import Fields
from kgents_cli.migration.limits import carry_memory, carry_steps, carry_timeout
from kgents_cli.migration.models import (
    NamedModel,
    carry_credential,
    carry_model,
    carry_sampling,
    lose_address,
    named,
    only_with_provider,
)
from kgents_cli.migration.notes import Draft, Kind, Note, Origin, Outcome, Refusal
from kgents_cli.migration.tools import carry_patterns, carry_servers

FORMAT = "plain"
PROMPTS = (
    "system_prompt", "systemPrompt", "system_message", "systemMessage", "instructions", "instruction", "prompt",
    "system",
)  # fmt: skip
_PROMPT_FILES = ("system_prompt_file", "instructions_file", "prompt_file", "system_prompt_path", "prompt_path")
_PATH = re.compile(r"[\w./~-]+\.(?:md|txt|j2|jinja2?|prompt|mdx|yaml)")
_MODELS = ("llm", "model", "llm_config", "model_config", "llmConfig", "modelConfig")
_SETTINGS = ("options", "params", "parameters", "model_kwargs", "config", "settings")
_PROVIDERS = ("provider", "llm_provider", "model_provider", "cloud_provider", "api", "type")
_MODEL_NAMES = ("model", "name", "model_name", "model_id", "id", "deployment")
_KEYS = ("credential_ref", "api_key_ref", "api_key", "apiKey", "key", "token")
_ADDRESSES = ("base_url", "baseUrl", "api_base", "endpoint", "url", "host")
_STEPS = ("max_steps", "max_iterations", "max_turns", "max_iter", "maxTurns", "maxSteps", "recursion_limit")
_TIMEOUTS = ("timeout_s", "timeout", "timeout_seconds", "max_execution_time")
_BOOKKEEPING = ("created_at", "updated_at", "kind", "type", "apiVersion", "schema", "$schema", "verbose", "enabled")
_CAPABILITY = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
_LOST = {
    "version": "versions are counted when an agent is published",
    "author": "an agent belongs to whoever makes it",
    "metadata": "an agent has no free labels",
    "memory": "every agent remembers its conversations; what it keeps beyond them, it keeps with the tools `memory.*`",
    "knowledge": "files and other sources can't be given to an agent yet",
    "knowledge_base": "files and other sources can't be given to an agent yet",
    "evaluations": "tests of an agent stand beside it, not in it",
    "test_cases": "tests of an agent stand beside it, not in it",
    "display_name": "an agent has one name",
    "displayName": "an agent has one name",
    "title": "an agent has one name",
    "skills": "a skill's files can't be given to an agent yet",
    "can_spawn": "an agent can't hand work to another one yet",
    "handoffs": "an agent can't hand work to another one yet",
    "sub_agents": "an agent can't hand work to another one yet",
    "triggers": "nothing starts an agent but a message",
    "schedule": "nothing starts an agent but a message",
    "env": "an agent has no environment variables",
    "environment": "an agent has no environment variables",
    "variables": "prompts have no variables; write the values into the prompt",
    "response_format": "answers are text; say in the prompt what form they should have",
    "output_schema": "answers are text; say in the prompt what form they should have",
}


def is_agent(value: object) -> bool:
    """Whether a mapping has a prompt under one of its usual names, or says which file has it."""
    return isinstance(value, dict) and any(name in value for name in (*PROMPTS, *_PROMPT_FILES))


def convert_agent(entry: Mapping[str, Any], origin: Origin, fallback: str) -> Outcome:
    """One agent: a draft, or the refusal of one without a prompt."""
    fields = Fields(entry, origin.place)
    name = fields.text("name", "agent_name", "agent_id") or fields.text("id", "slug") or fallback
    fields.ignore("id", "slug")
    prompt = _prompt(fields)
    if isinstance(prompt, Note):
        return Outcome(refusals=[Refusal(origin, [*fields.notes, prompt], name)])
    made: dict[str, Any] = {"description": fields.text("description", "summary") or "", "system_prompt": prompt}
    limits = _limits(fields)  # before the model: a timeout that stands beside both is the run's
    tables = {"llm": _llm(fields), "tools": _tools(fields), "limits": limits, "runtime": _runtime(fields)}
    capabilities = _capabilities(fields)
    if capabilities:
        made["capabilities"] = capabilities
    fields.ignore(*_BOOKKEEPING)
    fields.lose_known(_LOST)
    fields.lose_rest()
    made |= {table: found for table, found in tables.items() if found}
    return Outcome(drafts=[Draft(name, made, origin, fields.notes)])


def _prompt(fields: Fields) -> str | Note:
    name = next((name for name in PROMPTS if name in fields), PROMPTS[0])
    value = fields.take(*PROMPTS)
    if isinstance(value, dict):
        table = cast("dict[str, Any]", value)
        value = next((table[key] for key in ("inline", "text", "content", "template") if key in table), None)
        if value is None:
            return _no_prompt(fields, name, "the prompt stands in another file", "write the text itself here")
    if isinstance(value, list) and all(isinstance(line, str) for line in cast("list[Any]", value)):
        fields.change(name, "prompt_made", "the lines of the list stand one below the other in system_prompt")
        value = "\n".join(cast("list[str]", value))
    elsewhere = value is None and any(name in fields for name in _PROMPT_FILES)
    if elsewhere or (isinstance(value, str) and _PATH.fullmatch(value.strip())):
        return _no_prompt(fields, name, "the prompt stands in another file", "write the text itself here")
    if not isinstance(value, str) or not value.strip():
        return _no_prompt(fields, name, "there is no prompt, and an agent needs one", "write what the agent is to do")
    return value


def _no_prompt(fields: Fields, name: str, msg: str, hint: str) -> Note:
    return Note(Kind.LOST, "no_prompt", (*fields.place, name), msg, hint)


def _llm(fields: Fields) -> dict[str, Any]:
    """`model: gpt-4o`, `llm: {provider, model, temperature}`, or the settings beside the name."""
    provider = fields.text("llm_provider", "provider", "model_provider")
    nobody = NamedModel(None, None)
    place, found, carried = "model", nobody, cast("dict[str, Any]", {})
    for key in _MODELS:
        value = fields.take(key)
        told = nobody
        if isinstance(value, str):
            told = named(value, provider)
        elif isinstance(value, dict):
            inside = Fields(cast("dict[str, Any]", value), (*fields.place, key), fields.notes)
            told = named(inside.text(*_MODEL_NAMES), inside.text(*_PROVIDERS) or provider)
            carried |= _settings(inside)
        elif value is not None:
            fields.lose(key, "model_unknown", f"{short_json(value)!r} is no model's name")
        if told != nobody and found == nobody:
            place, found = key, told
        elif told not in (nobody, found):
            fields.lose(key, "doubled_field", f"names another model than {place}, which is used")
    if found == nobody and provider is not None:
        place, found = "provider", named(None, provider)
    carried |= carry_model(fields, place, found) | carry_sampling(fields)
    carried |= carry_credential(fields, "credential_ref", "api_key_ref", "api_key", "apiKey")
    lose_address(fields, "base_url", "baseUrl", "api_base")
    return only_with_provider(fields, place, found, carried)


def _settings(inside: Fields) -> dict[str, Any]:
    carried = carry_sampling(inside) | carry_credential(inside, *_KEYS)
    lose_address(inside, *_ADDRESSES)
    for name in _SETTINGS:
        deeper = inside.inside(name)
        if deeper is not None:
            carried |= carry_sampling(deeper)
            deeper.lose_rest()
    inside.lose_rest()
    return carried


def _tools(fields: Fields) -> dict[str, Any]:
    value = fields.take("tools")
    allow, deny = cast("list[str]", []), cast("list[str]", [])
    if isinstance(value, dict) and {"allow", "deny"} >= cast("dict[str, Any]", value).keys():
        table = cast("dict[str, Any]", value)
        allow = carry_patterns(fields, "tools", table.get("allow") or [])
        deny = carry_patterns(fields, "tools", table.get("deny") or [])
    elif isinstance(value, dict):
        allow = carry_patterns(fields, "tools", [*cast("dict[str, Any]", value)])
    elif value is not None:
        allow = carry_patterns(fields, "tools", value)
    for name in ("mcp_servers", "mcpServers", "mcps"):
        servers = fields.take(name)
        if servers is not None:
            allow += carry_servers(fields, name, servers)
    return {key: patterns for key, patterns in (("allow", allow), ("deny", deny)) if patterns}


def _limits(fields: Fields) -> dict[str, int]:
    carried = carry_steps(fields, *_STEPS) | carry_timeout(fields, *_TIMEOUTS) | carry_memory(fields, "memory_mb")
    table = fields.inside("limits")
    if table is not None:
        carried |= carry_steps(table, *_STEPS) | carry_timeout(table, *_TIMEOUTS)
        carried |= carry_memory(table, "memory_mb", "memory")
        table.lose_rest()
    return carried


def _runtime(fields: Fields) -> dict[str, Any]:
    """Only what our own TOML calls so; another system's runtime is lost."""
    table = fields.inside("runtime")
    if table is None:
        return {}
    shell = table.text("shell")
    if shell not in (None, "Chat"):
        table.lose("shell", "not_supported", f"the platform has no shell {short_json(shell)!r}; the agent runs in Chat")
    table.lose_rest()
    return {}


def _capabilities(fields: Fields) -> list[str]:
    value = fields.take("capabilities", "tags")
    if value is None:
        return []
    kept: list[str] = []
    for entry in cast("list[Any]", value) if isinstance(value, list) else [value]:
        label = re.sub(r"[^a-z0-9._-]+", "-", str(entry).lower()).strip("-._") if isinstance(entry, str) else ""
        if _CAPABILITY.fullmatch(label) is None:
            fields.lose("capabilities", "not_a_capability", f"{short_json(entry)!r} can't be a capability's name")
            continue
        if label != entry:
            fields.change("capabilities", "renamed", f"{short_json(entry)!r} is {label!r} here")
        kept.append(label)
    return list(dict.fromkeys(kept))
