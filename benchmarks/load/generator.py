"""Sends messages over HTTP from a process of its own and checks every answer.

`python -m benchmarks.load.generator` reads a LoadPlan (JSON) from stdin and writes LoadFigures (JSON) to stdout.
The endpoint takes `{"text", "conversation_id"?}` and answers `{"text", "conversation_id"}`, the text being that of
the model server: `You said: <text> [<n> messages seen]`. An answer with another text or count is an error.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator

import uvloop

from benchmarks.child_process import ROOT
from benchmarks.load.figures import LoadFigures, LoadPlan
from benchmarks.load.http_connection import BrokenAnswer, HttpAnswer, HttpConnection

_ANSWER_WITHIN_S = 30.0
_SYSTEM_AND_USER = 2


class WrongAnswer(Exception):
    """The candidate answered, but not what it should."""


class LoadRun:
    """One run of a plan: what its callers share."""

    def __init__(self, plan: LoadPlan) -> None:
        self.plan = plan
        self.latencies_ms: list[float] = []
        self.errors: list[str] = []
        self._numbers: Iterator[int] = iter(range(plan.max_messages))
        self._deadline = time.perf_counter() + plan.seconds
        self._head = _head(plan)

    async def run(self) -> LoadFigures:
        """Run all callers to the end of the plan."""
        started = time.perf_counter()
        await asyncio.gather(*(self._call_until_the_end() for _ in range(self.plan.concurrency)))
        return LoadFigures.of(self.latencies_ms, self.errors, time.perf_counter() - started)

    async def _call_until_the_end(self) -> None:
        connection = HttpConnection(self.plan.host, self.plan.port)
        try:
            while await self._converse(connection):
                pass
        finally:
            connection.close()

    async def _converse(self, connection: HttpConnection) -> bool:
        """One conversation; False once the plan has ended."""
        conversation_id: str | None = None
        for turn in range(self.plan.turns):
            number = next(self._numbers, None)
            if number is None or time.perf_counter() >= self._deadline:
                return False
            text = f"message {number}"
            request = message_request(self._head, text, conversation_id)
            started = time.perf_counter()
            try:
                answer = await asyncio.wait_for(connection.exchange(request), _ANSWER_WITHIN_S)
                spent = time.perf_counter() - started
                conversation_id = check_answer(answer, text, self._seen(turn))
            except (WrongAnswer, BrokenAnswer, OSError, TimeoutError) as error:
                self.errors.append(f"{type(error).__name__}: {error}")
                connection.close()
                return True
            self.latencies_ms.append(spent * 1000)
        return True

    def _seen(self, turn: int) -> int:
        earlier = 2 * turn if self.plan.remembers else 0
        return _SYSTEM_AND_USER + earlier


def message_request(head: bytes, text: str, conversation_id: str | None) -> bytes:
    """The request's bytes; `head` comes from the plan."""
    body: dict[str, str] = {"text": text}
    if conversation_id is not None:
        body["conversation_id"] = conversation_id
    encoded = json.dumps(body).encode()
    return b"%b%d\r\n\r\n%b" % (head, len(encoded), encoded)


def check_answer(answer: HttpAnswer, text: str, seen: int) -> str:
    """The conversation's id, if the answer is the one to `text` of a model that saw `seen` messages."""
    if answer.status != 200:
        raise WrongAnswer(f"status {answer.status}: {answer.body[:300]!r}")
    try:
        fields = json.loads(answer.body)
        said, conversation_id = str(fields["text"]), str(fields["conversation_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise WrongAnswer(f"{error!r} in {answer.body[:300]!r}") from error
    expected = f"You said: {text} [{seen} messages seen]"
    if said != expected:
        raise WrongAnswer(f"expected {expected!r}, got {said!r}")
    return conversation_id


def _head(plan: LoadPlan) -> bytes:
    fixed = {"Host": f"{plan.host}:{plan.port}", "Content-Type": "application/json", "Accept": "application/json"}
    lines = itertools.chain(
        [f"POST {plan.path} HTTP/1.1"],
        (f"{name}: {value}" for name, value in {**fixed, **plan.headers}.items()),
        ["Content-Length: "],
    )
    return "\r\n".join(lines).encode()


async def run_load(plan: LoadPlan) -> LoadFigures:
    """Run `plan` in this process."""
    return await LoadRun(plan).run()


async def run_load_process(plan: LoadPlan) -> LoadFigures:
    """Run `plan` in a process of its own, so that its work counts to no candidate. Raises RuntimeError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.load.generator",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    told, complaint = await process.communicate(plan.to_json().encode())
    if process.returncode != 0:
        raise RuntimeError(f"the load generator failed: {complaint.decode(errors='replace')[-2000:]}")
    return LoadFigures.from_json(told.decode())


def main() -> None:
    """Plan from stdin, figures to stdout."""
    plan = LoadPlan.from_json(sys.stdin.read())
    sys.stdout.write(uvloop.run(run_load(plan)).to_json() + "\n")


if __name__ == "__main__":
    main()
