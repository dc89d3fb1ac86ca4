"""A conversation's context on the wire."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from agent_runtime_service.conversations.schemas import MessageView
from kgents_shared.contracts.agent_spec import Text
from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.worker import SummaryElsewhere

FactKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


def _said(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("blank_text", "must not be empty or blank")
    return text


class FactRequest(Contract):
    """Body of `PUT /conversations/{conversation_id}/facts/{key}`."""

    text: Annotated[Text, Field(max_length=2000), AfterValidator(_said)]


class FactView(Contract):
    """What is pinned. A `shared` one is pinned in all of the user's conversations that share what is remembered."""

    key: str
    text: str
    pinned_at: datetime
    shared: bool


class ContextChangeView(Contract):
    """That the model is shown less since a run: how many messages fell out, and what became of them.

    `reason`: the `window` was full, or the provider `refused` a request as too long. Where they are not `summarised`
    they were dropped, and `failure` is the code of why. `shortened` counts results of tools that were cut. Tokens are
    the model's own, as far as they are known.
    """

    run_id: UUID
    reason: Literal["window", "refused"]
    forgotten: int
    summarised: bool
    failure: str | None
    shortened: int
    tokens_before: int
    tokens_after: int
    created_at: datetime


class ContextView(Contract):
    """What the model would be shown with the next message, beside the agent's own prompt.

    `messages` are those from the place `context_from` on, the newest 1,000 of them; `summary` is of those up to
    `summary_of_seq`, and where `gap` is set some between are in neither. `tokens` is what all that takes, as the
    agent's worker counts; what goes beyond `window_tokens` (null while the agent isn't running) is summarised when the
    next message comes. `elsewhere` are summaries of other conversations that share with this one. `changes` are the
    newest ten.
    """

    conversation_id: UUID
    agent: str
    tokens: int
    window_tokens: int | None
    context_from: int
    summary: str | None
    summary_of_seq: int | None
    gap: bool
    shares: bool
    facts: list[FactView]
    elsewhere: list[SummaryElsewhere]
    messages: list[MessageView]
    changes: list[ContextChangeView]
