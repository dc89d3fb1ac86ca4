"""Which version answers: the stable one, the canary for its share, and one that is asked for by number."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import UUID

from kgents_shared.contracts.published_agent import CanaryVersion, DesiredState, PublishedAgent
from kgents_shared.testing.model_server import ModelServer, Reply
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime, Worker
from tests.external.runtime_siblings import RuntimeSiblings

StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]


async def add_version(runtime: Runtime, like: Worker, version: int, lane: str, share: int = 0, **spec: Any) -> Worker:
    """A worker of the same agent's in another lane."""
    worker = await runtime.add_agent(register=False, description=f"version {version}", **spec)
    worker.agent_id, worker.version, worker.generation = like.agent_id, version, like.generation + version
    await runtime.register(worker, lane=lane, share=share)
    return worker


def published(siblings: RuntimeSiblings, runtime: Runtime, worker: Worker, **changes: Any) -> None:
    """What management says of the agent."""
    values: dict[str, Any] = {
        "agent_id": worker.agent_id,
        "owner_id": runtime.owner,
        "name": "helper",
        "version": worker.version,
        "generation": 1,
        "desired": DesiredState.RUNNING,
        "spec": worker.spec,
    }
    siblings.agents[runtime.owner, "helper"] = PublishedAgent(**(values | changes))


async def version_of(runtime: Runtime, answer: dict[str, Any]) -> int:
    return (await runtime.run(answer["run_id"]))["version"]


async def refused(runtime: Runtime, agent: str, conversation_id: str | None = None) -> tuple[int, str]:
    answer = await runtime.send("Hello", conversation_id, agent=agent)
    return answer.status_code, answer.json()["code"]


async def test_the_canary_answers_who_asks_for_it_and_nobody_else_without_a_share(runtime: Runtime):
    first = await runtime.add_agent()
    await add_version(runtime, first, 2, "canary")
    for agent, version in (("helper", 1), ("helper@stable", 1), ("helper@canary", 2), ("helper@2", 2), ("helper@1", 1)):
        assert await version_of(runtime, await runtime.say("Hello", agent=agent)) == version, agent
    assert await version_of(runtime, await runtime.say("Hello", agent=f"{first.agent_id}@canary")) == 2


async def test_new_conversations_begin_with_the_canary_by_its_share_and_stay_there(runtime: Runtime):
    first = await runtime.add_agent()
    canary = await add_version(runtime, first, 2, "canary", share=30)
    begun = [await runtime.say("Hello") for _ in range(40)]
    by_share = [2 if UUID(answer["conversation_id"]).int % 100 < 30 else 1 for answer in begun]
    assert [await version_of(runtime, answer) for answer in begun] == by_share
    assert set(by_share) == {1, 2}
    lanes = {row["id"]: row["lane"] for row in await conversations(runtime)}
    assert [lanes[answer["conversation_id"]] for answer in begun] == [
        "canary" if version == 2 else "stable" for version in by_share
    ]
    for share in (0, 100):
        await runtime.register(canary, lane="canary", share=share)
        for version in (1, 2):
            conversation = begun[by_share.index(version)]["conversation_id"]
            assert await version_of(runtime, await runtime.say("And?", conversation)) == version


async def conversations(runtime: Runtime) -> list[dict[str, Any]]:
    return (await runtime.ask("GET", "/api/v1/conversations", params={"limit": "100"})).json()["items"]


async def test_a_conversation_is_not_taken_to_another_version(runtime: Runtime):
    first = await runtime.add_agent()
    await add_version(runtime, first, 2, "canary")
    begun = (await runtime.say("Hello", agent="helper@canary"))["conversation_id"]
    for agent in ("helper@1", "helper@stable", "helper@2"):
        assert await refused(runtime, agent, begun) == (409, "conversation_elsewhere")
    for agent in ("helper", "helper@canary"):
        assert await version_of(runtime, await runtime.say("And?", begun, agent=agent)) == 2


async def test_a_conversation_of_a_canary_that_is_no_more_goes_on_with_the_stable_version(
    runtime: Runtime, siblings: RuntimeSiblings
):
    first = await runtime.add_agent()
    canary = await add_version(runtime, first, 2, "canary")
    begun = (await runtime.say("Hello", agent="helper@canary"))["conversation_id"]
    await runtime.register(canary, lane="canary", state="draining")
    published(siblings, runtime, first)
    assert await version_of(runtime, await runtime.say("And?", begun)) == 1
    assert await refused(runtime, "helper@canary", begun) == (404, "label_not_found")


async def test_a_canary_that_is_being_started_is_waited_for(runtime: Runtime, siblings: RuntimeSiblings):
    first = await runtime.add_agent()
    published(siblings, runtime, first, canary=CanaryVersion(version=2, share=0, spec=first.spec))
    answer = await runtime.send("Hello", agent="helper@canary")
    assert (answer.status_code, answer.json()["code"]) == (503, "agent_starting")
    assert int(answer.headers["retry-after"]) >= 1


