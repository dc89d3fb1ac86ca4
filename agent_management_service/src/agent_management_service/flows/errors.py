"""What is refused of flows."""

from collections.abc import Sequence

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
    """422: a flow that is stored, and that can't run here: because of what is in it, or of the platform."""

    default_code = "not_runnable"

    def __init__(self, faults: Sequence[FaultItem]) -> None:
        super().__init__("The flow can't be published here. Each reason is listed in errors.", errors=faults)

    @classmethod
    def on_this_platform(cls, why: str) -> "FlowNotRunnable":
        """No agent of Langflow runs here; `why` says what to do about it."""
        hint = "keep it as a draft until then"
        return cls([FaultItem(("runtime", "shell"), f"'Langflow': {why}", "not_runnable", hint)])


class FlowNotOfParts(InvalidInput):
    """422: a flow where an agent of ghost, model and shell belongs."""

    default_code = "flow_not_of_parts"

    def __init__(self) -> None:
        hint = "keep the flow as an agent with POST /agents"
        fault = FaultItem(("runtime", "shell"), "a flow has no ghost and no model", "flow_not_of_parts", hint)
        super().__init__("A flow can't be taken apart into a bot.", errors=[fault])
