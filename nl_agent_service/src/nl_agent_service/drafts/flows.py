"""Simple flows of Langflow: a Chat Input, a Language Model that is told the drafted prompt, a Chat Output.

`simple_flow.json` are those components as the pinned lfx has them, under the licence in `simple_flow.LICENSE.txt`; a
test makes it anew. What a model drafts is only ever put into fields of theirs that hold text or a number.
"""

import json
from functools import cache
from importlib import resources
from typing import Any

from kgents_shared.definitions.flows.compile import name_of_flow

_MOST_TEMPERATURE = 1.0  # as far as Langflow's slider goes; the platform's own setting stands beside the flow
_IN_FLOW = frozenset({"name", "description", "system_prompt", "tools"})


@cache
def _skeleton() -> str:
    return resources.files("nl_agent_service.drafts").joinpath("simple_flow.json").read_text("utf-8")


def flow_of(definition: dict[str, Any]) -> dict[str, Any]:
    """The flow of a definition that the validator takes, as Langflow exports and imports it."""
    flow: dict[str, Any] = json.loads(_skeleton())
    flow["name"] = name_of_flow(definition["name"])
    flow["description"] = definition.get("description", "")
    [model] = [node for node in flow["data"]["nodes"] if node["data"]["type"] == "LanguageModelComponent"]
    fields = model["data"]["node"]["template"]
    fields["system_message"]["value"] = definition["system_prompt"]
    temperature = definition.get("llm", {}).get("temperature")
    if temperature is not None:
        fields["temperature"]["value"] = min(temperature, _MOST_TEMPERATURE)
    return flow


def beside_flow(definition: dict[str, Any]) -> dict[str, Any]:
    """What of the definition a flow doesn't hold: it stands in the agent's draft."""
    return {name: value for name, value in definition.items() if name not in _IN_FLOW}
