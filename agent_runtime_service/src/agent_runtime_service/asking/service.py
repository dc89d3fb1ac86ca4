"""One agent's question to another: a run like any other, that knows which agents led to it."""

from uuid import UUID

from agent_runtime_service.capabilities.service import Call, CapabilityService
from agent_runtime_service.errors import (
    AgentLoop,
    AgentNotFound,
    ConversationNotFound,
    LabelNotFound,
    RunNotFound,
    TooManyHops,
)
from agent_runtime_service.instances.lanes import number_of
from agent_runtime_service.messages.answers import failure_of
from agent_runtime_service.messages.finder import AgentFinder, meant_lane
from agent_runtime_service.messages.schemas import MessageRequest
from agent_runtime_service.messages.service import Accepted, Asker, MessageService
from agent_runtime_service.runs.repository import RunRepository
from agent_runtime_service.traces.notes import RunNotes
from kgents_shared.auth import reference_of
from kgents_shared.contracts.asking import (
    MOST_HOPS,
    NO_SUCH_CONVERSATION,
    AskAgent,
    AskCapability,
    AskedAnswer,
    Question,
)


class AskingService:
    """Lets agents ask each other, without going round in circles."""

    def __init__(
        self,
        messages: MessageService,
        finder: AgentFinder,
        runs: RunRepository,
        capabilities: CapabilityService,
        notes: RunNotes,
    ) -> None:
        self._messages = messages
        self._finder = finder
        self._runs = runs
        self._capabilities = capabilities
        self._notes = notes

    async def ask(self, question: AskAgent) -> AskedAnswer:
        """The other agent's answer.

        Raises `AgentLoop` for an agent that this question came through, `TooManyHops`, `ConversationNotFound` for a
        conversation that the asking agent has not begun for the same person, and what a message raises.
        """
        if question.awaited_run is not None:
            return await self._awaited(question, question.awaited_run)
        await self._check(question)
        name, lane = meant_lane(question.agent)
        if lane is not None and number_of(lane) is not None:
            # A version that nobody published any more may do what was taken from the agent since.
            raise LabelNotFound("Agents ask what is published: leave the version's number out.")
        reference = reference_of(frozenset({question.owner_id}), name)
        if reference is None:
            raise AgentNotFound("There is no such agent.")
        if await self._finder.agent_id(reference) in question.hops:
            raise AgentLoop(f"{name} is already waiting for this answer: asking it again would never end.")
        asker = Asker(question.owner_id, question.principal, reference, lane, question.hops)
        accepted = await self._messages.begin(asker, _body(question), question.key)
        return await self._answer(question, accepted, name)

    async def ask_capability(self, question: AskCapability) -> AskedAnswer:
        """The answer of an agent that has the capability; raises what `ask` does, and what finding one raises."""
        if question.awaited_run is not None:
            return await self._awaited(question, question.awaited_run)
        await self._check(question)
        owners = frozenset({question.owner_id})
        call = Call(
            question.owner_id, question.principal, owners, question.capability, _body(question), question.key,
            hops=question.hops,
        )  # fmt: skip
        delivered = await self._capabilities.begin(call)
        return await self._answer(question, delivered.accepted, delivered.agent)

    async def _answer(self, question: Question, accepted: Accepted, agent: str) -> AskedAnswer:
        self._notes.came_from(accepted.run_id, asked_by_run=question.run_id, asked_by_key=question.key)
        return await self._told(accepted, agent)

    async def _awaited(self, question: Question, run_id: UUID) -> AskedAnswer:
        """What became of the run that answers a question: nothing is begun for it once more."""
        stored = await self._runs.find([question.owner_id], run_id)
        if stored is None:
            raise RunNotFound("The run that was to answer is deleted.")
        accepted = Accepted(run_id, stored.conversation_id, question.owner_id, None, repeated=True)
        return await self._told(accepted, stored.agent_name)

    async def _told(self, accepted: Accepted, agent: str) -> AskedAnswer:
        ended = await self._messages.outcome(accepted)
        if ended.end.fault is not None:
            raise failure_of(accepted, ended.end)
        return AskedAnswer(
            run_id=accepted.run_id, conversation_id=accepted.conversation_id, status=ended.end.status,
            text=ended.end.text, usage=ended.usage, agent=agent,
        )  # fmt: skip

    async def _check(self, question: Question) -> None:
        if len(question.hops) >= MOST_HOPS:
            raise TooManyHops(f"The question went through {MOST_HOPS} agents, the most that there may be.")
        if question.conversation_id is not None:
            await self._check_is_theirs(question, question.conversation_id)

    async def _check_is_theirs(self, question: Question, conversation_id: UUID) -> None:
        """A model may have read any id: it goes on in no conversation but those that its own agent began."""
        began = await self._runs.began_by(question.owner_id, conversation_id)
        if began is None or began[0] != question.principal or began[1][-1:] != question.hops[-1:] or not began[1]:
            raise ConversationNotFound(NO_SUCH_CONVERSATION)


def _body(question: Question) -> MessageRequest:
    return MessageRequest(text=question.text, conversation_id=question.conversation_id)
