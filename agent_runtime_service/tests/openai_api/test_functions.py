"""Functions that OpenAI's client offers and carries out, beside the agent's own tools."""

import json
from typing import Any

import openai
import pytest

from kgents_shared.testing.model_server import ModelServer, Reply, ToolCall
from tests.external.running_runtime import Runtime

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


async def test_a_chat_calls_the_clients_functions_and_goes_on_with_their_results(
    runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI
):
    await runtime.add_agent("helper")
    asked: list[Any] = [{"role": "user", "content": "How is the weather in Paris?"}]
    model.script(Reply(tool_calls=(ToolCall("weather", '{"city": "Paris"}'),)))
    first = await client.chat.completions.create(model="helper", messages=asked, tools=[WEATHER])
    choice = first.choices[0]
    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert choice.message.tool_calls is not None
    (call,) = choice.message.tool_calls
    assert call.type == "function"
    assert (call.function.name, json.loads(call.function.arguments)) == ("weather", {"city": "Paris"})
    assert model.requests[-1].tool_names == ["weather"]

    asked += [choice.message, {"role": "tool", "tool_call_id": call.id, "content": "Rain."}]
    model.script(Reply("It rains in Paris."))
    second = await client.chat.completions.create(model="helper", messages=asked, tools=[WEATHER])
    assert second.choices[0].message.content == "It rains in Paris."
    assert [row["role"] for row in model.requests[-1].messages] == ["system", "user", "assistant", "tool"]

    model.script(Reply(tool_calls=(ToolCall("weather", '{"city": "Lyon"}'),)))
    names, pieces = "", ""
    async for chunk in await client.chat.completions.create(
        model="helper", messages=asked[:1], tools=[WEATHER], stream=True
    ):
        for part in chunk.choices[0].delta.tool_calls or ():
            assert part.function is not None
            names += part.function.name or ""
            pieces += part.function.arguments or ""
    assert (names, json.loads(pieces)) == ("weather", {"city": "Lyon"})
    with pytest.raises(openai.UnprocessableEntityError):
        await client.chat.completions.create(model="helper", messages=asked[:-1], tools=[WEATHER])


async def test_a_response_does_so_too_and_its_conversation_can_go_on_without_them(
    runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI
):
    await runtime.add_agent("helper")
    tools: Any = [{"type": "function", **WEATHER["function"]}]
    model.script(Reply(tool_calls=(ToolCall("weather", '{"city": "Paris"}'),)))
    async with client.responses.stream(model="helper", input="How is the weather?", tools=tools) as stream:
        kinds = [event.type async for event in stream]
        first = await stream.get_final_response()
    assert "response.function_call_arguments.done" in kinds
    (call,) = first.output
    assert call.type == "function_call"
    assert (await client.responses.retrieve(first.id)).output[0].type == "function_call"
    model.script(Reply("It rains."))
    given: Any = [{"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}]
    second = await client.responses.create(model="helper", input=given, previous_response_id=first.id, tools=tools)
    assert second.output_text == "It rains."
    # Whoever goes on without the result is understood: the model is told that nobody did it.
    model.script(Reply("Never mind."))
    assert first.conversation is not None
    await runtime.say("Forget it.", first.conversation.id)
    assert [row["role"] for row in model.requests[-1].messages] == ["system", "user", "assistant", "tool", "user"]


async def test_the_agents_own_tools_come_first(runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI):
    await runtime.add_agent("helper", tools={"allow": ["clock.*"]})
    model.script(
        Reply(tool_calls=(ToolCall("clock_now", "{}"), ToolCall("weather", '{"city": "Paris"}'))),
        Reply("It is noon."),
    )
    answer = await client.chat.completions.create(
        model="helper", messages=[{"role": "user", "content": "What time is it?"}], tools=[WEATHER]
    )
    assert answer.choices[0].message.content == "It is noon."
    assert [row["role"] for row in model.requests[-1].messages] == ["system", "user", "assistant", "tool"]
