"""This service's errors."""

from kgents_shared.errors import Conflict, NotFound, TooManyRequests


class AgentNotFound(NotFound):
    """No agent of that id or name, or another owner's."""

    def __init__(self) -> None:
        super().__init__("There is no such agent.", code="agent_not_found")


class NotPublished(Conflict):
    """Nothing of the agent should run, so there is nothing to restart."""

    def __init__(self) -> None:
        super().__init__("The agent is not published; publish it first.", code="agent_not_published")


class VersionNotFound(NotFound):
    """The agent has no version of that number."""

    def __init__(self) -> None:
        super().__init__("The agent has no such version.", code="version_not_found")


class TooManyVersions(TooManyRequests):
    """As many versions of one agent run beside the labelled ones as may."""

    def __init__(self, most: int) -> None:
        super().__init__(
            f"{most} other versions of the agent run because they were asked for, the most that may: "
            "give the version a label, or wait until another one has been left alone for a while.",
            code="too_many_versions",
        )
