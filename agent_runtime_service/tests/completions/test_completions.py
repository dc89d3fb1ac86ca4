"""A service asks a model something in somebody's name: whose account, which shape, what it may cost, who may."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import psycopg

from kgents_shared.testing.model_server import CutStream, ModelServer, NeverAnswers, RawAnswer, Reply, StatusFault
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
REF = f"cred_{'b' * 32}"


async def ask(runtime: Runtime, caller: str = "nl", **changes: Any) -> httpx.Response:
    body = {"owner_id": runtime.owner, "purpose": "a draft", "llm": {}, "messages": [{"role": "user", "content": "hi"}]}
    headers = runtime.issuer.service(caller, "runtime")
    return await runtime.http.post("/internal/completions", json=body | changes, headers=headers)


async def fails(runtime: Runtime, status: int, code: str, **changes: Any) -> str:
    answer = await ask(runtime, **changes)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    detail: str = answer.json()["detail"]
    return detail


async def test_the_platforms_model_answers_in_the_shape_that_is_asked_for_and_the_call_is_booked_as_the_owners(
    runtime: Runtime, model: ModelServer, database_url: str
):
    model.script(Reply('{"a": 1}', prompt_tokens=11, completion_tokens=4))
    answer = await ask(runtime, answer_schema=SCHEMA, llm={"max_tokens": 99})
    assert answer.status_code == 200, answer.text
    usage = {"prompt_tokens": 11, "completion_tokens": 4, "estimated": False}
    told = {"text": '{"a": 1}', "is_whole": True, "provider": "openai", "model": "fake-model", "usage": usage}
    assert answer.json() == told
    [request] = model.completions
    assert request.authorization == "Bearer sk-canary-key"
    assert request.body["max_tokens"] == 99
    asked = {"name": "answer", "strict": True, "schema": SCHEMA}
    assert request.body["response_format"] == {"type": "json_schema", "json_schema": asked}

    async def booked() -> bool:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute(
                "SELECT run_id, agent_id, purpose, provider, prompt_tokens, completion_tokens, error "
                "FROM runtime.model_calls WHERE owner_id = %s",
                (runtime.owner,),
            )
            return await cursor.fetchall() == [(None, None, "a draft", "openai", 11, 4, None)]

    await eventually(booked, describe="the call is in the table")


async def test_a_server_that_knows_no_schemas_is_asked_again_without(runtime: Runtime, model: ModelServer):
    model.script(StatusFault(400, "response_format is not supported", "invalid_request_error"), "prose then")
    answer = await ask(runtime, answer_schema=SCHEMA)
    assert answer.json()["text"] == "prose then"
    assert ["response_format" in request.body for request in model.completions] == [True, False]


async def test_what_providers_do_wrong_is_told_by_its_code(runtime: Runtime, model: ModelServer):
    model.script(StatusFault(400, "no", "invalid_request_error"))
    assert "400: no" in await fails(runtime, 502, "provider_error")
    for said in (RawAnswer(), RawAnswer(b'{"choices": []}'), RawAnswer(b'{"choices": [{"message": 1}]}')):
        model.script(said)
        await fails(runtime, 502, "provider_garbage")
    model.script(CutStream())
    await fails(runtime, 502, "provider_cut")
    model.script(NeverAnswers())
    await fails(runtime, 504, "provider_timeout", timeout_s=0.2)
    model.script(Reply("half an ans", finish_reason="length"))
    assert (await ask(runtime)).json()["is_whole"] is False
    model.script(StatusFault(429, headers={"Retry-After": "60"}))
    await fails(runtime, 503, "provider_rate_limited")


async def test_the_echo_is_no_model(runtime: Runtime, start_runtime: StartRuntime):
    assert "a language model" in await fails(runtime, 409, "model_needed", llm={"provider": "echo"})
    async with start_runtime(openai_base_url=None, openai_api_key=None) as bare:
        await fails(bare, 409, "model_needed")


async def test_an_account_of_ones_own_is_used_and_anothers_is_not_there(
    runtime: Runtime, siblings: RuntimeSiblings, model: ModelServer
):
    siblings.credentials[REF] = {"owner_id": runtime.owner, "secret": "sk-canary-key"}
    assert (await ask(runtime, llm={"credential_ref": REF})).status_code == 200
    assert siblings.credential_uses[0].purpose == "a draft"
    await fails(runtime, 502, "credential_not_found", llm={"credential_ref": REF}, owner_id="somebody-else")
    assert len(model.completions) == 1


async def test_it_takes_a_place_among_the_owners_runs(start_runtime: StartRuntime, model: ModelServer):
    async with start_runtime(max_active_runs_of_owner=0) as full:
        await fails(full, 429, "too_many_runs")
    assert not model.completions


async def test_only_that_service_may_ask(runtime: Runtime):
    assert (await ask(runtime, caller="tools")).status_code == 403
    person = runtime.issuer.person(runtime.owner)
    assert (await runtime.http.post("/internal/completions", json={}, headers=person)).status_code == 404
