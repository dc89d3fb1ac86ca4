"""Kinds to an `AgentSpec` and back: the one place where a ghost, a model and a shell become an agent."""

import json
from dataclasses import dataclass, replace
from typing import Any

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
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.definitions.compile import compile_spec
from kgents_shared.definitions.documents import Document
from kgents_shared.definitions.flows.compile import Flow, flow_in
from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.errors import FaultItem, InvalidInput

Loc = tuple[str | int, ...]
_NO_LIMITS = SystemLimits()
# What an agent's `[llm]` calls it → what a model calls it.
LLM_FIELDS = {
    "provider": "provider",
    "model": "model_name",
    "temperature": "temperature",
    "max_tokens": "max_tokens",
    "credential_ref": "api_key_ref",
}
# What a shell's config says of `[llm]` and `[runtime]`.
LLM_OF_SHELL = ("fallbacks", "cache_s")
RUNTIME_OF_SHELL = ("replicas",)
GHOST_FIELDS = ("description", "system_prompt")
# The spec takes a field or a value with the part of the platform that can do it (DESIGN §4).
_NOT_YET = {"flow_missing"}


@dataclass(frozen=True, slots=True)
class Parts:
    """What an agent is made of, stored or about to be."""

    ghost: GhostRow | GhostBody
    model: ModelRow | ModelBody
    shell: ShellRow | ChatShellBody | LangflowShellBody | RemoteShellBody

    @property
    def settings(self) -> dict[str, Any]:
        """The shell's config."""
        config = self.shell.config
        return config if isinstance(config, dict) else config.model_dump()

    @property
    def flow(self) -> Flow | None:
        """What a shell of Langflow runs."""
        return flow_in(json.dumps(self.settings["flow"]).encode()) if self.shell.type == "Langflow" else None


def spec_of(what: Kind, name: str, parts: Parts, limits: SystemLimits = _NO_LIMITS) -> AgentSpec:
    """The agent that these parts make; `NotRunnable` with every reason why they make none here."""
    document = _document(name, parts)
    try:
        return compile_spec(Document(document), limits)
    except InvalidInput as error:
        faults = [_of_a_part(fault, document) for fault in error.errors]
        raise NotRunnable(what, name, faults) from error


def of_the_shell(fault: FaultItem) -> FaultItem:
    """What keeps a flow from being published, at the shell that holds it."""
    return replace(fault, loc=("shell", "config", "flow", *fault.loc) if fault.loc[0] == "data" else ("shell", "type"))


def config_faults(config: ChatConfig) -> list[FaultItem]:
    """What an agent with this config would be refused for, whatever its ghost and model are."""
    try:
        compile_spec(Document({"name": "any", "system_prompt": "Any.", **_tables(config.model_dump(), {}, "Chat")}))
    except InvalidInput as error:
        return [replace(fault, loc=_place(fault.loc)[1:]) for fault in error.errors]
    return []


def parts_of(spec: AgentSpec) -> tuple[GhostBody, ModelBody, ChatShellBody]:
    """The ghost, the model and the shell that make this agent, each under the agent's name."""
    fields = spec.model_dump()
    name, llm, runtime = spec.name, fields["llm"], fields["runtime"]
    model = {ours: llm[theirs] for theirs, ours in LLM_FIELDS.items() if theirs in llm}
    config = {field: fields[field] for field in ChatConfig.model_fields if field in fields}
    config |= {field: llm[field] for field in LLM_OF_SHELL} | {field: runtime[field] for field in RUNTIME_OF_SHELL}
    return (
        GhostBody(name=name, description=spec.description, system_prompt=spec.system_prompt),
        ModelBody(name=name, **model),
        ChatShellBody(name=name, config=ChatConfig(**config)),
    )


def _document(name: str, parts: Parts) -> dict[str, Any]:
    given = {theirs: getattr(parts.model, ours) for theirs, ours in LLM_FIELDS.items()}
    document = {
        "name": name,
        **{field: getattr(parts.ghost, field) for field in GHOST_FIELDS},
    }
    llm = {field: value for field, value in given.items() if value is not None}
    flow = parts.flow
    if parts.shell.type == "Langflow":
        runtime = {"shell": "Langflow"} if flow is None else {"shell": "Langflow", "flow": flow.hash}
        return {**document, "llm": llm, "runtime": runtime}
    return {**document, **_tables(parts.settings, llm, parts.shell.type)}


def _tables(settings: dict[str, Any], llm: dict[str, Any], shell: str) -> dict[str, Any]:
    """A definition's tables, from a shell's config. Only the platform's own worker has what most of them set."""
    if shell == "Remote":
        return {"llm": llm, "runtime": {"shell": shell, "remote": settings}}
    elsewhere = (*LLM_OF_SHELL, *RUNTIME_OF_SHELL)
    of_llm = {field: settings[field] for field in LLM_OF_SHELL if settings.get(field) is not None}
    of_runtime = {field: settings[field] for field in RUNTIME_OF_SHELL if field in settings}
    return {
        "llm": {**llm, **of_llm},
        "runtime": {"shell": shell, **of_runtime},
        **{field: value for field, value in settings.items() if field not in elsewhere},
    }


def _of_a_part(fault: FaultItem, document: dict[str, Any]) -> FaultItem:
    """A fault of the spec at the part that it comes from."""
    loc = _place(fault.loc)
    if fault.code not in _NOT_YET:
        return replace(fault, loc=loc)
    value: Any = document
    for part in fault.loc:
        value = value[part]
    return FaultItem(
        loc, f"{'.'.join(map(str, loc))} {value!r} is stored, but can't be run here yet", "not_runnable", fault.hint
    )


def _place(loc: Loc) -> Loc:
    match loc:
        case ("name", *_):
            return loc
        case ("llm", str(field), *rest) if field in LLM_FIELDS:
            return ("model", LLM_FIELDS[field], *rest)
        case (field, *_) if field in GHOST_FIELDS:
            return ("ghost", *loc)
        case _:
            return ("shell", *_place_in_shell(loc))


def _place_in_shell(loc: Loc) -> Loc:
    match loc:
        case ("runtime", "shell"):
            return ("type",)
        case ("runtime", "remote", *rest):
            return ("config", *rest)
        case ("llm" | "runtime", str(field), *rest) if field in (*LLM_OF_SHELL, *RUNTIME_OF_SHELL):
            return ("config", field, *rest)
        case _:
            return ("config", *loc)
