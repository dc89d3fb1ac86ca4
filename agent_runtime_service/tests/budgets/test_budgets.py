"""Budgets over the API: who may bound whom, what is refused and how it is told; definitions' own bounds."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from agent_runtime_service.budgets.book import Payer
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.published_agent import DesiredState, PublishedAgent
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, ToolCall
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]
PRICE = "/api/v1/models/prices/openai/fake-model"
PERSONS = frozenset({"budgets:read", "budgets:write", "agents:invoke", "usage:read", "models:read", "runs:read"})


def answering(prompt: int, completion: int) -> Callable[[ModelRequest], Reply]:
    return lambda _: Reply("Hello.", prompt_tokens=prompt, completion_tokens=completion)


async def put(runtime: Runtime, status: int = 200, *, owner: str | None = None, **budget: Any) -> dict[str, Any]:
    answer = await runtime.ask("PUT", "/api/v1/budgets", owner=owner, json={"window": "day", **budget})
    assert answer.status_code == status, answer.text
    return answer.json()


async def told(runtime: Runtime, budget_id: str) -> dict[str, Any]:
    answer = await runtime.ask("GET", f"/api/v1/budgets/{budget_id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


@asynccontextmanager
async def price(runtime: Runtime, **amounts: str) -> AsyncGenerator[None]:
    """What the model costs, for a while: the table is that of all tests."""
    answer = await runtime.ask("PUT", PRICE, json=amounts)
    assert answer.status_code == 200, answer.text
    try:
        yield
    finally:
        await runtime.ask("DELETE", PRICE)


async def spent_of(runtime: Runtime, database_url: str) -> int:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT coalesce(sum(prompt_tokens + completion_tokens), 0) FROM runtime.model_calls WHERE owner_id = %s",
            (runtime.owner,),
        )
        row = await cursor.fetchone()
    assert row is not None
    return int(row[0])


async def test_a_hundred_messages_on_two_fronts_take_no_more_than_the_budget(
    start_runtime: StartRuntime, model: ModelServer, database_url: str
):
    model.answer_with(answering(40, 60))
    # On a busy machine a short lease runs out, and the other front takes the run over.
    async with start_runtime(lease_s=20.0) as one, start_runtime(lease_s=20.0) as other:
        other.owner = one.owner
        for front in (one, other):
            await front.add_agent(llm={"max_tokens": 300})
        kept = await put(one, scope="user", max_tokens=3000)
        await eventually(lambda: _knows_the_budget(other), describe="the other front knows the budget")
        answers = await asyncio.gather(*((one, other)[number % 2].send("Hi") for number in range(100)))
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) <= {200, 429}, [answer.text for answer in answers if answer.status_code not in {200, 429}]
        assert statuses.count(200) >= 10
        assert {answer.json()["code"] for answer in answers if answer.status_code == 429} == {"budget_exhausted"}

        async def settled() -> bool:
            budget = await told(one, kept["id"])
            return budget["reserved"]["tokens"] == 0 and budget["spent"]["tokens"] == 100 * len(model.completions)

        await eventually(settled, describe="all is settled, and nothing is held any more")
    assert await spent_of(one, database_url) == 100 * len(model.completions) <= 3000


async def _knows_the_budget(front: Runtime) -> bool:
    return bool(front.front.app.state.money.model_budgets.bounds(Payer(front.owner)))


async def test_money_is_counted_by_the_models_price_and_told_with_each_answer(runtime: Runtime, model: ModelServer):
    async with price(runtime, input="20", output="80", cached_input="5"):
        await runtime.add_agent(limits={"max_cost_per_day": "0.05"}, llm={"max_tokens": 100})
        model.answer_with(answering(100, 100))
        answer = await runtime.say("Hello")
        assert answer["usage"]["cost"] == {"amount": "0.01", "currency": "USD"}
        assert (await runtime.run(answer["run_id"]))["usage"]["cost"] == answer["usage"]["cost"]
        assert [(await runtime.send("Hello")).status_code for _ in range(5)] == [200, 200, 200, 200, 429]
        refused = await runtime.send("Hello")
    problem = refused.json()
    assert (problem["code"], problem["run_status"]) == ("budget_exhausted", "failed")
    assert "the daily budget of helper's definition: 0 USD of 0.05 USD" in problem["detail"]
    assert int(refused.headers["retry-after"]) <= 86_400
    assert len(model.completions) == 5


async def test_a_call_of_a_tool_counts_in_budgets_what_its_owner_says_that_it_costs(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    dear = {"amount": "0.03", "currency": "USD"}
    siblings.prices = {"time.now": dear}
    async with price(runtime, input="0", output="0"):
        for name in ("helper", "abroad"):
            await runtime.add_agent(name, limits={"max_cost_per_day": "0.05"}, tools={"allow": ["time.*"]})
            model.script(Reply(tool_calls=(ToolCall("time_now"),)), "Done.", Reply(tool_calls=(ToolCall("time_now"),)))
            first = await runtime.say("Hi", agent=name)
            second = await runtime.say("Again", agent=name)
            if name == "helper":
                assert (first["usage"]["cost"], first["usage"]["tool_cost"]) == (dear, dear)
                said = (
                    "time.now was not called. This needs more than is left of the daily budget of helper's definition"
                )
                assert f"{said}: 0.02 USD of 0.05 USD" in second["text"]
                siblings.prices = {"time.now": {"amount": "0.03", "currency": "EUR"}}
            else:
                assert "time.now was not called. A call of time.now costs 0.03 EUR" in second["text"]
            assert len(siblings.invocations) == 1

        async def is_summed() -> bool:
            answer = await runtime.ask("GET", "/api/v1/usage?by=agent&agent=helper")
            sums = [
                [row[what] for what in ("calls", "tool_calls", "cost", "tool_cost")] for row in answer.json()["items"]
            ]
            return sums == [[4, 1, "0.03", "0.03"]]

        await eventually(is_summed, describe="the calls are written down")


async def test_where_nobody_knows_a_price_money_is_not_told_and_a_budget_in_money_refuses(
    start_runtime: StartRuntime, model: ModelServer
):
    async with start_runtime(default_model="nobodys-model") as runtime:
        await runtime.add_agent("free")
        assert (await runtime.say("Hello", agent="free"))["usage"]["cost"] is None
        await runtime.add_agent(limits={"max_cost_per_day": 1})
        refused = await runtime.send("Hello")
        assert (refused.status_code, refused.json()["code"]) == (409, "price_unknown")
    async with start_runtime(default_model="nobodys-model", unknown_model_price="1000") as runtime:
        await runtime.add_agent(limits={"max_cost_per_day": "0.5"}, llm={"max_tokens": 50})
        model.answer_with(answering(100, 50))
        assert (await runtime.say("Hello"))["usage"]["cost"] is None
        statuses = [(await runtime.send("Hello")).status_code for _ in range(4)]
        assert statuses[-1] == 429


async def test_near_the_end_of_a_budget_an_answer_may_have_fewer_tokens(runtime: Runtime, model: ModelServer):
    await runtime.add_agent(limits={"max_tokens_per_day": 3000})
    model.answer_with(answering(100, 100))
    await runtime.say("Hello")
    most = model.completions[0].body["max_tokens"]
    assert isinstance(most, int)
    assert 256 <= most < 3000


async def test_an_agent_takes_as_many_messages_in_a_minute_as_its_definition_says(runtime: Runtime):
    await runtime.add_agent(limits={"requests_per_minute": 5}, llm={"provider": "echo"})
    answers = [await runtime.send("Hello") for _ in range(12)]
    accepted = [answer.status_code for answer in answers].count(200)
    assert 5 <= accepted <= 10  # the minute may have changed in between
    [refused, *_] = [answer for answer in answers if answer.status_code != 200]
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_messages")
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert "run_id" not in refused.json()


async def test_who_may_bound_whom(runtime: Runtime, siblings: RuntimeSiblings):
    worker = await runtime.add_agent()
    siblings.agents[runtime.owner, "helper"] = PublishedAgent(
        agent_id=worker.agent_id, owner_id=runtime.owner, name="helper", version=1, generation=1,
        desired=DesiredState.RUNNING, spec=AgentSpec.model_validate({"name": "helper", "system_prompt": "Help."}),
    )  # fmt: skip
    other, organisation = f"person-{uuid4().hex}", f"org-{uuid4().hex}"

    async def ask(owner: str, method: str, path: str = "/api/v1/budgets", **body: Any) -> tuple[int, Any]:
        headers = runtime.issuer.person(owner, PERSONS, organisations={"acme": organisation})
        answer = await runtime.http.request(method, path, headers=headers, json=body or None)
        return answer.status_code, answer.json() if answer.content else None

    status, mine = await ask(runtime.owner, "PUT", scope="agent", subject="helper", window="day", max_tokens=10**6)
    assert (status, mine["subject"], mine["subject_name"]) == (200, str(worker.agent_id), "helper")
    status, again = await ask(runtime.owner, "PUT", scope="agent", subject="helper", window="day", max_cost="5")
    assert (status, again["id"], again["max_cost"], again["max_tokens"]) == (200, mine["id"], "5", None)
    assert (await ask(other, "PUT", scope="agent", subject="helper", window="day", max_tokens=1))[0] == 404
    assert (await ask(other, "GET", f"/api/v1/budgets/{mine['id']}"))[0] == 404
    assert (await ask(other, "DELETE", f"/api/v1/budgets/{mine['id']}"))[0] == 404
    for budget in ({"scope": "platform"}, {"scope": "user", "subject": runtime.owner}):
        assert (await ask(other, "PUT", **budget, window="day", max_tokens=1))[0] == 403
    assert (await ask(other, "PUT", scope="organisation", subject="elsewhere", window="day", max_tokens=1))[0] == 404
    status, theirs = await ask(other, "PUT", scope="organisation", subject="acme", window="month", max_cost=100)
    assert (status, theirs["subject"], theirs["left"]) == (200, organisation, {"cost": "100", "tokens": None})
    # An administrator's bound of a person: the person sees it and can't take it away.
    given = await put(runtime, scope="user", subject=other, max_tokens=10)
    status, listed = await ask(other, "GET")
    assert {row["id"] for row in listed["items"]} == {given["id"], theirs["id"]}
    assert (await ask(other, "DELETE", f"/api/v1/budgets/{given['id']}"))[0] == 404
    assert (await runtime.ask("DELETE", f"/api/v1/budgets/{given['id']}")).status_code == 204
    assert (await ask(runtime.owner, "DELETE", f"/api/v1/budgets/{mine['id']}"))[0] == 204
    assert (await ask(other, "PUT", scope="user", window="day"))[0] == 422


async def test_what_was_spent_before_a_budget_was_made_counts_and_all_of_it_is_summed(
    runtime: Runtime, model: ModelServer, database_url: str
):
    worker = await runtime.add_agent(llm={"max_tokens": 50})
    model.answer_with(answering(900, 50))
    async with price(runtime, input="1", output="1"):
        await runtime.say("Hello")
    await eventually(lambda: _is_booked(runtime, database_url), describe="the call is written down")
    kept = await put(runtime, scope="user", max_tokens=1000)
    assert (kept["spent"]["tokens"], kept["left"]["tokens"]) == (950, 50)
    refused = await runtime.send("Hello")
    assert (refused.status_code, refused.json()["code"]) == (429, "budget_exhausted")
    assert f"your daily budget ({kept['id']}): 50 tokens of 1000 tokens" in refused.json()["detail"]
    for by, key in (("agent", str(worker.agent_id)), ("user", runtime.owner), ("model", "openai/fake-model")):
        [row] = (await runtime.ask("GET", "/api/v1/usage", params={"by": by})).json()["items"]
        assert (row["key"], row["prompt_tokens"], row["completion_tokens"]) == (key, 900, 50)
        assert (row["cost"], row["unpriced_calls"]) == ("0.00095", 0)
    nobodys = await runtime.ask("GET", "/api/v1/usage", owner=f"nobody-{uuid4().hex}", params={"by": "day"})
    assert nobodys.json()["items"] == []


async def _is_booked(runtime: Runtime, database_url: str) -> bool:
    return await spent_of(runtime, database_url) > 0


@pytest.mark.parametrize("scope", ["agent", "user"])
async def test_a_subject_that_is_none_is_refused(runtime: Runtime, scope: str):
    answer = await runtime.ask(
        "PUT", "/api/v1/budgets", json={"scope": scope, "subject": "no\nname", "window": "day", "max_tokens": 1}
    )
    assert answer.status_code == 422
