"""A worker that does everything at once: what it may do one after the other it may not do more of in parallel."""

import asyncio
from typing import Any

import httpx

from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.contracts.worker import ToolCallResult
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply
from kgents_shared.testing.plain_http import PLAIN
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import Gate, RuntimeSiblings


async def test_steps_and_tool_calls_sent_at_once_are_carried_out_once(
    runtime: Runtime, model: ModelServer, siblings: RuntimeSiblings
):
    worker = await runtime.add_agent(tools={"allow": ["time.*"]}, limits={"max_steps": 2})
    model_gate, tool_gate = Gate(), Gate()

    async def held(_: ModelRequest) -> Reply:
        await model_gate.hold()
        return Reply(text="end")

    async def slow(request: InvokeToolRequest) -> ToolCallResult:
        await tool_gate.hold()
        return ToolCallResult(content=request.tool_call_id)

    model.script(held)
    siblings.invoke = slow
    sending = asyncio.create_task(runtime.send("Hello"))
    await model_gate.wait_reached()
    conversation = (await runtime.ask("GET", "/api/v1/conversations")).json()["items"][0]["id"]
    messages = (await runtime.ask("GET", f"/api/v1/conversations/{conversation}/messages")).json()["items"]
    run_id = messages[0]["run_id"]
    rights = {
        "Authorization": f"Bearer {worker.token}",
        "X-Kgents-Instance": str(worker.instance_id),
        "X-Kgents-Run": run_id,
        "X-Kgents-Epoch": "1",
    }
    transport = httpx.AsyncHTTPTransport(uds=str(runtime.front.door_path), verify=PLAIN)
    async with httpx.AsyncClient(transport=transport, base_url="http://door", headers=rights, timeout=60) as door:

        async def step(number: int) -> int:
            calls: list[dict[str, Any]] = [{"id": f"call-{number}", "name": "time.now", "arguments": {}}]
            message = {"role": "assistant", "text": "", "tool_calls": calls}
            return (await door.post(f"/internal/runs/{run_id}/steps", json={"message": message})).status_code

        codes = await asyncio.gather(*(step(number) for number in range(20)))
        assert sorted(codes) == [201, *[422] * 19]
        call = {"tool_call_id": f"call-{codes.index(201)}", "name": "time.now", "arguments": {}}
        calls = [asyncio.create_task(door.post("/internal/tools/call", json=call)) for _ in range(10)]
        await tool_gate.wait_reached()
        refused: set[asyncio.Task[httpx.Response]] = set()
        waiting = set(calls)
        while len(waiting) > 1:  # the gate stays shut until all the others were told
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        tool_gate.open()
        results = [task.result() for task in refused] + [await task for task in waiting]
    assert sorted(answer.status_code for answer in results) == [200, *[409] * 9]
    assert len(siblings.invocations) == 1
    model_gate.open()
    assert (await sending).status_code == 200
    rows = await runtime.transcript(conversation)
    assert [role for role, _ in rows] == ["user", "assistant", "tool", "assistant"]
