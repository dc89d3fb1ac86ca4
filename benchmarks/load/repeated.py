"""Sends the same few requests over and over, from a process of its own, and checks that each answer is a good one.

`python -m benchmarks.load.repeated` reads a RepeatPlan (JSON) from stdin and writes LoadFigures (JSON) to stdout.
"""

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import uvloop

from benchmarks.child_process import ROOT
from benchmarks.load.figures import LoadFigures
from benchmarks.load.http_connection import BrokenAnswer, HttpConnection

_ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class RepeatPlan:
    """`concurrency` callers send `bodies` to `path`, in turn, for `seconds` or until `max_requests` were sent.

    A good answer has the status 200 and is a JSON object with the field `expects`.
    """

    host: str
    port: int
    path: str
    content_type: str
    bodies: Sequence[str]
    expects: str
    concurrency: int
    seconds: float
    max_requests: int = 1_000_000

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    def requests(self) -> list[bytes]:
        """Each body as the bytes of a whole request."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: {self.content_type}\r\n"
        encoded = [body.encode() for body in self.bodies]
        return [b"%bContent-Length: %d\r\n\r\n%b" % (head.encode(), len(body), body) for body in encoded]


async def repeat(plan: RepeatPlan) -> LoadFigures:
    """Run `plan` in this process."""
    requests = itertools.islice(itertools.cycle(plan.requests()), plan.max_requests)
    latencies_ms: list[float] = []
    errors: list[str] = []
    started = time.perf_counter()

    async def call_until_the_end() -> None:
        connection = HttpConnection(plan.host, plan.port)
        try:
            while time.perf_counter() - started < plan.seconds and (request := next(requests, None)) is not None:
                asked = time.perf_counter()
                error = await _error_of(connection, request, plan.expects)
                if error is None:
                    latencies_ms.append((time.perf_counter() - asked) * 1000)
                else:
                    errors.append(error)
        finally:
            connection.close()

    await asyncio.gather(*(call_until_the_end() for _ in range(plan.concurrency)))
    return LoadFigures.of(latencies_ms, errors, time.perf_counter() - started)


async def _error_of(connection: HttpConnection, request: bytes, expected: str) -> str | None:
    try:
        answer = await asyncio.wait_for(connection.exchange(request), _ANSWER_WITHIN_S)
        fields: Any = json.loads(answer.body)
    except (BrokenAnswer, OSError, TimeoutError, ValueError) as error:
        connection.close()
        return f"{type(error).__name__}: {error}"
    if answer.status != 200 or expected not in fields:
        # What it answered otherwise may be a token.
        return f"status {answer.status}, {fields.get('code', '')}"
    return None


async def repeat_in_process(plan: RepeatPlan) -> LoadFigures:
    """Run `plan` in a process of its own, so that its work counts to nobody. Raises RuntimeError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.load.repeated",
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
    plan = RepeatPlan(**json.loads(sys.stdin.read()))
    sys.stdout.write(uvloop.run(repeat(plan)).to_json() + "\n")


if __name__ == "__main__":
    main()
