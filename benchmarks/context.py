"""What a conversation's context adds to a message: none, a short one, one of ten thousand messages, pinned facts.

`python -m benchmarks.context [--quick] [--json FILE] [--markdown FILE]`

What is measured and how: docs/benchmarks.md.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.command import parser_of, tell
from benchmarks.kgents_platform import KgentsPlatform, measured, message_path, started_platform
from benchmarks.message_results import machine
from benchmarks.report import Goal, Row, median, table
from benchmarks.times import Times

OURS = "Kgents"
NEW, SHORT, LONG, PINNED = "a new one", "20 messages", "a long one", "20 messages, 20 pinned facts"
_AGENT = "measured"
_TEXT = "Tell me, please, what becomes of this conversation when it has gone on for as long as this one has."
_SHORT_EXCHANGES = 10
_GOAL_MS = 5.0


@dataclass(frozen=True, slots=True)
class Effort:
    """How many messages are timed in each kind of conversation, and the exchanges of the long one."""

    messages: int
    exchanges: int


FULL = Effort(100, 5000)
QUICK = Effort(3, 12)


@dataclass(slots=True)
class Results(Times):
    """Everything that a run measured."""

    messages_of_long: int


async def say(host: KgentsPlatform, conversation: str | None) -> str:
    """A message that must be answered; its conversation."""
    body = {"text": _TEXT} | ({"conversation_id": conversation} if conversation else {})
    answer = await host.post(message_path(_AGENT), body, {200})
    return str(answer.json()["conversation_id"])


async def talk(host: KgentsPlatform, exchanges: int) -> str:
    """A conversation of so many exchanges."""
    conversation = None
    for _ in range(exchanges):
        conversation = await say(host, conversation)
    return str(conversation)


async def measure(host: KgentsPlatform, effort: Effort, results: Results) -> None:
    """Each kind of conversation in turn, message by message, so that all see the same noise."""
    pinned = await talk(host, _SHORT_EXCHANGES)
    for number in range(20):
        await host.put(f"/api/v1/conversations/{pinned}/facts/fact-{number}", {"text": _TEXT})
    long = await talk(host, effort.exchanges)
    for _ in range(effort.messages):
        short = await talk(host, _SHORT_EXCHANGES)
        for kind, conversation in ((NEW, None), (SHORT, short), (LONG, long), (PINNED, pinned)):
            began = time.perf_counter()
            await say(host, conversation)
            results.add(kind, began)
        await host.post(f"/api/v1/conversations/{pinned}/reset", {}, {204})
        for _ in range(_SHORT_EXCHANGES):
            await say(host, pinned)


async def run(effort: Effort) -> Results:
    """Start the platform, measure, end it."""
    results = Results(machine(), effort.exchanges * 2)
    async with started_platform() as host:
        await host.create_agent(_AGENT)
        await host.publish_until_reply(_AGENT)
        await measure(host, effort, results)
    return results


def rows(results: Results) -> list[Row]:
    """What a message takes in each kind of conversation, and what its context adds to that of a new one."""
    p50 = {kind: median(times) for kind, times in results.times_ms.items()}
    named = {LONG: f"{results.messages_of_long:,} messages"}
    taken = [Row(f"a message, p50: {named.get(kind, kind)}", "ms", {OURS: time_ms}) for kind, time_ms in p50.items()]
    added = [
        Row(
            f"added by the context: {named.get(kind, kind)}",
            "ms",
            {OURS: max(0.0, p50[kind] - p50[NEW])},
            final=Goal(_GOAL_MS, "at most"),
        )
        for kind in (SHORT, LONG, PINNED)
    ]
    return [*taken, *added]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table, write the files; 1 if the platform failed."""
    parser = parser_of("context", "What a conversation's context adds to a message.")
    chosen = parser.parse_args(arguments)
    results = measured("context", run(QUICK if chosen.quick else FULL))
    if results is None:
        return 1
    tell(chosen, table(rows(results), [OURS], OURS), results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
