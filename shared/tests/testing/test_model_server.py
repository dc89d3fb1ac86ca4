import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator

import httpx
import pytest

from kgents_shared.testing.model_server import (
    CutStream,
    HugeAnswer,
    ModelRequest,
    ModelServer,
    NeverAnswers,
    RawAnswer,
    Reply,
    SlowBytes,
    rate_limited,
    server_error,
)
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually

Messages = list[dict[str, object]]


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        yield server


@pytest.fixture
async def http(model: ModelServer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=model.base_url, timeout=5, verify=PLAIN) as client:
        yield client


def body(text: str = "Hello", *, stream: bool = False, **more: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream, **more}


def conversation(*messages: dict[str, object]) -> dict[str, object]:
    return {"model": "m", "messages": list(messages)}


async def test_the_default_answer_shows_the_last_user_message_and_how_many_messages_came(
    http: httpx.AsyncClient,
):
    request = conversation(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "three"}]},
    )
    answer = (await http.post("/chat/completions", json=request)).json()
    assert answer["choices"][0]["message"]["content"] == "You said: three [4 messages seen]"
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"] == {"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11}


async def test_a_stream_carries_the_same_text_in_chunks_and_its_usage_only_when_asked(
    http: httpx.AsyncClient,
):
    plain = await http.post("/chat/completions", json=body(stream=True))
    assert plain.headers["content-type"] == "text/event-stream"
    chunks = sse(plain.text)
    assert "".join(content(chunk) for chunk in chunks) == "You said: Hello [1 messages seen]"
    assert all("usage" not in chunk for chunk in chunks)
    asked = body(stream=True, stream_options={"include_usage": True})
    chunks = sse((await http.post("/chat/completions", json=asked)).text)
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"] == {"prompt_tokens": 1, "completion_tokens": 6, "total_tokens": 7}
    assert all(chunk["usage"] is None for chunk in chunks[:-1])


async def test_scripted_answers_come_once_each_then_the_default(model: ModelServer, http: httpx.AsyncClient):
    async def thoughtful(request: ModelRequest) -> str:
        await asyncio.sleep(0)
        return f"thought about {request.last_user_text}"

    model.script("first", Reply(text="second", prompt_tokens=1000), thoughtful)
    answers = [(await http.post("/chat/completions", json=body())).json() for _ in range(4)]
    assert [answer["choices"][0]["message"]["content"] for answer in answers] == [
        "first",
        "second",
        "thought about Hello",
        "You said: Hello [1 messages seen]",
    ]
    assert answers[1]["usage"]["prompt_tokens"] == 1000


async def test_a_standing_answer_serves_until_reset(model: ModelServer, http: httpx.AsyncClient):
    model.answer_with(lambda request: Reply(text=request.model))
    for _ in range(2):
        answer = (await http.post("/chat/completions", json=body())).json()
        assert answer["choices"][0]["message"]["content"] == "m"
    model.reset()
    assert not model.requests
    answer = (await http.post("/chat/completions", json=body())).json()
    assert answer["choices"][0]["message"]["content"].startswith("You said")


async def test_requests_are_kept_with_their_headers_and_bodies(model: ModelServer, http: httpx.AsyncClient):
    await http.get("/models")
    await http.post("/chat/completions", json=body("seen?"), headers={"Authorization": "Bearer sk-1"})
    assert [request.path for request in model.requests] == ["/v1/models", "/v1/chat/completions"]
    assert model.requests[0].authorization is None
    (request,) = model.completions
    assert request.authorization == "Bearer sk-1"
    assert request.headers["content-type"] == "application/json"
    assert request.messages == [{"role": "user", "content": "seen?"}]


async def test_a_demanded_key_is_checked_on_every_route():
    async with (
        ModelServer(api_key="sk-right") as model,
        httpx.AsyncClient(base_url=model.base_url, timeout=60, verify=PLAIN) as http,
    ):
        for headers in ({}, {"Authorization": "Bearer sk-wrong"}):
            answers = [
                await http.post("/chat/completions", json=body(), headers=headers),
                await http.get("/models", headers=headers),
            ]
            for answer in answers:
                assert answer.status_code == 401
                assert answer.json()["error"]["code"] == "invalid_api_key"
        right = {"Authorization": "Bearer sk-right"}
        assert (await http.post("/chat/completions", json=body(), headers=right)).status_code == 200


CALL: dict[str, object] = {"id": "c1", "type": "function", "function": {"name": "t", "arguments": "{}"}}
ASKED: dict[str, object] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
HI: dict[str, object] = {"role": "user", "content": "hi"}


@pytest.mark.parametrize(
    ("request_body", "said"),
    [
        ({}, "could not parse"),
        ({"messages": [HI]}, "must provide a model"),
        ({"model": "m", "messages": []}, "non-empty array"),
        (conversation({"role": "robot", "content": "hi"}), "'robot'"),
        (conversation({"role": "user", "content": None}), "got null"),
        (conversation(HI, ASKED, HI), "did not have response messages: c1"),
        (conversation(HI, ASKED), "did not have response messages: c1"),
        (conversation(HI, {"role": "tool", "tool_call_id": "c1", "content": "x"}), "preceding message"),
        (body(tools=[{"type": "function", "function": {"name": "time.now"}}]), "does not match pattern"),
    ],
)
async def test_what_openai_refuses_is_refused(
    model: ModelServer, http: httpx.AsyncClient, request_body: dict[str, object], said: str
):
    model.script("not used up by a refused request")
    answer = await http.post("/chat/completions", json=request_body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert said in answer.json()["error"]["message"]
    good = await http.post("/chat/completions", json=body())
    assert good.json()["choices"][0]["message"]["content"].startswith("not used up")


async def test_an_unknown_path_is_a_404_in_openais_shape(http: httpx.AsyncClient):
    answer = await http.post("/embeddings", json={})
    assert answer.status_code == 404
    assert "POST /v1/embeddings" in answer.json()["error"]["message"]


async def test_a_status_fault_names_its_code_and_when_to_retry(model: ModelServer, http: httpx.AsyncClient):
    model.script(rate_limited(2), server_error(503))
    limited = await http.post("/chat/completions", json=body())
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "2")
    assert limited.json()["error"]["code"] == "rate_limit_exceeded"
    assert (await http.post("/chat/completions", json=body())).status_code == 503


