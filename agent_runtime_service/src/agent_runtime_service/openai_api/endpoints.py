"""`/v1`: OpenAI's chat completions and list of models, with agents for models."""

from typing import Annotated, cast

import orjson
from fastapi import Depends, Request, Response
from fastapi.responses import StreamingResponse

from agent_runtime_service.dependencies import AgentsInvoke
from agent_runtime_service.event_streams import NO_BUFFER
from agent_runtime_service.messages.answering import KEY_HEADER, given_key
from agent_runtime_service.messages.answers import failure_of
from agent_runtime_service.messages.schemas import WireMessage
from agent_runtime_service.messages.service import Accepted, MessageService, RunTerms
from agent_runtime_service.openai_api.answers import chunks, completion
from agent_runtime_service.openai_api.chat_schemas import ChatCompletion, ChatCompletionRequest, ListedModel, ModelList
from agent_runtime_service.openai_api.forms import asked_form
from agent_runtime_service.openai_api.functions import offered
from agent_runtime_service.openai_api.history import chat_messages, question
from agent_runtime_service.openai_api.ignored import ignored_in
from agent_runtime_service.openai_api.models import ModelDirectory
from agent_runtime_service.openai_api.refusals import OpenAiRoute
from agent_runtime_service.openai_api.spoken import refuse_waiting
from agent_runtime_service.telemetry.traceparent import note_traceparent
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/v1", tags=["openai"], route_class=OpenAiRoute)


async def _models(request: Request) -> ModelDirectory:
    return cast("ModelDirectory", request.app.state.model_directory)


@router.get("/models")
async def list_models(principal: AgentsInvoke, models: Annotated[ModelDirectory, Depends(_models)]) -> ModelList:
    """The caller's agents that run, and those of their organisations; `id` is what to write as `model`."""
    return ModelList(object="list", data=[ListedModel(**model) for model in models.listed(principal)])


@router.get("/models/{agent}")
async def get_model(
    agent: str, principal: AgentsInvoke, models: Annotated[ModelDirectory, Depends(_models)]
) -> ListedModel:
    """One of them."""
    return ListedModel(**models.one(principal, agent))


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}}
    | refusals(404, 409, 429, 502, 504),
    openapi_extra=KEY_HEADER,
)
async def create_chat_completion(body: ChatCompletionRequest, principal: AgentsInvoke, request: Request) -> Response:
    """Ask an agent as OpenAI's models are asked: the messages are the conversation so far, the user's own stands last.

    Each request is a run in a conversation of its own; its headers say which. The agent's own prompt, model, tools and
    limits hold whatever is asked; `x-kgents-ignored` names what was sent in vain.
    """
    messages = cast("MessageService", request.app.state.messages)
    asked = question(chat_messages(body.messages), "messages")
    message = WireMessage(text=asked.text, images=asked.images, response_format=asked_form(body.response_format))
    terms = RunTerms(earlier=asked.before, client_tools=offered(body.tools, body.tool_choice))
    accepted = await messages.accept(principal, body.model, message, given_key(request), terms)
    note_traceparent(request, accepted)
    headers = run_headers(accepted) | ignored_in(body)
    if body.stream:
        listener = accepted.active.feed.listen() if accepted.active is not None else None
        with_usage = body.stream_options is not None and body.stream_options.include_usage
        stream = chunks(messages, accepted, listener, body.model, with_usage=with_usage)
        return StreamingResponse(stream, media_type="text/event-stream", headers=NO_BUFFER | headers)
    ended = await messages.outcome(accepted)
    if ended.end.fault is not None:
        raise failure_of(accepted, ended.end)
    refuse_waiting(accepted, ended)
    content = orjson.dumps(completion(accepted, ended, body.model))
    return Response(content, media_type="application/json", headers=headers)


def run_headers(accepted: Accepted) -> dict[str, str]:
    """Which run answers, in which conversation."""
    return {"x-kgents-run": str(accepted.run_id), "x-kgents-conversation": str(accepted.conversation_id)}
