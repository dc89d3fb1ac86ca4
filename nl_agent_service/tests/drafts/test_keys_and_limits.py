"""One drafting per Idempotency-Key, a bounded number at once, an end to what was left behind."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest

from kgents_shared.contracts.agent_spec import LlmSpec
from kgents_shared.contracts.completions import Completion, CompletionMessage, CompletionRequest
from kgents_shared.db import Database
from kgents_shared.http.client import CallFailed, ServiceClient
from kgents_shared.testing.model_server import ModelRequest, NeverAnswers, StatusFault
from kgents_shared.testing.polling import eventually
from nl_agent_service.clients import HttpModel
from nl_agent_service.drafts.bounds import Places
from nl_agent_service.drafts.repository import DraftRepository
from nl_agent_service.drafts.service import DraftService, Patience
from nl_agent_service.errors import TooManyDrafts
from tests.external.running_nl import Nl, draft


@dataclass
class Raises:
    """A model, or the way to one, that only raises."""

    error: Exception

    async def complete(self, request: CompletionRequest) -> Completion:
        raise self.error

    async def request_json(self, *_: Any, **__: Any) -> Any:
        raise self.error


async def test_the_same_request_under_the_same_key_is_drafted_once(nl: Nl):
    key = {"Idempotency-Key": uuid4().hex}
    nl.model.answer_with(lambda _: draft())
    first = await nl.ask(headers=key)
    again = await nl.ask(headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(nl.model.completions) == 1
    other = await nl.ask("Another one", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    bad = await nl.ask(headers={"Idempotency-Key": "k" * 256})
    assert (bad.status_code, bad.json()["errors"][0]["code"]) == (422, "bad_key")


async def test_a_drafting_that_failed_may_be_tried_again_under_its_key(nl: Nl):
    key = {"Idempotency-Key": uuid4().hex}
    nl.model.script(StatusFault(401), draft())
    assert (await nl.ask(headers=key)).status_code == 502
    assert (await nl.ask(headers=key)).status_code == 201


async def test_a_drafting_that_fails_inside_is_told_as_failed_and_frees_its_key(nl: Nl):
    whole: DraftService = nl.app.state.drafts
    nl.app.state.drafts = replace(whole, model=Raises(RuntimeError("a bug")))
    key = {"Idempotency-Key": uuid4().hex}
    try:
        assert (await nl.ask(headers=key)).status_code == 500
    finally:
        nl.app.state.drafts = whole
    async with await psycopg.AsyncConnection.connect(nl.database_url) as connection:
        kept = await connection.execute("SELECT state, fault->>'code' FROM nl.drafts WHERE owner_id = %s", (nl.owner,))
        assert await kept.fetchall() == [("failed", "internal_error")]
    nl.model.script(draft())
    assert (await nl.ask(headers=key)).status_code == 201


@pytest.mark.parametrize("status", [401, 403])
async def test_that_the_services_own_token_is_refused_is_not_told_as_the_callers(status: int):
    refused = CallFailed("Who are you?", far_status=status, far_code="unauthenticated")
    client = cast("ServiceClient", Raises(refused))
    message = CompletionMessage(role="user", content="?")
    request = CompletionRequest(owner_id="a", purpose="a test", llm=LlmSpec(), messages=[message])
    with pytest.raises(CallFailed, match="Who are you") as raised:
        await HttpModel(client).complete(request)
    assert (raised.value.status, raised.value.code) == (502, "sibling_refused")


async def test_while_one_is_under_way_its_key_waits_and_only_so_many_run_beside_it(nl: Nl):
    go = asyncio.Event()

    async def when_told(_: ModelRequest) -> str:
        await go.wait()
        return draft()

    nl.model.answer_with(when_told)
    key = {"Idempotency-Key": uuid4().hex}
    running = [asyncio.create_task(nl.ask(headers=key if number == 0 else None)) for number in range(2)]
    await eventually(lambda: nl.model.in_flight == 2, describe="both ask the model")
    same = await nl.ask(headers=key)
    assert (same.status_code, same.json()["code"]) == (409, "draft_under_way")
    assert (await nl.stored(same.json()["draft_id"])).json()["state"] == "running"
    third = asyncio.create_task(nl.ask())
    await eventually(lambda: nl.model.in_flight == 3, describe="the third asks too")
    await nl.fails(429, "too_many_drafts")
    go.set()
    answers = await asyncio.gather(*running, third)
    assert [answer.status_code for answer in answers] == [201, 201, 201]


async def test_a_drafting_that_takes_too_long_is_ended(nl: Nl):
    patient: DraftService = nl.app.state.drafts
    nl.app.state.drafts = replace(patient, patience=Patience(whole_s=0.2, answer_s=2, tokens=100))
    nl.model.script(NeverAnswers())
    try:
        problem = await nl.fails(504, "draft_timeout")
    finally:
        nl.app.state.drafts = patient
    assert (await nl.stored(problem["draft_id"])).json()["state"] == "failed"


def test_the_platform_drafts_so_many_at_once_whoever_asks():
    places = Places(most=2, most_of_owner=2)
    give_back = places.take("a")
    places.take("b")
    with pytest.raises(TooManyDrafts, match="as many agents as it may"):
        places.take("c")
    give_back()
    places.take("c")


async def test_what_was_left_behind_is_ended_and_what_is_old_is_dropped(nl: Nl):
    nl.model.answer_with(lambda _: draft())
    left, old = (await nl.drafted())["id"], (await nl.drafted())["id"]
    async with await psycopg.AsyncConnection.connect(nl.database_url) as connection:
        ago = datetime.now(UTC) - timedelta(days=40)
        await connection.execute(
            "UPDATE nl.drafts SET state = 'running', ended_at = NULL, created_at = %s WHERE id = %s", (ago, left)
        )
        await connection.execute("UPDATE nl.drafts SET ended_at = %s WHERE id = %s", (ago, old))
    database = Database(nl.database_url)
    drafts = DraftRepository(database, timedelta(minutes=5))
    await drafts.end_interrupted()
    await drafts.forget_old(timedelta(days=30))
    await database.close()
    kept = (await nl.stored(left)).json()
    assert (kept["state"], kept["fault"]["code"]) == ("failed", "draft_interrupted")
    assert (await nl.stored(old)).status_code == 404
