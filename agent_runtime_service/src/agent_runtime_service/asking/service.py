"""One agent's question to another: a run like any other, that knows which agents led to it."""

from uuid import UUID

from agent_runtime_service.errors import AgentLoop, AgentNotFound, ConversationNotFound, LabelNotFound, TooManyHops
from agent_runtime_service.instances.lanes import number_of
from agent_runtime_service.messages.answers import failure_of
from agent_runtime_service.messages.finder import AgentFinder, meant_lane
from agent_runtime_service.messages.schemas import MessageRequest
from agent_runtime_service.messages.service import Asker, MessageService
from agent_runtime_service.runs.repository import RunRepository
from kgents_shared.auth import reference_of
from kgents_shared.contracts.asking import MOST_HOPS, AskAgent, AskedAnswer


class AskingService:
    """Lets agents ask each other, without going round in circles."""

    def __init__(self, messages: MessageService, finder: AgentFinder, runs: RunRepository) -> None:
        self._messages = messages
        self._finder = finder
        self._runs = runs

    async def ask(self, question: AskAgent) -> AskedAnswer:
        """The other agent's answer.

        Raises `AgentLoop` for an agent that this question came through, `TooManyHops`, `ConversationNotFound` for a
        conversation that the asking agent has not begun for the same person, and what a message raises.
        """
        if len(question.hops) >= MOST_HOPS:
            raise TooManyHops(f"The question went through {MOST_HOPS} agents, the most that there may be.")
        name, lane = meant_lane(question.agent)
        if lane is not None and number_of(lane) is not None:
            # A version that nobody published any more may do what was taken from the agent since.
            raise LabelNotFound("Agents ask what is published: leave the version's number out.")
        reference = reference_of(frozenset({question.owner_id}), name)
        if reference is None:
            raise AgentNotFound("There is no such agent.")
        if await self._finder.agent_id(reference) in question.hops:
            raise AgentLoop(f"{name} is already waiting for this answer: asking it again would never end.")
        if question.conversation_id is not None:
            await self._check_is_theirs(question, question.conversation_id)
        asker = Asker(question.owner_id, question.principal, reference, lane, question.hops)
        body = MessageRequest(text=question.text, conversation_id=question.conversation_id)
        accepted = await self._messages.begin(asker, body, question.key)
        ended = await self._messages.outcome(accepted)
        if ended.end.fault is not None:
            raise failure_of(accepted, ended.end)
        return AskedAnswer(
            run_id=accepted.run_id, conversation_id=accepted.conversation_id, status=ended.end.status,
            text=ended.end.text, usage=ended.usage,
        )  # fmt: skip

    async def _check_is_theirs(self, question: AskAgent, conversation_id: UUID) -> None:
        """A model may have read any id: it goes on in no conversation but those that its own agent began."""
        began = await self._runs.began_by(question.owner_id, conversation_id)
        if began is None or began[0] != question.principal or began[1][-1:] != question.hops[-1:] or not began[1]:
            raise ConversationNotFound("There is no such conversation of yours with this agent.")
