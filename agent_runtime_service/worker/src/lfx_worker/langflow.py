"""lfx as the worker uses it: a flow's JSON to a graph, a message through it, and the text that comes out.

What of lfx is no documented interface is touched here and nowhere else.
"""
# lfx stands in an environment of its own, not in the one that types are checked in.
# pyright: reportMissingImports=false

import copy
import os
from collections.abc import Iterator
from importlib import import_module
from typing import Any, cast

os.environ |= {
    "DO_NOT_TRACK": "true",
    "LANGFLOW_CONFIG_DIR": "/scratch",
    "LANGFLOW_LOG_LEVEL": "error",
    # The sandbox has no network to protect, and models are asked at an address of its own.
    "LANGFLOW_SSRF_PROTECTION_ENABLED": "false",
}

import lfx.base.models.unified_models
import lfx.memory.stubs
from lfx.load import aload_flow_from_json
from lfx.preload import prewarm_core_imports
from lfx.run._defaults import apply_run_defaults
from lfx.schema.message import Message as FlowMessage
from lfx.schema.schema import InputValueRequest

from lfx_worker.run_scope import CURRENT_RUN

# What nearly every flow needs, loaded ahead for all children of the fork server. Nothing is run: lfx makes its folder
# when it reads its settings, and that is for a child to do, in a scratch of its own.
import_module("langchain_openai").ChatOpenAI(model="none", api_key="none", base_url="http://127.0.0.2/v1")
prewarm_core_imports(warmup_run=False, teardown_services=False)

# The door puts in the model of the agent's version, whatever stands here.
_MODEL = [{"name": "kgents", "provider": "OpenAI", "metadata": {}}]
_GIVES = frozenset({"ChatOutput", "TextOutput"})


def take_over_lfx(base_url: str) -> None:
    """Have models asked at `base_url` with their run's key, and a conversation's history read from its run."""
    os.environ["OPENAI_BASE_URL"] = base_url
    lfx.base.models.unified_models.get_api_key_for_provider = _key_of_the_run
    lfx.memory.stubs.aget_messages = _messages_of_the_conversation


async def graph_of(flow: dict[str, Any]) -> Any:
    """The flow as lfx runs it, once."""
    payload = copy.deepcopy({"data": flow["data"]})
    for node in _nodes(payload["data"]):
        _take_our_model(node)
    return await aload_flow_from_json(payload)


async def answer_of(graph: Any, text: str, session_id: str) -> list[str]:
    """Send a message through the graph: what its outputs gave, in the order in which they did."""
    apply_run_defaults(graph, session_id=session_id, user_id=None)
    given: list[str] = []
    async for step in graph.async_start(inputs=InputValueRequest(input_value=text), fallback_to_env_vars=True):
        vertex = getattr(step, "vertex", None)
        if vertex is not None and vertex.vertex_type in _GIVES:
            given += _texts(step.result_dict.results)
    return given


def _nodes(data: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The components of a flow and of the groups in it."""
    for entry in data["nodes"]:
        component = entry.get("data", {}).get("node")
        if not isinstance(component, dict):
            continue
        yield component
        inside = component.get("flow")
        if isinstance(inside, dict):
            yield from _nodes(cast("dict[str, Any]", inside)["data"])


def _take_our_model(component: dict[str, Any]) -> None:
    """An export has no keys, and often no model: what stands in their fields is never asked for."""
    template: dict[str, Any] = component.get("template") or {}
    models = [field for field in template.values() if isinstance(field, dict) and field.get("type") == "model"]
    for field in models:
        field["value"] = _MODEL
    if models and isinstance(template.get("api_key"), dict):
        template["api_key"] |= {"value": "", "load_from_db": False}


def _texts(results: dict[str, Any]) -> Iterator[str]:
    for result in results.values():
        text = getattr(result, "text", None)
        if isinstance(text, str):
            yield text


def _key_of_the_run(*_: Any, **__: Any) -> str:
    return CURRENT_RUN.get().model_key


async def _messages_of_the_conversation(
    sender: str | None = None, order: str | None = "DESC", limit: int | None = None, **_: Any
) -> list[Any]:
    """What `lfx.memory.aget_messages` gives: the conversation so far, without the message that is being answered."""
    scope = CURRENT_RUN.get()
    found = [
        FlowMessage(
            text=message.text,
            sender="User" if message.role == "user" else "Machine",
            sender_name="User" if message.role == "user" else "AI",
            session_id=scope.session_id,
        )
        for message in scope.earlier
        if message.role != "tool" and message.text
    ]
    of_sender = [message for message in found if sender in (None, message.sender)]
    newest_first = of_sender[::-1][:limit]
    return newest_first if order == "DESC" else newest_first[::-1]