async def test_raw_bytes_go_out_as_given(model: ModelServer, http: httpx.AsyncClient):
    model.script(RawAnswer(), RawAnswer(b"<html>", status=502, content_type="text/html"))
    garbage = await http.post("/chat/completions", json=body())
    with pytest.raises(ValueError, match="decode"):
        garbage.json()
    page = await http.post("/chat/completions", json=body())
    assert (page.status_code, page.headers["content-type"], page.content) == (502, "text/html", b"<html>")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_cut_answer_begins_well_and_breaks_off(model: ModelServer, http: httpx.AsyncClient, stream: bool):
    model.script(CutStream(chunks=3))
    got = b""

    async def read() -> None:
        nonlocal got
        async with http.stream("POST", "/chat/completions", json=body(stream=stream)) as answer:
            assert answer.status_code == 200
            async for block in answer.aiter_raw():
                got += block

    with pytest.raises(httpx.RemoteProtocolError):
        await read()
    if stream:
        assert "".join(content(chunk) for chunk in sse(got.decode(), done=False)) == "This sentence"
    else:
        assert got.startswith(b'{"id"')


async def test_slow_bytes_make_a_whole_answer_in_the_end(model: ModelServer, http: httpx.AsyncClient):
    model.script(SlowBytes(Reply(text="slow"), pause_s=0.0001, step=16))
    async with http.stream("POST", "/chat/completions", json=body(stream=True)) as answer:
        blocks = [block async for block in answer.aiter_raw()]
    assert len(blocks) > 3
    assert "".join(content(chunk) for chunk in sse(b"".join(blocks).decode())) == "slow"


async def test_a_paced_stream_shows_its_first_words_before_the_end(model: ModelServer, http: httpx.AsyncClient):
    model.script(Reply(text="one two", before_s=0.001, between_s=0.005))
    async with http.stream("POST", "/chat/completions", json=body(stream=True)) as answer:
        blocks = [block async for block in answer.aiter_raw()]
    assert b"[DONE]" not in blocks[0]
    assert b"".join(blocks).endswith(b"data: [DONE]\n\n")


async def test_a_request_that_is_never_answered_ends_with_the_server_and_does_not_hold_it(
    model: ModelServer, http: httpx.AsyncClient
):
    model.script(NeverAnswers())
    waiting = asyncio.create_task(http.post("/chat/completions", json=body()))
    await eventually(lambda: model.in_flight == 1)
    await asyncio.wait_for(model.stop(), 60)
    assert (await waiting).status_code == 503
    assert model.in_flight == 0


async def test_a_caller_who_gives_up_leaves_nothing_behind(model: ModelServer, http: httpx.AsyncClient):
    model.script(NeverAnswers())
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/chat/completions", json=body(), timeout=0.05)
    await eventually(lambda: model.in_flight == 0)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_huge_answer_is_well_formed(model: ModelServer, http: httpx.AsyncClient, stream: bool):
    model.script(HugeAnswer(300_000))
    answer = await http.post("/chat/completions", json=body(stream=stream))
    if stream:
        text = "".join(content(chunk) for chunk in sse(answer.text))
    else:
        text = answer.json()["choices"][0]["message"]["content"]
    assert text == "x" * 300_000


async def test_it_comes_back_on_the_same_port_after_a_stop(model: ModelServer, http: httpx.AsyncClient):
    address = model.base_url
    await model.stop()
    with pytest.raises(httpx.ConnectError):
        await http.get("/models")
    await model.start()
    assert model.base_url == address
    assert (await http.get("/models")).json()["data"][0]["id"] == "fake-model"


def test_importing_it_does_not_import_pytest():
    code = "import kgents_shared.testing.model_server, sys; sys.exit('pytest' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


async def test_the_process_tells_its_address_answers_and_stops_on_sigterm():
    command = [sys.executable, "-m", "kgents_shared.testing.model_server", "--model", "a", "--model", "b"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        told = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
        async with httpx.AsyncClient(base_url=told["base_url"], timeout=60, verify=PLAIN) as http:
            models = (await http.get("/models")).json()
            assert [entry["id"] for entry in models["data"]] == ["a", "b"]
            answer = (await http.post("/chat/completions", json=body())).json()
            assert answer["choices"][0]["message"]["content"] == "You said: Hello [1 messages seen]"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), timeout=60) == 0


def sse(text: str, *, done: bool = True) -> list[dict[str, object]]:
    events = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    if done:
        assert events.pop() == "[DONE]"
    return [json.loads(event) for event in events]


def content(chunk: dict[str, object]) -> str:
    choices = chunk["choices"]
    assert isinstance(choices, list)
    return "".join(str(choice["delta"].get("content") or "") for choice in choices)
