"""What it adds to a message that whoever can is asked, and that it is said in a context of agents.

`python -m benchmarks.routing [--quick] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from agent_runtime_service.capabilities.balance import ranked
from agent_runtime_service.capabilities.registry import CapabilityRegistry
from agent_runtime_service.instances.directory import InstanceDirectory
from benchmarks.command import parser_of, tell
from benchmarks.kgents_platform import KgentsPlatform, measured, message_path, started_platform
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table
from benchmarks.times import Times
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.contracts.instances import InstanceRegistration

OURS = "Kgents"
CHOOSING, LEARNING = "choosing one of 100 agents among 1,000", "the first choice after one of 1,000 agents came"
NEW, ROUTED = "a message, new conversation", "a message to a capability, new conversation"
GOING_ON, IN_CONTEXT = "a message, going on", "a message in a context of one agent"
_AGENTS = tuple(f"measured-{number}" for number in range(3))
_CAPABILITY = "chat"
_TEXT = "Tell me, please, who of you answers this."
_ROUTING_MS, _CONTEXT_MS = 5.0, 2.0


@dataclass(frozen=True, slots=True)
class Effort:
    """Choices in memory, and messages of each kind through the platform."""

    choices: int
    messages: int


FULL = Effort(5000, 300)
QUICK = Effort(50, 3)


def registration(number: int) -> InstanceRegistration:
    """One of many agents, each with one of ten capabilities."""
    name = f"agent-{number}"
    spec = AgentSpec.model_validate({"name": name, "system_prompt": "Any.", "capabilities": [f"c{number % 10}"]})
    return InstanceRegistration(
        agent_id=UUID(int=number), agent_name=name, owner_id="ada", version=1, generation=1, spec=spec,
        endpoint_url="unix:/nowhere.sock", token_hash="0" * 64,
    )  # fmt: skip


async def choose(choices: int, results: Times) -> None:
    """In memory: choosing among agents that are known, and learning that one came."""
    directory = InstanceDirectory()
    registry = CapabilityRegistry(directory)
    for number in range(1000):
        directory.put(UUID(int=number), registration(number))
    draw = random.Random(1)  # noqa: S311 -- whom to ask
    for number in range(choices):
        what = LEARNING if number % 50 == 0 else CHOOSING
        if what == LEARNING:
            directory.put(UUID(int=number % 1000), registration(number % 1000))
        began = time.perf_counter()
        having = registry.having(("ada",), "c3")
        ranked(having, lambda agent: registry.latency(agent.agent_id), draw)
        results.add(what, began)
    await directory.close()


async def measure(host: KgentsPlatform, messages: int, results: Times) -> None:
    """One of each kind in turn, so that all see the same noise."""
    body = {"text": _TEXT}
    agents = [{"agent": _AGENTS[0]}]
    made = await host.post("/api/v1/multi_agent/context", {"name": "Measured", "agents": agents}, {201})
    said = {"context_id": made.json()["id"], **body}
    first = (await host.post(message_path(_AGENTS[0]), body, {200})).json()
    going_on = {**body, "conversation_id": first["conversation_id"]}
    capability = f"/api/v1/capabilities/{_CAPABILITY}/message"
    for _ in range(messages):
        for what, path, sent in (
            (NEW, message_path(_AGENTS[0]), body),
            (ROUTED, capability, body),
            (GOING_ON, message_path(_AGENTS[0]), going_on),
            (IN_CONTEXT, "/api/v1/multi_agent/message", said),
        ):
            began = time.perf_counter()
            await host.post(path, sent, {200})
            results.add(what, began)


async def run(effort: Effort) -> Times:
    """Choose in memory; then start the platform, measure, end it."""
    results = Times(machine())
    await choose(effort.choices, results)
    async with started_platform() as host:
        for agent in _AGENTS:
            await host.create_agent(agent)
            await host.publish_until_reply(agent)
        await measure(host, effort.messages, results)
    return results


def rows(results: Times) -> list[Row]:
    """What each takes, and what is added to a message that goes straight to its agent."""
    p50 = {what: median(times) for what, times in results.times_ms.items()}
    taken = [Row(f"{what}, p50", "ms", {OURS: time_ms}) for what, time_ms in p50.items()]
    added = [
        Row(f"added by {what}", "ms", {OURS: max(0.0, p50[one] - p50[plain])}, final=Goal(most, "at most"))
        for what, one, plain, most in (
            ("routing by capability, with discovery", ROUTED, NEW, _ROUTING_MS),
            ("a context's management of a message", IN_CONTEXT, GOING_ON, _CONTEXT_MS),
        )
    ]
    return [*taken, *added]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files; 1 if the platform failed."""
    parser = parser_of("routing", "What routing by capability, and contexts of agents, add to a message.")
    chosen = parser.parse_args(arguments)
    results = measured("routing", run(QUICK if chosen.quick else FULL))
    if results is None:
        return 1
    tell(chosen, table(rows(results), [OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
