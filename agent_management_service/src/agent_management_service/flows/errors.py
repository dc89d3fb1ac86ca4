"""What is refused of flows."""

from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.errors import FaultItem, InvalidInput, NotFound


class FlowNotFound(NotFound):
    """404: the agent, or its version, is no flow."""

    default_code = "flow_not_found"

    def __init__(self) -> None:
        super().__init__("This agent is no flow of Langflow.")


class FlowUnknown(InvalidInput):
    """422: a definition that names a flow which was never sent for its agent."""

    default_code = "flow_unknown"

    def __init__(self) -> None:
        hint = "send the flow itself, as Langflow exports it"
        fault = FaultItem(("runtime", "flow"), "is no flow of this agent", "flow_unknown", hint)
        super().__init__("The definition names a flow that isn't here.", errors=[fault])


class FlowNotRunnable(InvalidInput):
    """422: an agent that is stored, and that nothing here can run."""

    default_code = "not_runnable"

    def __init__(self) -> None:
        msg = "'Langflow' is stored and checked, but can't be run here yet: this platform has no worker for flows"
        hint = "keep it as a draft, or define the agent in TOML"
        fault = FaultItem(("runtime", "shell"), msg, "not_runnable", hint)
        super().__init__("A flow of Langflow can't be published on this platform yet.", errors=[fault])


class FlowNotOfParts(InvalidInput):
    """422: a flow where an agent of ghost, model and shell belongs."""

    default_code = "flow_not_of_parts"

    def __init__(self) -> None:
        hint = "keep the flow as an agent with POST /agents"
        fault = FaultItem(("runtime", "shell"), "a flow has no ghost and no model", "flow_not_of_parts", hint)
        super().__init__("A flow can't be taken apart into a bot.", errors=[fault])


def refuse_what_cannot_run(spec: AgentSpec) -> None:
    """Raise `FlowNotRunnable` for an agent that no worker of this platform runs."""
    if spec.runtime.shell != "Chat":
        raise FlowNotRunnable
