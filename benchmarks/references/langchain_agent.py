"""Reference A, what a good engineer writes in a day: FastAPI, LangChain's `create_agent`, `ChatOpenAI`, and
`AsyncPostgresSaver` on a pool. One process, no authentication. `python -m benchmarks.references.langchain_agent`.
"""

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr

from benchmarks.references.server import (
    SYSTEM_PROMPT,
    Message,
    MessageAnswer,
    reference_options,
    serve_reference,
)


def create_app(model_url: str, database_url: str) -> FastAPI:
    """One endpoint, `POST /message`."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        connection = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            database_url, min_size=4, max_size=16, kwargs=connection, open=False
        )
        async with pool:
            checkpointer = AsyncPostgresSaver(pool)
            await checkpointer.setup()
            chat = ChatOpenAI(model="fake-model", base_url=model_url, api_key=SecretStr("sk-benchmark"))
            app.state.agent = create_agent(chat, tools=[], system_prompt=SYSTEM_PROMPT, checkpointer=checkpointer)
            yield

    app = FastAPI(lifespan=lifespan)

    @app.post("/message")
    async def answer(message: Message) -> MessageAnswer:
        conversation_id = message.conversation_id or str(uuid4())
        state: dict[str, Any] = await app.state.agent.ainvoke(
            {"messages": [HumanMessage(message.text)]}, {"configurable": {"thread_id": conversation_id}}
        )
        last = state["messages"][-1]
        assert isinstance(last, AIMessage)
        return MessageAnswer(text=last.text, conversation_id=conversation_id)

    return app


if __name__ == "__main__":
    os.environ["LANGSMITH_TRACING"] = "false"
    serve_reference(create_app(*reference_options()))
