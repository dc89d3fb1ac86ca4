import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from benchmarks.load.figures import LoadFigures, LoadPlan, percentile
from benchmarks.load.generator import WrongAnswer, check_answer, message_request, run_load, run_load_process
from benchmarks.load.http_connection import HttpAnswer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def listening(handler: Handler) -> AsyncGenerator[int]:
    app = web.Application()
    app.router.add_post("/message", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


class RememberingEndpoint:
    """Answers as a platform with the model server behind it: each conversation's messages are counted."""

    def __init__(self) -> None:
        self.turns = Counter[str]()
        self.most_at_once = 0
        self.tokens: set[str | None] = set()
        self._at_once = 0

    async def answer(self, http: web.Request) -> web.StreamResponse:
        self.tokens.add(http.headers.get("Authorization"))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        body = await http.json()
        await asyncio.sleep(0)
        conversation_id = str(body.get("conversation_id") or f"c{len(self.turns)}")
        self.turns[conversation_id] += 1
        self._at_once -= 1
        text = f"You said: {body['text']} [{2 * self.turns[conversation_id]} messages seen]"
        return web.json_response({"text": text, "conversation_id": conversation_id})


async def test_it_ends_at_the_number_of_messages_and_counts_each_once():
    endpoint = RememberingEndpoint()
    async with listening(endpoint.answer) as port:
        headers = {"Authorization": "Bearer t"}
        plan = LoadPlan("127.0.0.1", port, "/message", headers, concurrency=4, seconds=20, max_messages=50)
        figures = await run_load(plan)
    assert (figures.messages, figures.errors) == (50, 0)
    assert len(endpoint.turns) == endpoint.turns.total() == 50
    assert 1 < endpoint.most_at_once <= 4
    assert endpoint.tokens == {"Bearer t"}
    assert 0 < figures.p50_ms <= figures.p95_ms <= figures.p99_ms <= figures.max_ms
    assert figures.per_second == pytest.approx(50 / figures.seconds)


async def test_conversations_go_on_for_the_number_of_turns():
    endpoint = RememberingEndpoint()
    async with listening(endpoint.answer) as port:
        plan = LoadPlan("127.0.0.1", port, "/message", seconds=20, max_messages=9, turns=4)
        figures = await run_load(plan)
    assert (figures.messages, figures.errors) == (9, 0)
    assert sorted(endpoint.turns.values()) == [1, 4, 4]


async def test_a_candidate_that_forgets_the_conversation_is_found_out():
    async def forgets(http: web.Request) -> web.StreamResponse:
        body = await http.json()
        text = f"You said: {body['text']} [2 messages seen]"
        return web.json_response({"text": text, "conversation_id": "c"})

    async with listening(forgets) as port:
        plan = LoadPlan("127.0.0.1", port, "/message", seconds=20, max_messages=4, turns=2)
        figures = await run_load(plan)
        assert (figures.messages, figures.errors) == (2, 2)
        assert "expected 'You said: message 1 [4 messages seen]'" in figures.first_errors[0]
        stateless = LoadPlan("127.0.0.1", port, "/message", seconds=20, max_messages=4, turns=2, remembers=False)
        assert (await run_load(stateless)).errors == 0


async def test_it_ends_at_its_time_and_faults_are_counted_not_hidden():
    async def busy(_: web.Request) -> web.StreamResponse:
        return web.json_response({"code": "busy"}, status=503)

    async with listening(busy) as port:
        figures = await run_load(LoadPlan("127.0.0.1", port, "/message", concurrency=2, seconds=0.1))
    assert figures.messages == 0
    assert figures.errors > 2
    assert len(figures.first_errors) <= 5
    assert "status 503" in figures.first_errors[0]


async def test_a_connection_that_ends_within_an_answer_is_one_error_and_the_next_message_gets_a_new_one():
    calls: list[int] = []
    good = RememberingEndpoint()

    async def first_breaks(http: web.Request) -> web.StreamResponse:
        calls.append(1)
        if len(calls) == 1:
            assert http.transport is not None
            http.transport.close()
        return await good.answer(http)

    async with listening(first_breaks) as port:
        figures = await run_load(LoadPlan("127.0.0.1", port, "/message", seconds=20, max_messages=3))
    assert (figures.messages, figures.errors) == (2, 1)
    assert "the connection ended" in figures.first_errors[0]


async def test_as_a_process_it_gives_the_same_figures():
    endpoint = RememberingEndpoint()
    async with listening(endpoint.answer) as port:
        figures = await run_load_process(LoadPlan("127.0.0.1", port, "/message", seconds=20, max_messages=5))
    assert (figures.messages, figures.errors, endpoint.turns.total()) == (5, 0, 5)


def test_a_request_states_its_length_and_its_conversation():
    request = message_request(b"POST /m HTTP/1.1\r\nContent-Length: ", "hi", "c1")
    head, _, body = request.partition(b"\r\n\r\n")
    assert json.loads(body) == {"text": "hi", "conversation_id": "c1"}
    assert head.endswith(b": %d" % len(body))
    assert b"conversation_id" not in message_request(b"", "hi", None)


@pytest.mark.parametrize("body", [b"no json", b'{"text": "x"}', b"[]"])
def test_an_answer_of_another_shape_is_wrong(body: bytes):
    with pytest.raises(WrongAnswer):
        check_answer(HttpAnswer(200, body), "x", 2)


def test_percentiles_are_nearest_rank():
    values = [float(value) for value in range(1, 101)]
    assert [percentile(values, share) for share in (0, 50, 95, 99, 100)] == [1, 50, 95, 99, 100]
    assert percentile([7.0], 50) == 7
    assert percentile([], 50) != percentile([], 50)


def test_figures_and_plans_survive_their_way_between_processes():
    figures = LoadFigures.of([3.0, 1.0, 2.0], ["late"], 2.0)
    assert LoadFigures.from_json(figures.to_json()) == figures
    plan = LoadPlan("h", 1, "/p", {"a": "b"}, concurrency=3)
    assert LoadPlan.from_json(plan.to_json()) == plan
