"""A wrapper to an `AgentSpec`: its settings over the wrapped agent's definition."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

from agent_management_service.kinds.errors import NotRunnable
from agent_management_service.kinds.kind import Kind
from agent_management_service.wrappers.models import WrapperRow
from kgents_shared.contracts.agent_spec import AgentSpec, Provider
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import Document
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.errors import FaultItem, InvalidInput

Fields = Mapping[str, Any]
_RUN_HERE: tuple[str, ...] = get_args(Provider)
# Tables of a definition: what the wrapper doesn't set in one stays as it is.
_TABLES = ("llm", "tools", "limits")
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
    shell = configuration.get("shell", "Chat") if base is None else base["runtime"]["shell"]
    if shell != "Chat":
        place = ("configuration", "shell") if base is None else ("agent_id",)
        msg = f"shell {shell!r} is stored, but can't be deployed as a wrapper here yet"
        hint = "wrap an agent of the shell Chat, or give a system_prompt"
        raise NotRunnable(Kind.WRAPPER, row.name, [FaultItem(place, msg, "not_runnable", hint)])
    document = _document(row, base or {})
    try:
        spec = compile_spec(Document(document), limits)
    except InvalidInput as error:
        raise NotRunnable(Kind.WRAPPER, row.name, [_of_wrapper(fault, document) for fault in error.errors]) from error
    fault = _unsupported(spec.llm.provider, row.supported_providers)
    if fault is not None:
        raise NotRunnable(Kind.WRAPPER, row.name, [fault])
    return spec


def _document(row: WrapperRow, base: Fields) -> dict[str, Any]:
    given = {key: value for key, value in row.configuration.items() if value is not None and key != "shell"}
    merged: dict[str, Any] = {**base, **given, "name": row.name}
    for table in _TABLES:
        both = {**base.get(table, {}), **given.get(table, {})}
        merged[table] = {key: value for key, value in both.items() if value is not None}
    if row.description or "description" not in base:
        merged["description"] = row.description
    if "provider" not in merged["llm"] and row.supported_providers:
        preferred = [one for one in row.supported_providers if one in _RUN_HERE]
        # Where none can be run here, the first is what the refusal names.
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


def _of_wrapper(fault: FaultItem, document: Fields) -> FaultItem:
    """A fault of the definition at the wrapper's field that it comes from."""
    loc = fault.loc if fault.loc[:1] and fault.loc[0] in _OWN else ("configuration", *fault.loc)
    if fault.code == "literal_error" and fault.loc == ("llm", "provider"):
        provider = document["llm"]["provider"]
        return FaultItem(loc, f"{provider!r} is stored, but can't be run here yet", "not_runnable", fault.hint)
    return replace(fault, loc=loc)
