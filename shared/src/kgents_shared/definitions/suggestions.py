"""What the author of a definition may have meant: names at the place where they belong, values that are near."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, cast

from pydantic import BaseModel

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.refs import secrets_in
from kgents_shared.definitions.documents import Document
from kgents_shared.errors import FaultItem

Loc = tuple[str | int, ...]
_PROVIDER = ("llm", "provider")
_NAME_HINT = 'take 1 to 63 of a-z, 0-9 and "-", with a letter or digit first and last'
_PATTERN_HINTS: Mapping[str, str] = {
    "name": _NAME_HINT,
    "capabilities": 'take 1 to 64 of a-z, 0-9, ".", "_" and "-", with a letter or digit first and last',
    "tools": 'name a tool as "server.tool", or many with "*": "server.*"',
    "credential_ref": "write a reference that `kgents credentials list` shows",
}
_WHY_REQUIRED: Mapping[str | int, str] = {
    "name": "the agent is called and addressed by it",
    "system_prompt": "it tells the model who it is and how to behave",
}
_CHOICE = re.compile(r"'([^']*)'")


def in_words(fault: FaultItem, document: Document) -> FaultItem:
    """The fault at the place that its author wrote, with what the field takes and what may have been meant."""
    value = document.value
    if fault.loc == _PROVIDER and isinstance(value, dict) and "llm_provider" in value:
        fault = replace(fault, loc=("llm_provider",))
    if fault.code == "string_pattern_mismatch":
        hints = (_PATTERN_HINTS.get(str(part)) for part in (fault.loc[0], fault.loc[-1]))
        hint = next((hint for hint in hints if hint is not None), fault.hint)
        fault = replace(fault, msg="has characters that can't stand here", hint=hint)
    if fault.code == "missing" and (why := _WHY_REQUIRED.get(fault.loc[-1])):
        return replace(fault, hint=f"{fault.hint}: {why}")
    if fault.code == "extra_forbidden":
        return replace(fault, hint=_belongs(fault.loc, document) or fault.hint)
    given = _value_at(value, fault.loc)
    # What is a secret is not told in another spelling either.
    if isinstance(given, str) and not secrets_in(given) and (meant := _meant(fault, given)):
        return replace(fault, hint=f"{meant}; {fault.hint}" if fault.hint else meant)
    return fault


def near(given: str, known: Sequence[str], *, cutoff: float = 0.6) -> str | None:
    """`did you mean "…"?` for the nearest of what is known, or None."""
    close = difflib.get_close_matches(given, known, n=1, cutoff=cutoff)
    return f'did you mean "{close[0]}"?' if close else None


def _meant(fault: FaultItem, given: str) -> str | None:
    """For a text that can't stand where it stands."""
    if fault.code == "literal_error":
        return near(given.strip().lower(), _CHOICE.findall(fault.hint or ""))
    if fault.loc == ("name",) and fault.code == "string_pattern_mismatch":
        slug = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:63].strip("-")
        return f'such as "{slug}"' if slug else None
    if fault.code in {"int_type", "float_type", "float_parsing"} and re.fullmatch(r"-?\d{1,12}(\.\d{1,12})?", given):
        return f"write {given}"
    return None


def _belongs(loc: Loc, document: Document) -> str | None:
    """For a field's name that stands in the wrong table."""
    name, around = str(loc[-1]), loc[:-1]
    tables = _tables_by_field().get(name, ())
    if not tables or around in tables:
        return None
    (table,) = tables[0] or ("",)
    if not table:
        below = f"above the first [table], not in [{around[0]}]" if document.language == "toml" else "at the top level"
        return f'"{name}" belongs {below}'
    return f'"{name}" belongs in {f"[{table}]" if document.language == "toml" else table}'


@cache
def _tables_by_field() -> Mapping[str, Sequence[tuple[str, ...]]]:
    """Each field's name, and the tables that have one of that name."""
    found: dict[str, list[tuple[str, ...]]] = {}
    for name, info in AgentSpec.model_fields.items():
        found.setdefault(name, []).append(())
        annotation: Any = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            for inner in annotation.model_fields:
                found.setdefault(inner, []).append((name,))
    return found


def _value_at(value: object, loc: Loc) -> object:
    for part in loc:
        if isinstance(value, dict):
            value = cast("dict[object, object]", value).get(part)
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast("list[object]", value)):
            value = cast("list[object]", value)[part]
        else:
            return None
    return value
