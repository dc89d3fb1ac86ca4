"""Instances come and go."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import Gate, RuntimeSiblings


async def rows(runtime: Runtime) -> dict[str, Any]:
    headers = runtime.issuer.service("deployment", "runtime")
    answer = await runtime.http.get("/internal/instances", headers=headers)
    return {row["instance_id"]: row for row in answer.json()["items"]}


async def test_instances_are_registered_listed_and_forgotten(runtime: Runtime):
    worker = await runtime.add_agent()
    listed = (await rows(runtime))[str(worker.instance_id)]
    assert listed == {"instance_id": str(worker.instance_id), **worker.registration().model_dump(mode="json")}
    headers = runtime.issuer.service("deployment", "runtime")
    for _ in range(2):
        answer = await runtime.http.delete(f"/internal/instances/{worker.instance_id}", headers=headers)
        assert answer.status_code == 204
    assert str(worker.instance_id) not in await rows(runtime)
    assert (await runtime.send("Hello")).status_code == 404


async def test_a_run_whose_instance_is_removed_before_it_is_asked_waits_for_another(
    runtime: Runtime, siblings: RuntimeSiblings
):
    worker = await runtime.add_agent(tools={"allow": ["time.*"]})
    await runtime.say("Hello")
    await runtime.register(worker, generation=2)
    gate = siblings.slow_to_resolve = Gate()
    sending = asyncio.create_task(runtime.say("Once more"))
    await gate.wait_reached()
    headers = runtime.issuer.service("deployment", "runtime")
    assert (await runtime.http.delete(f"/internal/instances/{worker.instance_id}", headers=headers)).is_success
    gate.open()
    await runtime.register(worker)
    assert (await sending)["text"].startswith("You said: Once more")


async def test_when_an_agent_was_last_talked_to_is_told_and_kept(runtime: Runtime):
    worker, idle = await runtime.add_agent(), await runtime.add_agent("idle")
    began = datetime.now(UTC)
    await runtime.say("Hello")
    headers = runtime.issuer.service("deployment", "runtime")
    asked = {"agent_ids": [str(worker.agent_id), str(idle.agent_id), str(uuid4())]}
    answer = await runtime.http.post("/internal/agents/activity", json=asked, headers=headers)
    told = answer.json()["last_run_at"]
    assert set(told) == {str(worker.agent_id)}
    assert began <= datetime.fromisoformat(told[str(worker.agent_id)]) <= datetime.now(UTC)

    await runtime.front.app.state.agent_activity.write_down()
    again = await runtime.http.post("/internal/agents/activity", json=asked, headers=headers)
    assert again.json()["last_run_at"] == told, "as the table has it"


async def test_only_the_deployment_service_registers(runtime: Runtime):
    path = f"/internal/instances/{uuid4()}"
    assert (await runtime.http.delete(path)).status_code == 401
    assert (await runtime.ask("DELETE", path)).status_code == 404
    headers = runtime.issuer.service("tools", "runtime")
    assert (await runtime.http.delete(path, headers=headers)).status_code == 403


async def test_another_front_learns_of_an_instance_from_the_table(start_runtime: Any):
    async with start_runtime() as first:
        worker = await first.add_agent()
        async with start_runtime() as second:
            second.owner = first.owner

            async def known() -> bool:
                return (await second.send("Hello")).status_code != 404

            await eventually(known, describe="the second front knows the instance")
        assert worker.is_alive()


async def test_a_worker_started_anew_with_another_token_is_used_once_registered(runtime: Runtime):
    worker = await runtime.add_agent()
    await runtime.say("Hello")
    worker.kill()
    await eventually(lambda: not worker.is_alive())
    worker.token = "b" * 64
    await worker.start(runtime.nursery)
    await runtime.register(worker)
    assert (await runtime.say("Hello"))["status"] == "completed"


async def test_an_agents_tools_are_asked_for_once_and_kept(runtime: Runtime, siblings: Any):
    await runtime.add_agent(tools={"allow": ["time.*"]})
    for _ in range(5):
        await runtime.say("Hello")
    assert siblings.resolutions == 1