async def test_a_version_that_is_asked_for_is_started_and_its_conversation_stays_with_it(
    runtime: Runtime, siblings: RuntimeSiblings
):
    worker = await runtime.add_agent()
    worker.version = 3
    await runtime.register(worker)
    published(siblings, runtime, worker)

    async def run(number: int) -> None:
        await add_version(runtime, worker, number, str(number))

    siblings.run_version = run
    begun = await runtime.say("Hello", agent="helper@2")
    assert await version_of(runtime, begun) == 2
    assert await version_of(runtime, await runtime.say("And?", begun["conversation_id"])) == 2
    assert await version_of(runtime, await runtime.say("Hello")) == 3
    assert siblings.versions_wanted == [(str(worker.agent_id), 2)]


async def test_a_version_that_ended_while_a_run_of_it_waited_for_an_approval_is_started_again(
    start_runtime: StartRuntime, siblings: RuntimeSiblings
):
    siblings.gated.add("time.now")
    async with start_runtime(version_renew_s=0.01) as runtime:
        tools: Any = {"tools": {"allow": ["time.*"]}}
        worker = await runtime.add_agent()
        beside = await add_version(runtime, worker, 2, "2", **tools)
        told = await runtime.send("call time.now", agent="helper@2")
        assert told.status_code == 202, told.text
        headers = runtime.issuer.service("deployment", "runtime")
        await runtime.http.delete(f"/internal/instances/{beside.instance_id}", headers=headers)

        async def run(number: int) -> None:
            await add_version(runtime, worker, number, str(number), **tools)

        siblings.run_version = run
        [approval] = siblings.pending
        approval.status = "approved"

        async def completed() -> bool:
            return (await runtime.run(told.json()["run_id"]))["status"] == "completed"

        await eventually(completed, describe="the run goes on in its version")
        assert (await runtime.run(told.json()["run_id"]))["version"] == 2


async def test_a_version_is_asked_for_again_while_it_is_talked_to(
    start_runtime: StartRuntime, siblings: RuntimeSiblings, model: ModelServer
):
    async with start_runtime(version_renew_s=0.1) as runtime:
        worker = await runtime.add_agent()
        await add_version(runtime, worker, 2, "2")
        model.answer_with(lambda _: Reply(text="slow", before_s=1.0))
        asked = asyncio.create_task(runtime.say("Hello", agent="helper@2"))
        await eventually(lambda: len(siblings.versions_wanted) >= 4)
        assert not asked.done()
        begun = await asked
        model.answer_with(lambda _: Reply(text="quick"))

        async def is_away(_: int) -> tuple[int, str]:
            return 503, "unavailable"

        siblings.run_version = is_away
        before = len(siblings.versions_wanted)

        async def is_asked_again() -> bool:
            assert (await runtime.say("And?", begun["conversation_id"]))["text"] == "quick"
            return len(siblings.versions_wanted) > before

        await eventually(is_asked_again)
        assert set(siblings.versions_wanted) == {(str(worker.agent_id), 2)}


async def test_why_a_version_does_not_answer_is_told(runtime: Runtime, siblings: RuntimeSiblings):
    worker = await runtime.add_agent()
    published(siblings, runtime, worker)
    refusals: dict[tuple[int, str] | None, tuple[int, str]] = {
        (404, "version_not_found"): (404, "version_not_found"),
        (429, "too_many_versions"): (429, "too_many_versions"),
        (409, "agent_not_published"): (409, "agent_stopped"),
        None: (503, "agent_starting"),
    }
    for refusal, told in refusals.items():

        async def refuse(_: int, refusal: tuple[int, str] | None = refusal) -> tuple[int, str] | None:
            return refusal

        siblings.run_version = refuse
        assert await refused(runtime, "helper@9") == told


async def test_what_is_no_lane_is_not_found(runtime: Runtime):
    await runtime.add_agent()
    for lane in ("", "0", "01", "-1", "beta", "Canary", "2147483648", "1@2", "3%20", "%C2%B3"):
        assert await refused(runtime, f"helper@{lane}") == (404, "label_not_found"), lane


async def test_the_lane_belongs_to_what_an_idempotency_key_stands_for(runtime: Runtime):
    first = await runtime.add_agent()
    await add_version(runtime, first, 2, "canary")
    headers = {"Idempotency-Key": "once"}
    answer = await runtime.say("Hello", agent="helper@canary", headers=headers)
    assert (await runtime.say("Hello", agent="helper@canary", headers=headers))["run_id"] == answer["run_id"]
    other = await runtime.send("Hello", agent="helper", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_run_that_loses_its_canary_goes_on_with_the_next_one(runtime: Runtime, model: ModelServer):
    first = await runtime.add_agent()
    canary = await add_version(runtime, first, 2, "canary")
    model.answer_with(lambda _: Reply(text="slow", before_s=0.5))
    asked = asyncio.create_task(runtime.say("Hello", agent="helper@canary"))
    await eventually(lambda: len(model.completions) == 1)
    await add_version(runtime, first, 4, "canary")
    canary.kill()
    answer = await asked
    assert (answer["text"], await version_of(runtime, answer)) == ("slow", 4)
