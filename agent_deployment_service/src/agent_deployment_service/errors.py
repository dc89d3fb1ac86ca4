"""This service's errors."""

from kgents_shared.errors import Conflict, NotFound


class AgentNotFound(NotFound):
    """No agent of that id or name, or another owner's."""

    def __init__(self) -> None:
        super().__init__("There is no such agent.", code="agent_not_found")


class NotPublished(Conflict):
    """Nothing of the agent should run, so there is nothing to restart."""

    def __init__(self) -> None:
        super().__init__("The agent is not published; publish it first.", code="agent_not_published")
