"""Reference B, the floor: FastAPI and one httpx call to the model. `python -m benchmarks.references.floor`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from pydantic import BaseModel

from benchmarks.references.server import SYSTEM_PROMPT, Message, MessageAnswer, reference_options, serve_reference


class _AssistantMessage(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _AssistantMessage


class _Completion(BaseModel):
    choices: list[_Choice]


def create_app(model_url: str) -> FastAPI:
    """One endpoint, `POST /message`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        async with httpx.AsyncClient(base_url=model_url, limits=httpx.Limits(max_connections=100)) as client:
            app.state.client = client
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/message")
    async def answer(message: Message) -> MessageAnswer:
        client: httpx.AsyncClient = app.state.client
        messages = [
            {"role": "system", "content": SYSTEM_PROMPT},
            {"role": "user", "content": message.text},
        ]
        response = await client.post("/chat/completions", json={"model": "fake-model", "messages": messages})
        completion = _Completion.model_validate_json(response.raise_for_status().content)
        return MessageAnswer(text=completion.choices[0].message.content, conversation_id="none")

    return app


if __name__ == "__main__":
    serve_reference(create_app(model_url=reference_options()[0]))
