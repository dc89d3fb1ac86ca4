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


class ConversationInUse(Conflict):
    """A run of the conversation is open."""

    default_code = "conversation_in_use"


class FactNotFound(NotFound):
    """Nothing of that key is pinned."""

    default_code = "fact_not_found"


class TooManyFacts(Conflict):
    """As many facts are pinned as may be."""

    default_code = "too_many_facts"


class RunNotFound(NotFound):
    """No such run of the caller's."""

    default_code = "run_not_found"


class RunNotEnded(Conflict):
    """What is asked for takes a run that has ended."""

    default_code = "run_not_ended"


class NotReplayable(Conflict):
    """The run can't be repeated, or not with that model."""

    default_code = "not_replayable"


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


class TooManyStreams(TooManyRequests):
    """One person watches as many runs as one may."""

    default_code = "too_many_streams"


class RunEnded(Conflict):
    """The run has ended already, and not by being cancelled."""

    default_code = "run_ended"


class ModelNeeded(Conflict):
    """Only the built-in echo would answer, and what is asked for takes a language model."""

    default_code = "model_needed"


class AgentLoop(Conflict):
    """An agent asks one that waits for its answer."""

    default_code = "agent_loop"


class TooManyHops(Conflict):
    """A question went through as many agents as it may."""

    default_code = "too_many_hops"


class CapabilityNotFound(NotFound):
    """No running agent of the caller's has the capability; `capabilities` has those that there are."""

    default_code = "capability_not_found"


class CapabilityUnavailable(Unavailable):
    """Agents have the capability, but none of them is ready."""

    default_code = "capability_unavailable"


class ContextNotFound(NotFound):
    """No such context of several agents is the caller's."""

    default_code = "context_not_found"


class ParticipantNotFound(NotFound):
    """The agent takes no part in the context."""

    default_code = "participant_not_found"


class ContextFull(Conflict):
    """As many agents take part as may."""

    default_code = "context_full"


class ContextClosed(Conflict):
    """The context takes no more messages."""

    default_code = "context_closed"


class ContextEmpty(Conflict):
    """Nobody takes part who could answer."""

    default_code = "context_empty"


class ContextBusy(Conflict):
    """The message before is still being answered."""

    default_code = "context_busy"


class StateChanged(Conflict):
    """Somebody else has changed what is kept with the context."""

    default_code = "state_changed"


class MemoryFull(Conflict):
    """The agent keeps as many texts as it may."""

    default_code = "memory_full"


class MemoryNotFound(NotFound):
    """The agent keeps nothing of that id for the caller."""

    default_code = "memory_not_found"


class MemoryBackendUnknown(InvalidInput):
    """No such backend of memory is set up, or nothing would be copied."""

    default_code = "memory_backend_unknown"


class CopyingNotFound(NotFound):
    """There is no copying of that id."""

    default_code = "copying_not_found"


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


class BudgetExhausted(TooManyRequests):
    """A call needs more than is left of a budget. `free` is what nobody holds: parts of money, and units."""

    default_code = "budget_exhausted"

    def __init__(
        self, detail: str, free: tuple[int | None, int | None], retry_after_s: int, *, code: str | None = None
    ) -> None:
        super().__init__(detail, code=code, retry_after_s=retry_after_s)
        self.free = free
        self.retry_after_s = retry_after_s


class BudgetNotFound(NotFound):
    """No such budget is the caller's to see or to change."""

    default_code = "budget_not_found"


class PriceUnknown(Conflict):
    """A budget in money holds, and nobody said what the model costs."""

    default_code = "price_unknown"


class PriceNotFound(NotFound):
    """No administrator gave the model a price."""

    default_code = "price_not_found"


class ModelNotFound(NotFound):
    """The provider has no such model."""

    default_code = "model_not_found"


class ApprovalRequired(Conflict):
    """A run waits for a person, on a wire that has no word for it."""

    default_code = "approval_required"


class ResponseContinued(Conflict):
    """Other responses stand on the one that would be deleted."""

    default_code = "response_continued"
