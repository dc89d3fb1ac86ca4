"""OpenAI's Assistants: the JSON of `GET /v1/assistants`, of one assistant, or of the request that makes one."""

import json
from collections.abc import Mapping
from typing import Any, cast

from kgents_cli.migration.documents import short_json
from kgents_cli.migration.fields import Fields, mappings, says_nothing
from kgents_cli.migration.models import carry_model, carry_sampling, named, number_in
from kgents_cli.migration.notes import Draft, Origin, Outcome, Refusal

FORMAT = "openai"
_BOOKKEEPING = ("id", "object", "created_at", "first_id", "last_id", "has_more")
_BUILT_IN = frozenset({"code_interpreter", "file_search", "retrieval", "function"})
_TOOL_LOST = {
    "code_interpreter": "an agent runs no code of its own; a tool can",
    "file_search": "files can't be given to an agent yet",
    "retrieval": "files can't be given to an agent yet",
}
_OFFER = "offer it by an MCP server (POST /mcp-servers) and add its name to tools.allow"


def is_assistant(value: object) -> bool:
    """Whether a mapping is an assistant, or the request for one: a model, and instructions or built-in tools."""
    if not isinstance(value, dict):
        return False
    table = cast("dict[str, Any]", value)
    if table.get("object") == "assistant":
        return True
    known = isinstance(table.get("model"), str) and "instructions" in table and "system_prompt" not in table
    return known and ("tools" in table or "tool_resources" in table) and _tools_fit(table.get("tools", []))


def _tools_fit(tools: object) -> bool:
    entries = cast("list[Any]", tools) if isinstance(tools, list) else [tools]
    return all(isinstance(entry, dict) and entry.get("type") in _BUILT_IN for entry in entries)


def assistants_in(value: object) -> list[tuple[tuple[str | int, ...], Mapping[str, Any]]] | None:
    """The assistants of a document with their places, or None where it holds none."""
    if is_assistant(value):
        return [((), cast("Mapping[str, Any]", value))]
    entries, before = value, cast("tuple[str | int, ...]", ())
    if isinstance(value, dict) and isinstance(cast("dict[str, Any]", value).get("data"), list):
        entries, before = cast("dict[str, Any]", value)["data"], ("data",)
    if not isinstance(entries, list):
        return None
    found = cast("list[Any]", entries)
    if not mappings(found) or not all(is_assistant(entry) for entry in found):
        return None
    return [((*before, number), entry) for number, entry in enumerate(found)]


def convert_assistant(entry: Mapping[str, Any], origin: Origin, fallback: str) -> Outcome:
    """One assistant: a draft, or the refusal of one that has no instructions."""
    fields = Fields(entry, origin.place)
    name = fields.text("name") or fallback
    prompt = fields.text("instructions")
    if prompt is None or not prompt.strip():
        refusal = Refusal.because(
            origin, name, "no_prompt", "there are no instructions, and an agent needs a prompt",
            "give the assistant instructions, and export it again", place=(*origin.place, "instructions"),
        )  # fmt: skip
        return Outcome(refusals=[refusal])
    model = fields.text("model")
    llm = carry_model(fields, "model", named(model, "openai" if model and not _elsewhere(model) else None))
    _neutral(fields, "top_p", 1)
    llm |= carry_sampling(fields)
    description = fields.text("description") or ""
    _tools(fields)
    if fields.take("response_format") not in (None, "auto", {"type": "text"}):
        fields.lose("response_format", "not_supported", "answers are text; say in the prompt which form")
    fields.lose_known({"metadata": "an agent has no free labels", "file_ids": "files can't be given to an agent yet"})
    fields.ignore(*_BOOKKEEPING)
    fields.lose_rest()
    made: dict[str, Any] = {"description": description, "system_prompt": prompt} | ({"llm": llm} if llm else {})
    return Outcome(drafts=[Draft(name, made, origin, fields.notes)])


def _elsewhere(model: str) -> bool:
    """Other servers speak the Assistants API too, with models of theirs."""
    return named(model).provider not in (None, "openai")


def _neutral(fields: Fields, name: str, neutral: float) -> None:
    """A sampling setting at the value that changes nothing says nothing."""
    value = number_in(fields, name)
    if value is not None and value != neutral:
        fields.lose(name, "not_supported", "the platform passes temperature and max_tokens to a model, nothing else")


def _tools(fields: Fields) -> None:
    value = fields.take("tools")
    for entry in cast("list[Any]", value) if isinstance(value, list) else []:
        tool = cast("Mapping[str, Any]", entry) if isinstance(entry, dict) else {}
        kind = tool.get("type")
        if kind == "function":
            name = cast("Mapping[str, Any]", tool.get("function") or {}).get("name")
            fields.lose(
                "tools", "tool_not_here",
                f"the function {short_json(name or '?')!r} ran in the program that called the assistant", _OFFER,
            )  # fmt: skip
        else:
            shown = short_json(kind if isinstance(kind, str) else json.dumps(entry, default=str))
            fields.lose("tools", "tool_not_here", f"{shown}: {_TOOL_LOST.get(shown, 'the platform has no such tool')}")
    resources = fields.take("tool_resources")
    if isinstance(resources, dict) and not _empty(cast("dict[str, Any]", resources)):
        fields.lose("tool_resources", "not_supported", "files and vector stores can't be given to an agent yet")


def _empty(resources: Mapping[str, Any]) -> bool:
    return all(
        says_nothing(entry) or (isinstance(entry, dict) and _empty(cast("dict[str, Any]", entry)))
        for entry in resources.values()
    )
