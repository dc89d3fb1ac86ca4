"""The provider's own client is the judge of the wire."""

from collections.abc import AsyncIterator

import pytest
from openai import APIStatusError, AsyncOpenAI, BadRequestError, RateLimitError
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from kgents_shared.testing.model_server import ModelServer, Reply, ToolCall, rate_limited, server_error

CLOCK: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "time_now",
        "description": "The time now",
        "parameters": {"type": "object", "properties": {"timezone": {"type": "string"}}},
    },
}
ASK: ChatCompletionMessageParam = {"role": "user", "content": 'call time.now {"timezone": "UTC"}'}


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer(api_key="sk-test") as server:
        yield server


@pytest.fixture
async def client(model: ModelServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=model.base_url, api_key="sk-test", max_retries=0) as client:
        yield client


async def test_it_lists_models(client: AsyncOpenAI):
    assert [entry.id async for entry in client.models.list()] == ["fake-model"]


async def test_it_completes(client: AsyncOpenAI):
    answer = await client.chat.completions.create(model="fake-model", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content == "You said: Hello [1 messages seen]"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 7
    assert answer.model == "fake-model"


async def test_it_streams_with_usage(client: AsyncOpenAI):
    stream = await client.chat.completions.create(
        model="fake-model",
        messages=[{"role": "user", "content": "Hello"}],
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = [chunk async for chunk in stream]
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "You said: Hello [1 messages seen]"
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 6


async def test_a_tool_is_called_and_its_result_told(client: AsyncOpenAI):
    first = await client.chat.completions.create(model="fake-model", messages=[ASK], tools=[CLOCK])
    assert first.choices[0].finish_reason == "tool_calls"
    (call,) = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("time_now", '{"timezone": "UTC"}')
    second = await client.chat.completions.create(
        model="fake-model",
        messages=[
            ASK,
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {
                        "id": call.id,
                        "type": "function",
                        "function": {"name": call.function.name, "arguments": call.function.arguments},
                    }
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "12:00"},
        ],
        tools=[CLOCK],
    )
    assert second.choices[0].message.content == "The tool answered: 12:00 [3 messages seen]"


async def test_a_tool_that_is_not_offered_is_not_called(client: AsyncOpenAI):
    answer = await client.chat.completions.create(model="fake-model", messages=[ASK])
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].message.content == ('You said: call time.now {"timezone": "UTC"} [1 messages seen]')


async def test_streamed_tool_calls_are_put_together(model: ModelServer, client: AsyncOpenAI):
    model.script(
        Reply(
            text="Let me look.",
            tool_calls=(ToolCall("time_now", '{"timezone":"UTC"}'), ToolCall("time_now", "{}", id="mine")),
        )
    )
    async with client.chat.completions.stream(model="fake-model", messages=[ASK], tools=[CLOCK]) as stream:
        final = await stream.get_final_completion()
    message = final.choices[0].message
    assert message.content == "Let me look."
    calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or []]
    assert calls == [("call_1_0", "time_now", '{"timezone":"UTC"}'), ("mine", "time_now", "{}")]
    assert final.choices[0].finish_reason == "tool_calls"


async def test_faults_become_the_clients_own_errors(model: ModelServer, client: AsyncOpenAI):
    model.script(rate_limited(1), server_error())
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hello"}]
    with pytest.raises(RateLimitError) as limited:
        await client.chat.completions.create(model="fake-model", messages=messages)
    assert limited.value.code == "rate_limit_exceeded"
    with pytest.raises(APIStatusError) as broken:
        await client.chat.completions.create(model="fake-model", messages=messages)
    assert broken.value.status_code == 500
    with pytest.raises(BadRequestError, match="non-empty array"):
        await client.chat.completions.create(model="fake-model", messages=[])


async def test_the_clients_own_retry_after_a_429_succeeds(model: ModelServer, client: AsyncOpenAI):
    model.script(rate_limited(0.01))
    answer = await client.with_options(max_retries=1).chat.completions.create(
        model="fake-model", messages=[{"role": "user", "content": "again"}]
    )
    assert answer.choices[0].message.content == "You said: again [1 messages seen]"
    assert len(model.completions) == 2
