"""What passes the gateway and what doesn't; tokens counted; the echo provider."""

import json
from typing import Any

import orjson
import psycopg
import pytest
from pydantic import SecretStr

from agent_runtime_service.gateway.echo import EchoProvider
from agent_runtime_service.gateway.request import checked_request
from agent_runtime_service.gateway.usage import UsageMeter
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.errors import InvalidInput
from kgents_shared.testing.model_server import ModelServer, RawAnswer
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime

CHOICE = ModelChoice(provider="openai", model="pinned", temperature=0.5, max_tokens=100)


def test_model_and_limits_are_those_of_the_version_whatever_the_worker_says():
    raw = orjson.dumps({"messages": [{"role": "user"}], "model": "other", "max_tokens": 9, "temperature": 2, "n": 50})
    assert checked_request(raw, CHOICE) == {
        "messages": [{"role": "user"}],
        "model": "pinned",
        "temperature": 0.5,
        "max_tokens": 100,
    }


def test_fields_that_nobody_asked_for_do_not_pass():
    given = {"messages": [{"role": "user"}], "store": True, "metadata": {}, "service_tier": "x", "tools": [], "seed": 1}
    assert set(checked_request(orjson.dumps(given), CHOICE)) == {
        "messages", "tools", "seed", "model", "temperature", "max_tokens",
    }  # fmt: skip


def test_a_stream_always_brings_its_usage():
    given = {"messages": [{"role": "user"}], "stream": True, "stream_options": {"include_usage": False}}
    assert checked_request(orjson.dumps(given), CHOICE)["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"{}", b'{"messages": []}', b'{"messages": "x"}'])
def test_what_is_no_completion_request_is_refused(raw: bytes):
    with pytest.raises(InvalidInput):
        checked_request(raw, CHOICE)


def test_usage_is_read_from_the_last_lines_of_a_stream_however_it_is_cut():
    stream = (
        b'data: {"choices": [{"delta": {"content": "x"}}]}\n\n'
        b'data: {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}\n\ndata: [DONE]\n\n'
    )
    for size in (1, 5, 64, len(stream)):
        meter = UsageMeter(100)
        for start in range(0, len(stream), size):
            meter.see(stream[start : start + size])
        assert meter.tokens() == (7, 3, False)


@pytest.mark.parametrize("indent", [None, 2])
def test_usage_is_read_out_of_a_whole_answer_that_is_longer_than_what_is_kept_of_it(indent: int | None):
    told = {"prompt_tokens": 7, "completion_tokens": 3, "details": {"cached": 1}}
    said = '"usage": {"prompt_tokens": 9}'
    answer = {"choices": [{"message": {"content": "word " * 4000 + said}}], "usage": told}
    meter = UsageMeter(100)
    meter.see(json.dumps(answer, indent=indent).encode())
    assert meter.tokens() == (7, 3, False)
    del answer["usage"]
    for end in (b"", b'"usage": ' + b'{"a":' * 1500):
        meter = UsageMeter(100)
        meter.see(json.dumps(answer, indent=indent).encode() + end)
        assert meter.tokens()[2]


@pytest.mark.parametrize("tail", [b"", b'data: {"usage": null}\n\n', b'data: {"usage": "many"}\n\n', b'"usage"'])
def test_usage_that_is_not_told_is_estimated_and_marked(tail: bytes):
    meter = UsageMeter(400)
    for _ in range(10):
        meter.see(b'data: {"choices": [{"delta": {"content": "word "}}]}\n\n')
    meter.see(tail)
    prompt, spoken, estimated = meter.tokens()
    assert prompt == 100
    assert spoken >= 8
    assert estimated


async def test_the_echo_says_that_it_is_no_language_model(start_runtime: Any):
    async with start_runtime(openai_base_url=None, openai_api_key=None) as runtime:
        await runtime.add_agent()
        first = await runtime.say("Hello")
        second = await runtime.say("Again", first["conversation_id"])
    assert "not a language model" in first["text"]
    assert "Hello" in first["text"]
    assert "0 earlier messages" in first["text"]
    assert "2 earlier messages" in second["text"]


async def test_the_echo_answers_whole_where_no_stream_is_asked_for():
    request = {"messages": [{"role": "user", "content": "Hi"}]}
    async with EchoProvider().complete(request, 1) as answer:
        document = orjson.loads(b"".join([piece async for piece in answer.chunks]))
    assert "Hi" in document["choices"][0]["message"]["content"]
    assert document["usage"]["total_tokens"] > 0


async def test_a_spec_may_name_its_provider(runtime: Runtime):
    await runtime.add_agent(llm={"provider": "echo"})
    assert "not a language model" in (await runtime.say("Hello"))["text"]


async def test_what_the_spec_says_of_the_model_reaches_the_provider(runtime: Runtime, model: ModelServer):
    await runtime.add_agent(llm={"model": "fake-model", "temperature": 0.25, "max_tokens": 77})
    await runtime.say("Hello")
    body = model.completions[0].body
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("fake-model", 0.25, 77)
    assert body["stream"] is True


async def test_a_server_that_does_not_stream_is_understood_too(runtime: Runtime, model: ModelServer):
    whole = {
        "choices": [{"message": {"content": "all at once"}}],
        "usage": {"prompt_tokens": 5, "completion_tokens": 3},
    }
    await runtime.add_agent()
    model.script(RawAnswer(orjson.dumps(whole)))
    answer = await runtime.say("Hello")
    assert answer["text"] == "all at once"
    assert answer["usage"]["prompt_tokens"] == 5


async def test_a_nul_in_an_answer_can_be_stored(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    model.script(RawAnswer(b'{"choices": [{"message": {"content": "a\\u0000b"}}]}'))
    answer = await runtime.say("Hello")
    assert answer["text"] == "a\ufffdb"
    assert (await runtime.transcript(answer["conversation_id"]))[1] == ("assistant", "a\ufffdb")


async def test_model_calls_are_booked_in_the_background(runtime: Runtime, database_url: str):
    await runtime.add_agent()
    answer = await runtime.say("Hello")

    async def booked() -> bool:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute(
                "SELECT provider, model, prompt_tokens, completion_tokens, error FROM runtime.model_calls "
                "WHERE run_id = %s",
                (answer["run_id"],),
            )
            usage = answer["usage"]
            expected = ("openai", "fake-model", usage["prompt_tokens"], usage["completion_tokens"], None)
            return await cursor.fetchall() == [expected]

    await eventually(booked, describe="the call is in the table")


def test_the_key_is_not_shown_where_settings_are_printed(make_settings: Any):
    assert "sk-secret" not in repr(make_settings(openai_api_key=SecretStr("sk-secret")))
