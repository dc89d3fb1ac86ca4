"""A wrapper to an `AgentSpec`: its settings over the wrapped agent's definition."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from agent_management_service.kinds.errors import NotRunnable
from agent_management_service.kinds.kind import Kind
from agent_management_service.wrappers.models import WrapperRow
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import Document
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.errors import FaultItem, InvalidInput

Fields = Mapping[str, Any]
# Tables of a definition: what the wrapper doesn't set in one stays as it is.
_TABLES = ("llm", "tools", "memory", "limits")
_PROMPT_OF_REMOTE = "The agent runs elsewhere and has a prompt of its own."
_OWN = ("name", "description")


def settings_faults(columns: Fields) -> list[FaultItem]:
    """What keeps a wrapper from ever becoming an agent, whatever agent it is over."""
    configuration: Fields = columns["configuration"]
    is_over_agent = columns["agent_id"] is not None
    if configuration.get("shell", "Chat") == "Remote":
        if not is_over_agent:
            return []
        return [
            FaultItem(
                ("agent_id",), "can't stand beside the shell Remote", "conflicting_shell", "leave one of them out"
            )
        ]
    if not is_over_agent and configuration.get("system_prompt") is None:
        place = ("configuration", "system_prompt")
        return [FaultItem(place, "is missing, and no agent is wrapped", "missing", "add it, or name an agent_id")]
    provider = (configuration.get("llm") or {}).get("provider")
    fault = _unsupported(provider, columns["supported_providers"])
    return [] if fault is None else [fault]


def wrapped_spec(row: WrapperRow, base: Fields | None, limits: SystemLimits) -> AgentSpec:
    """The agent that the wrapper makes of `base`, a stored definition; `NotRunnable` with every reason why not."""
    configuration = row.configuration
    is_remote = base is None and configuration.get("shell") == "Remote"
    if base is not None and base["runtime"]["shell"] != "Chat":
        msg = f"has the shell {base['runtime']['shell']!r}, which no wrapper is put over"
        hint = "wrap an agent of the shell Chat, or give a system_prompt"
        raise NotRunnable(Kind.WRAPPER, row.name, [FaultItem(("agent_id",), msg, "not_runnable", hint)])
    document = _remote(row) if is_remote else _document(row, base or {}, limits.providers)
    try:
        spec = compile_spec(Document(document), limits)
    except InvalidInput as error:
        raise NotRunnable(Kind.WRAPPER, row.name, [_of_wrapper(fault) for fault in error.errors]) from error
    fault = None if is_remote else _unsupported(spec.llm.provider, row.supported_providers)
    if fault is not None:
        raise NotRunnable(Kind.WRAPPER, row.name, [fault])
    return spec


def _remote(row: WrapperRow) -> dict[str, Any]:
    where = {key: value for key, value in row.configuration.items() if value is not None and key != "shell"}
    return {
        "name": row.name,
        "description": row.description,
        "system_prompt": _PROMPT_OF_REMOTE,
        "runtime": {"shell": "Remote", "remote": where},
    }


def _document(row: WrapperRow, base: Fields, open_here: Sequence[str] | None) -> dict[str, Any]:
    given = {key: value for key, value in row.configuration.items() if value is not None and key != "shell"}
    merged: dict[str, Any] = {**base, **given, "name": row.name}
    for table in _TABLES:
        both = {**base.get(table, {}), **given.get(table, {})}
        merged[table] = {key: value for key, value in both.items() if value is not None}
    if row.description or "description" not in base:
        merged["description"] = row.description
    if "provider" not in merged["llm"] and row.supported_providers:
        preferred = [one for one in row.supported_providers if open_here is None or one in open_here]
        # Where none is open here, the first is what the refusal names.
        merged["llm"]["provider"] = (preferred or row.supported_providers)[0]
    return merged


def _unsupported(provider: str | None, supported: Sequence[str]) -> FaultItem | None:
    if provider is None or not supported or provider in supported:
        return None
    return FaultItem(
        ("configuration", "llm", "provider"),
        f"{provider!r} is none of the wrapper's supported_providers",
        "provider_not_supported",
        f"take one of {', '.join(supported)}, or add it there",
    )


def _of_wrapper(fault: FaultItem) -> FaultItem:
    """A fault of the definition at the wrapper's field that it comes from."""
    loc = fault.loc if fault.loc[:1] and fault.loc[0] in _OWN else ("configuration", *fault.loc)
    if fault.loc[:2] == ("runtime", "remote"):
        loc = ("configuration", *fault.loc[2:])
    return replace(fault, loc=loc)
