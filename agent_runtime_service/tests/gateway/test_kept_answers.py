"""Answers that are given again: to the very same request of the same owner alone, and only where that is asked for."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from agent_runtime_service.gateway.choice import PlannedModel
from agent_runtime_service.gateway.kept_answers import key_of
from kgents_shared.contracts.agent_spec import RemoteSpec
from kgents_shared.contracts.worker import ModelChoice
from kgents_shared.testing.model_server import CutStream, ModelServer
from tests.external.running_runtime import Runtime


@pytest.fixture
async def keeping(runtime: Runtime) -> Runtime:
    """A front with an agent whose model's answers are kept for an hour."""
    await runtime.add_agent(llm={"cache_s": 3600})
    return runtime


async def test_the_same_request_is_answered_from_what_is_kept_and_costs_nothing(keeping: Runtime, model: ModelServer):
    model.answer_with(lambda _: "It is blue.")
    first = await keeping.say("What colour is the sky?")
    second = await keeping.say("What colour is the sky?")
    assert (second["text"], len(model.completions)) == (first["text"], 1)
    assert (first["usage"]["cached"], second["usage"]["cached"]) == (False, True)
    assert (second["usage"]["cost"], second["usage"]["total_tokens"]) == ({"amount": "0", "currency": "USD"}, 0)
    await keeping.say("What colour is the sea?")
    await keeping.say("What colour is the sky?", first["conversation_id"])  # more was said before it: another request
    assert len(model.completions) == 3


async def test_nobody_elses_run_is_answered_with_it(keeping: Runtime, model: ModelServer):
    model.answer_with(lambda _: "A secret of the first.")
    await keeping.say("What do you know?")
    keeping.workers[0].owner_id, keeping.owner = keeping.owner, "owner-somebody-else"
    await keeping.add_agent(llm={"cache_s": 3600})
    answer = await keeping.say("What do you know?")
    assert (answer["usage"]["cached"], len(model.completions)) == (False, 2)


async def test_what_broke_off_and_what_is_too_old_are_not_given_again(
    keeping: Runtime, model: ModelServer, database_url: str
):
    model.script(*[CutStream()] * 6)
    assert (await keeping.send("Say something.")).status_code == 502
    model.reset()
    good = await keeping.say("Say something.")
    assert good["usage"]["cached"] is False
    asked = len(model.completions)
    assert (await keeping.say("Say something."))["usage"]["cached"] is True
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as connection:
        past = datetime.now(UTC) - timedelta(seconds=1)
        await connection.execute(
            "UPDATE runtime.kept_answers SET expires_at = %s WHERE owner_id = %s", (past, keeping.owner)
        )
    assert (await keeping.say("Say something."))["usage"]["cached"] is False
    assert len(model.completions) == asked + 1


async def test_without_being_asked_for_nothing_is_kept(runtime: Runtime, model: ModelServer):
    await runtime.add_agent()
    for _ in range(2):
        assert (await runtime.say("Hello"))["usage"]["cached"] is False
    assert len(model.completions) == 2


def test_an_answer_of_an_agent_elsewhere_is_kept_by_its_address() -> None:
    def key(url: str) -> bytes:
        remote = RemoteSpec(protocol="openai", url=url)
        model = PlannedModel(ModelChoice(provider="remote", model="helper"), None, remote)
        return key_of("owner", UUID(int=1), 60, model, "v1/chat/completions", b"{}").request_hash

    assert key("https://a.example/v1") == key("https://a.example/v1") != key("https://b.example/v1")
