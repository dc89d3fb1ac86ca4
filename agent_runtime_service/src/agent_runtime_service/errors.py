"""This service's errors."""

from kgents_shared.errors import Conflict, InvalidInput, NotFound, TooManyRequests, Unavailable


class AgentNotFound(NotFound):
    """No agent of that name or id is the caller's."""

    default_code = "agent_not_found"


class AgentStarting(Unavailable):
    """Published, but no instance is ready yet."""

    default_code = "agent_starting"


class AgentNotPublished(Conflict):
    """There is only a draft."""

    default_code = "agent_not_published"


class AgentStopped(Conflict):
    """Its owner stopped it."""

    default_code = "agent_stopped"


class ConversationNotFound(NotFound):
    """No such conversation of the caller's with this agent."""

    default_code = "conversation_not_found"


class RunNotFound(NotFound):
    """No such run of the caller's."""

    default_code = "run_not_found"


class RunWaiting(Conflict):
    """The conversation waits for an approval."""

    default_code = "run_waiting"


class KeyReused(InvalidInput):
    """The Idempotency-Key came with another request before."""

    default_code = "idempotency_key_reused"


class StaleLease(Conflict):
    """Somebody else drives the run by now, or it has ended."""

    default_code = "stale_lease"

    def __init__(self) -> None:
        super().__init__("This run is driven by somebody else by now, or it has ended.")


class TooManyRuns(Unavailable):
    """The front has all the runs that it may have."""

    default_code = "busy"


class TooManyOfOwner(TooManyRequests):
    """One person has all the runs that one may have."""

    default_code = "too_many_runs"


class TooManyOfConversation(TooManyRequests):
    """The line of a conversation is full."""

    default_code = "conversation_busy"


class ModelNeeded(Conflict):
    """Only the built-in echo would answer, and what is asked for takes a language model."""

    default_code = "model_needed"


class AgentLoop(Conflict):
    """An agent asks one that waits for its answer."""

    default_code = "agent_loop"


class TooManyHops(Conflict):
    """A question went through as many agents as it may."""

    default_code = "too_many_hops"


class MemoryFull(Conflict):
    """The agent keeps as many texts as it may."""

    default_code = "memory_full"


class MemoryNotFound(NotFound):
    """The agent keeps nothing of that id for the caller."""

    default_code = "memory_not_found"


class VersionNotFound(NotFound):
    """The agent has no version of that number."""

    default_code = "version_not_found"


class LabelNotFound(NotFound):
    """What stands behind `@` is no label that a version of the agent has, and no number."""

    default_code = "label_not_found"


class ConversationElsewhere(Conflict):
    """The conversation began with another version than the one that is asked for."""

    default_code = "conversation_elsewhere"


class TooManyVersions(TooManyRequests):
    """As many versions of the agent run because they were asked for as may."""

    default_code = "too_many_versions"
