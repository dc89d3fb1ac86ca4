"""OpenAI's own clients, and LangChain's, pointed at an agent."""

import asyncio
from typing import Any

import httpx
import openai
import pytest
from langchain_core.messages import HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from kgents_shared.auth import ALL_SCOPES
from kgents_shared.testing.model_server import ModelServer, Reply, server_error
from kgents_shared.testing.plain_http import PLAIN
from tests.external.running_runtime import Runtime


def key_of(runtime: Runtime, owner: str | None = None, **more: Any) -> str:
    return runtime.issuer.person(owner or runtime.owner, **more)["Authorization"].removeprefix("Bearer ")


async def test_the_openai_client_talks_to_an_agent_as_to_a_model(
    runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI
):
    await runtime.add_agent("helper")

    model.script(Reply("Paris."))
    raw = await client.chat.completions.with_raw_response.create(
        model="helper",
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Which country are we in?"},
            {"role": "assistant", "content": "France."},
            {"role": "user", "content": [{"type": "text", "text": "What is its capital?"}]},
        ],
        temperature=0.1,
        user="ada",
    )
    answer = raw.parse()
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("Paris.", "stop")
    assert answer.model == "helper"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0
    assert raw.headers["x-kgents-ignored"] == "temperature, user"
    # The agent's own prompt stands first, and what was said before is what the model is told.
    sent = [(row["role"], row["content"]) for row in model.requests[-1].messages]
    assert sent[0] == ("system", "You are {helpful} and {{brief}}.")
    assert sent[1][0] == "user"
    assert str(sent[1][1]).endswith("Be brief.")
    assert sent[2:] == [
        ("user", "Which country are we in?"),
        ("assistant", "France."),
        ("user", "What is its capital?"),
    ]
    # All of it is a conversation, and the completion's id is the run's.
    assert answer.id == raw.headers["x-kgents-run"]
    assert (await runtime.run(answer.id))["text"] == "Paris."
    told = await runtime.transcript(raw.headers["x-kgents-conversation"])
    assert [role for role, _ in told] == ["user", "user", "assistant", "user", "assistant"]
    # And it goes on from there like any other.
    model.script(Reply("Berlin."))
    more = await runtime.say("And of the next country?", raw.headers["x-kgents-conversation"])
    assert more["text"] == "Berlin."
    assert [row["content"] for row in model.requests[-1].messages][-3:-1] == ["What is its capital?", "Paris."]

    model.script(Reply("One, two, three."))
    pieces = [
        piece
        async for piece in await client.chat.completions.create(
            model="helper",
            messages=[{"role": "user", "content": "Count."}],
            stream=True,
            stream_options={"include_usage": True},
        )
    ]
    assert "".join(p.choices[0].delta.content or "" for p in pieces if p.choices) == "One, two, three."
    assert [p.choices[0].finish_reason for p in pieces if p.choices][-1] == "stop"
    assert pieces[-1].usage is not None
    assert pieces[-1].usage.total_tokens > 0
    assert len({p.id for p in pieces}) == 1

    listed = await client.models.list()
    assert [(one.id, one.owned_by) for one in listed.data] == [("helper", "you")]
    assert (await client.models.retrieve("helper")).id == "helper"


async def test_refusals_are_the_errors_that_the_openai_client_knows(
    runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI
):
    await runtime.add_agent("helper")
    hello: Any = [{"role": "user", "content": "Hello"}]

    with pytest.raises(openai.NotFoundError) as nobody:
        await client.chat.completions.create(model="nobody", messages=hello)
    assert nobody.value.code == "model_not_found"
    strangers = client.with_options(api_key=key_of(runtime, "owner-of-nothing"))
    with pytest.raises(openai.NotFoundError) as theirs:
        await strangers.chat.completions.create(model="helper", messages=hello)
    assert theirs.value.code == "model_not_found"
    assert (await strangers.models.list()).data == []
    with pytest.raises(openai.AuthenticationError) as wrong:
        await client.with_options(api_key="wrong").chat.completions.create(model="helper", messages=hello)
    assert wrong.value.code == "invalid_api_key"
    weak = client.with_options(api_key=key_of(runtime, scopes=ALL_SCOPES - {"agents:invoke"}))
    with pytest.raises(openai.PermissionDeniedError):
        await weak.chat.completions.create(model="helper", messages=hello)

    faults: list[tuple[dict[str, Any], str]] = [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"messages": []}, "messages"),
        ({"owner_id": "me"}, "owner_id"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages.0.user.content"),
        ({"messages": [*hello, {"role": "assistant", "content": "Hi"}]}, "messages.1"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}, *hello]}, "messages.0"),
    ]
    post: Any = client.post
    for refused, param in faults:
        with pytest.raises(openai.UnprocessableEntityError) as bad:
            await post("/chat/completions", body={"model": "helper", "messages": hello} | refused, cast_to=object)
        assert str(bad.value.param).startswith(param), bad.value
    assert list(model.requests) == []

    model.script(*[server_error()] * 3)
    with pytest.raises(openai.InternalServerError) as away:
        await client.chat.completions.create(model="helper", messages=hello)
    assert away.value.code == "provider_error"
    # It may have had effects: the client is told not to try again by itself.
    assert away.value.response.headers["x-should-retry"] == "false"


async def test_the_synchronous_client_and_langchains_work_too(runtime: Runtime, model: ModelServer):
    await runtime.add_agent("helper")
    key, base_url = key_of(runtime), f"{runtime.front.url}/v1"

    def asked() -> list[str]:
        with openai.OpenAI(base_url=base_url, api_key=key) as client:
            said = client.chat.completions.create(model="helper", messages=[{"role": "user", "content": "Hello"}])
            with client.chat.completions.create(
                model="helper", messages=[{"role": "user", "content": "Hello"}], stream=True
            ) as stream:
                streamed = "".join(piece.choices[0].delta.content or "" for piece in stream)
        return [said.choices[0].message.content or "", streamed]

    model.script(Reply("Hello, whole."), Reply("Hello, in pieces."))
    assert await asyncio.to_thread(asked) == ["Hello, whole.", "Hello, in pieces."]

    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as http:
        chat = ChatOpenAI(model="helper", base_url=base_url, api_key=SecretStr(key), http_async_client=http)
        model.script(Reply("From LangChain."), Reply("Streamed to LangChain."))
        answer = await chat.ainvoke([SystemMessage("Be brief."), HumanMessage("Hello")])
        assert answer.content == "From LangChain."
        assert answer.usage_metadata is not None
        assert answer.usage_metadata["total_tokens"] > 0
        assert "".join([str(piece.content) async for piece in chat.astream("Hello")]) == "Streamed to LangChain."
