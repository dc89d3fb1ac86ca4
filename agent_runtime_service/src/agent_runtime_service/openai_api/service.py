"""Responses: runs that go on from each other."""

from collections.abc import Collection
from uuid import UUID

from agent_runtime_service.context.service import ContextService
from agent_runtime_service.errors import ConversationNotFound, ResponseContinued, RunNotFound
from agent_runtime_service.messages.schemas import WireMessage
from agent_runtime_service.messages.service import Accepted, MessageService, RunTerms
from agent_runtime_service.openai_api.forms import asked_form
from agent_runtime_service.openai_api.functions import offered
from agent_runtime_service.openai_api.history import instructions, question
from agent_runtime_service.openai_api.repository import ResponseRepository
from agent_runtime_service.openai_api.response_input import input_messages
from agent_runtime_service.openai_api.response_schemas import ConversationRef, ResponseRequest
from agent_runtime_service.passing.service import PassingResponses
from agent_runtime_service.runs.repository import RunRepository, StoredRun
from kgents_shared.auth import Principal
from kgents_shared.contracts.worker import Message
from kgents_shared.errors import ApiError, FaultItem, InvalidInput


class ResponseService:
    """Begins, finds and deletes responses."""

    def __init__(
        self,
        messages: MessageService,
        runs: RunRepository,
        responses: ResponseRepository,
        context: ContextService,
        passing: PassingResponses,
    ) -> None:
        self._messages = messages
        self._runs = runs
        self._responses = responses
        self._context = context
        self._passing = passing

    async def begin(self, principal: Principal, body: ResponseRequest, key: str | None) -> Accepted:
        """Begin a run for the request.

        One word of the user's that follows a conversation's end goes on in it. What begins elsewhere, at an earlier
        response or with more than that, begins another conversation with what was said until then; so does what isn't
        to be stored. Raises what a message raises, and `RunNotFound`.
        """
        told = input_messages(body.input)
        conversation_id = _conversation(body)
        if not body.is_stored and (conversation_id is not None or body.background):
            field = "conversation" if conversation_id is not None else "background"
            raise _refused(field, "can't stand beside store: false: what it gives is read later")
        if body.previous_response_id is not None:
            place = await self._responses.place_of({principal.owner_id}, body.previous_response_id)
            if place is None:
                raise RunNotFound("There is no such response, or it isn't completed.")
            if body.is_stored and place.is_last and _is_one_word(told) and body.instructions is None:
                try:
                    return await self._accept(principal, body, told, place.conversation_id, key)
                except ConversationNotFound:  # it was another agent's
                    pass
            before = await self._responses.told_until(place)
            if before is None:
                raise _refused("previous_response_id", "has more behind it than can be told another conversation")
            told = [*before, *told]
        elif conversation_id is not None and (not _is_one_word(told) or body.instructions is not None):
            raise _refused("conversation", "takes one text of the user's; go on from a response to say more")
        if body.instructions is not None:
            told.insert(0, instructions(body.instructions))
        return await self._accept(principal, body, told, conversation_id, key)

    async def _accept(
        self,
        principal: Principal,
        body: ResponseRequest,
        told: list[Message],
        conversation_id: UUID | None,
        key: str | None,
    ) -> Accepted:
        asked = question(told, "input")
        form = asked_form(None if body.text is None else body.text.format)
        message = WireMessage(
            text=asked.text, images=asked.images, conversation_id=conversation_id, response_format=form
        )
        # Sent again it finds its own answer in the conversation, and would go on from elsewhere.
        same = None if key is None else repr(body.model_copy(update={"stream": None, "stream_options": None}))
        begins = None if body.is_stored else await self._passing.begin()
        terms = RunTerms(
            earlier=asked.before, client_tools=offered(body.tools, body.tool_choice), asked=same, begins=begins
        )
        try:
            return await self._messages.accept(principal, body.model, message, key, terms)
        except ApiError:
            # Refused. Of what failed otherwise nobody knows whether it began: that stays noted.
            if begins is not None:
                await self._passing.not_begun(begins)
            raise

    async def forget(self, accepted: Accepted, body: ResponseRequest) -> None:
        """Delete one that isn't to be stored, now that it is answered; one that still runs is deleted afterwards."""
        if not body.is_stored:
            await self._passing.end(accepted)

    async def find(self, owner_ids: Collection[str], run_id: UUID) -> StoredRun:
        """A response of the owners'; raises `RunNotFound`."""
        found = await self._runs.find(owner_ids, run_id)
        if found is None:
            raise RunNotFound("There is no such response.")
        return found

    async def delete(self, owner_ids: Collection[str], run_id: UUID) -> None:
        """Delete a response with its conversation. Raises `RunNotFound`, and `ResponseContinued` where others go on."""
        found = await self.find(owner_ids, run_id)
        if await self._responses.runs_in(owner_ids, found.conversation_id) > 1:
            raise ResponseContinued(
                "Its conversation has other responses, which stand on it: delete that, with "
                f"DELETE /api/v1/conversations/{found.conversation_id}."
            )
        await self._context.remove(owner_ids, found.conversation_id)


def _conversation(body: ResponseRequest) -> UUID | None:
    given = body.conversation
    if given is not None and body.previous_response_id is not None:
        raise _refused("conversation", "can't stand beside previous_response_id")
    return given.id if isinstance(given, ConversationRef) else given


def _is_one_word(told: list[Message]) -> bool:
    return len(told) == 1 and told[0].role == "user"


def _refused(field: str, msg: str) -> InvalidInput:
    return InvalidInput("The request can't be taken.", errors=[FaultItem(("body", field), msg, "bad_combination")])
