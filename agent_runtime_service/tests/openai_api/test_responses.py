"""OpenAI's responses, by their own client."""

import asyncio
import base64
from datetime import timedelta
from typing import Any
from uuid import UUID

import openai
import psycopg
import pytest
from pydantic import BaseModel

from agent_runtime_service.openai_api.repository import ResponseRepository
from agent_runtime_service.passing.repository import PassingRepository
from kgents_shared.db import open_pool
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

UNSTORED = {"model": "helper", "input": "Hello", "store": False}
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(32)).decode()


def said(model: ModelServer) -> list[Any]:
    return [row["content"] for row in model.requests[-1].messages][1:]


async def test_responses_go_on_from_each_other(runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI):
    await runtime.add_agent("helper")
    model.script(Reply("Paris."), Reply("Two million."), Reply("Lyon."))
    first = await client.responses.create(model="helper", input="What is the capital of France?")
    assert (first.output_text, first.status) == ("Paris.", "completed")
    assert first.usage is not None
    assert first.usage.total_tokens > 0
    second = await client.responses.create(
        model="helper", input="How many live there?", previous_response_id=first.id, metadata={"who": "ada"}
    )
    assert (second.output_text, second.metadata) == ("Two million.", {"who": "ada"})
    assert second.conversation == first.conversation
    assert said(model) == ["What is the capital of France?", "Paris.", "How many live there?"]
    # From an earlier one, a conversation branches.
    branch = await client.responses.create(
        model="helper", input="And the second city?", previous_response_id=first.id, instructions="Be brief."
    )
    assert branch.conversation != first.conversation
    assert said(model)[1:] == ["What is the capital of France?", "Paris.", "And the second city?"]
    assert said(model)[0].endswith("Be brief.")

    found = await client.responses.retrieve(second.id)
    assert (found.output_text, found.model) == ("Two million.", "helper")
    with pytest.raises(openai.ConflictError) as others:
        await client.responses.delete(first.id)
    assert others.value.code == "response_continued"
    await client.responses.delete(branch.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.retrieve(branch.id)
    with pytest.raises(openai.NotFoundError):
        await client.responses.create(model="helper", input="Hello", previous_response_id=branch.id)


async def test_a_response_streams_and_goes_on_in_the_background(
    runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI
):
    await runtime.add_agent("helper")
    model.script(Reply("One, two, three."))
    async with client.responses.stream(model="helper", input="Count.") as stream:
        kinds = [event.type async for event in stream]
        whole = await stream.get_final_response()
    assert (kinds[0], kinds[-1]) == ("response.created", "response.completed")
    assert "response.output_text.delta" in kinds
    assert whole.output_text == "One, two, three."

    model.script(Reply("Later."))
    begun = await client.responses.create(model="helper", input="Take your time.", background=True)
    assert begun.status == "queued"

    async def is_done() -> bool:
        return (await client.responses.retrieve(begun.id)).output_text == "Later."

    await eventually(is_done, describe="the response is there")
    assert (await client.responses.cancel(begun.id)).status == "completed"

    under_way = asyncio.Event()

    async def never(_: ModelRequest) -> Reply:
        under_way.set()
        await asyncio.Event().wait()
        return Reply("Never.")

    model.answer_with(never)
    endless = await client.responses.create(model="helper", input="Never end.", background=True)
    await under_way.wait()
    assert (await client.responses.cancel(endless.id)).status == "cancelled"


async def test_a_response_that_is_not_stored_is_gone_when_it_is_answered(
    runtime: Runtime,
    model: ModelServer,
    client: openai.AsyncOpenAI,
    siblings: RuntimeSiblings,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
):
    await runtime.add_agent("helper", tools={"allow": ["time.*"]})
    model.script(Reply("Paris."), Reply("Two million."), Reply("One, two."))
    kept = await client.responses.create(model="helper", input="Which city?")
    told = await client.responses.create(
        model="helper", input="How many live there?", previous_response_id=kept.id, store=False
    )
    assert (told.output_text, told.model_dump()["store"]) == ("Two million.", False)
    # It branched: what goes on from the one before finds its conversation as it was.
    assert told.conversation != kept.conversation
    assert said(model) == ["Which city?", "Paris.", "How many live there?"]
    async with client.responses.stream(model="helper", input="Count.", store=False) as stream:
        streamed = await stream.get_final_response()
    model.answer_with(lambda _: Reply(tool_calls=(ToolCall("time_now"),)))
    siblings.gated.add("time.now")
    with pytest.raises(openai.ConflictError) as waits:
        await client.responses.create(model="helper", input="What time is it?", store=False)
    assert waits.value.code == "approval_required"
    gone = {told.id, streamed.id, waits.value.response.json()["run_id"]}
    model.answer_with(lambda _: Reply("Gone."))
    messages = runtime.front.app.state.messages
    accept = messages.accept

    async def accepted_in_vain(*told: Any) -> None:
        gone.add(str((await accept(*told)).run_id))
        raise psycopg.OperationalError("the answer of the commit was lost")

    with monkeypatch.context() as patched:
        patched.setattr(messages, "accept", accepted_in_vain)
        assert (await runtime.ask("POST", "/v1/responses", json=UNSTORED)).status_code == 503

    async def not_removed(*_: Any) -> None:
        raise psycopg.OperationalError("the database went away")

    with monkeypatch.context() as patched:
        patched.setattr(PassingRepository, "remove", not_removed)
        answered = await runtime.ask("POST", "/v1/responses", json=UNSTORED)
    assert answered.status_code == 200, answered.text  # it is deleted later
    gone.add(answered.json()["id"])

    async def is_empty() -> bool:
        left = await runtime.ask("GET", "/api/v1/runs")
        return [row["run_id"] for row in left.json()["items"]] == [kept.id]

    async with open_pool(database_url, max_size=2) as pool:
        rows = PassingRepository(pool)

        async def is_forgotten() -> bool:
            await rows.remove(timedelta(0))  # as is done every few seconds
            return await is_empty()

        await eventually(is_forgotten, describe="only what is stored is left")
    for run_id in gone:
        assert (await runtime.ask("GET", f"/v1/responses/{run_id}")).status_code == 404
        assert (await runtime.ask("GET", f"/api/v1/runs/{run_id}/trace")).status_code == 404
    for both in ({"background": True}, {"conversation": kept.conversation and kept.conversation.id}):
        body = {**UNSTORED, **both}
        assert (await runtime.ask("POST", "/v1/responses", json=body)).status_code == 422


class City(BaseModel):
    name: str
    people: int


async def test_pictures_and_forms_go_to_the_model(runtime: Runtime, model: ModelServer, client: openai.AsyncOpenAI):
    await runtime.add_agent("helper")
    model.script(Reply('{"name": "Paris", "people": 2}'), Reply('{"name": "Lyon", "people": 1}'), Reply("A dot."))
    parsed = await client.responses.parse(model="helper", input="Which city?", text_format=City)
    assert parsed.output_parsed == City(name="Paris", people=2)
    completion = await client.chat.completions.parse(
        model="helper", messages=[{"role": "user", "content": "Which city?"}], response_format=City
    )
    assert completion.choices[0].message.parsed == City(name="Lyon", people=1)
    picture: Any = [
        {
            "role": "user",
            "content": [{"type": "input_text", "text": "What is it?"}, {"type": "input_image", "image_url": PIXEL}],
        }
    ]
    assert (await client.responses.create(model="helper", input=picture)).output_text == "A dot."
    assert [part["type"] for part in said(model)[-1]] == ["text", "image_url"]
    picture[0]["content"][1]["image_url"] = "http://127.0.0.1/picture.png"
    with pytest.raises(openai.UnprocessableEntityError) as linked:
        await client.responses.create(model="helper", input=picture)
    assert linked.value.code == "invalid_input"


async def test_a_response_that_goes_on_is_made_once_however_often_it_is_asked_for(runtime: Runtime, model: ModelServer):
    await runtime.add_agent("helper")
    model.script(Reply("Paris."), Reply("Two million."))
    first = (await runtime.ask("POST", "/v1/responses", json={"model": "helper", "input": "Which city?"})).json()
    body = {"model": "helper", "input": "How many live there?", "previous_response_id": first["id"]}
    answers = [
        await runtime.ask("POST", "/v1/responses", json=body, headers={"Idempotency-Key": "once"}) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == 1
    other = body | {"input": "And where is it?"}
    refused = await runtime.ask("POST", "/v1/responses", json=other, headers={"Idempotency-Key": "once"})
    assert refused.status_code == 422
    assert len(model.completions) == 2


async def test_a_response_branches_from_no_more_than_a_model_may_be_sent(
    runtime: Runtime, model: ModelServer, database_url: str
):
    await runtime.add_agent("helper")
    said = await runtime.say("Hello")
    async with open_pool(database_url, max_size=2) as pool:
        responses = ResponseRepository(pool)
        place = await responses.place_of([runtime.owner], UUID(said["run_id"]))
        assert place is not None
        assert place.is_last
        told = await responses.told_until(place)
        assert [message.role for message in told or ()] == ["user", "assistant"]
        assert await responses.told_until(place, most_bytes=10) is None
        assert await responses.place_of(["somebody-else"], UUID(said["run_id"])) is None
