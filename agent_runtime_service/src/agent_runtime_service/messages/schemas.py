"""What a message looks like on the wire."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from agent_runtime_service.runs.schemas import AwaitedApprovalView
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract

MAX_TEXT_BYTES = 32 * 1024


def _bounded(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank_text", "must not be empty or blank")
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise PydanticCustomError("text_too_long", "must not be longer than 32 KiB (32768 bytes of UTF-8)")
    return text


class MessageRequest(Contract):
    """Body of `POST /agents/{agent}/message`. Without `conversation_id` a conversation is begun."""

    text: Annotated[Text, AfterValidator(_bounded)]
    conversation_id: UUID | None = None


class MessageAnswer(Contract):
    """The agent's answer. `usage`: prompt_tokens, completion_tokens, total_tokens, model_calls, estimated."""

    run_id: UUID
    conversation_id: UUID
    status: Literal["completed"]
    text: str
    usage: dict[str, Any]


class MessageWaiting(Contract):
    """The agent wants to call tools that need a person's word; `usage` is that of the run so far.

    The run goes on by itself once they are decided: `GET /runs/{run_id}` has its answer then.
    """

    run_id: UUID
    conversation_id: UUID
    status: Literal["waiting_approval"]
    approvals: list[AwaitedApprovalView]
    usage: dict[str, Any]
