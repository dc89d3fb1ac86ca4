"""An agent of ours that runs elsewhere: over A2A, over chat completions, over plain HTTP."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx
import pytest
from aiohttp import web

from agent_runtime_service.gateway.faults import REMOTE, failed
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

REF = f"cred_{'b' * 32}"
SHOWN = "far-canary-key"
StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def near(start_runtime: StartRuntime, siblings: RuntimeSiblings) -> AsyncGenerator[Runtime]:
    """A front whose agents may be on this machine."""
    async with start_runtime(ssrf_allowed_hosts=["127.0.0.1"]) as runtime:
        siblings.credentials[REF] = {"owner_id": runtime.owner, "secret": SHOWN, "type": "generic"}
        yield runtime


class FarSide:
    """A server on this machine; `answer` is what it does with a request, `seen` what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str | None, Any]] = []
        self.answer: Handler = self._hello
        self.url = ""

    async def _hello(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"text": "Hello from afar."})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Note the request and answer it."""
        raw = await request.read()
        self.seen.append((request.path, request.headers.get("Authorization"), json.loads(raw) if raw else None))
        return await self.answer(request)


@pytest.fixture
async def far() -> AsyncGenerator[FarSide]:
    side = FarSide()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", side.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    side.url = f"http://{host}:{port}"
    yield side
    await runner.cleanup()


def elsewhere(protocol: str, url: str, **more: Any) -> dict[str, Any]:
    return {"shell": "Remote", "remote": {"protocol": protocol, "url": url, **more}}


async def test_a_plain_http_agent_gets_the_text_and_what_was_said_before(near: Runtime, far: FarSide):
    await near.add_agent(runtime=elsewhere("http", f"{far.url}/ask", credential_ref=REF))
    first = await near.say("Hello")
    assert first["text"] == "Hello from afar."
    assert first["usage"]["estimated"]
    assert far.seen == [
        ("/ask", f"Bearer {SHOWN}", {"text": "Hello", "conversation_id": first["conversation_id"]}),
    ]
    await near.say("And now?", first["conversation_id"])
    assert far.seen[-1][2]["text"] == "What was said before:\nUser: Hello\nYou: Hello from afar.\n\nNow:\nAnd now?"


FAILURES = [
    (401, "{}", "provider_refused"),
    (500, f"my key is {SHOWN}", "provider_error"),
    (200, "no json", "provider_garbage"),
    (200, '{"text": 7}', "provider_garbage"),
    (302, "{}", "provider_error"),
]


async def test_its_failures_are_told_like_a_providers(near: Runtime, far: FarSide):
    await near.add_agent(runtime=elsewhere("http", far.url, credential_ref=REF))
    for number, (status, body, code) in enumerate(FAILURES, start=1):
        answers = web.Response(status=status, text=body, headers={"Location": "http://127.0.0.1:1/"})

        async def answer(_: web.Request, response: web.Response = answers) -> web.StreamResponse:
            return response

        far.answer = answer
        refused = await near.send("Hello")
        assert (refused.status_code, refused.json()["code"]) == (502, code), body
        assert SHOWN not in refused.text
        assert len(far.seen) == number


async def test_a_chat_completions_agent_gets_the_messages_without_our_prompt(near: Runtime, model: ModelServer):
    async with ModelServer(api_key=SHOWN) as other:
        await near.add_agent(
            llm={"model": "far-model"}, runtime=elsewhere("openai", other.base_url, credential_ref=REF)
        )
        other.script(Reply("Hello from another model."))
        assert (await near.say("Hello"))["text"] == "Hello from another model."
        assert [row["role"] for row in other.requests[-1].messages] == ["user"]
        assert other.requests[-1].body["model"] == "far-model"
    assert list(model.requests) == []


@pytest.fixture
async def a2a(near: Runtime, far: FarSide) -> AsyncGenerator[str]:
    """The card of an agent `far` of the same front, as a server of its own shows it."""
    worker = await near.add_agent("far")
    address = f"/a2a/{worker.agent_id}"
    async with httpx.AsyncClient(
        base_url=near.front.url, headers=near.issuer.person(near.owner), timeout=60, verify=PLAIN
    ) as http:

        async def passed_on(request: web.Request) -> web.StreamResponse:
            passed = {"Content-Type", "A2A-Version"} & request.headers.keys()
            headers = {name: request.headers[name] for name in passed}
            content = await request.read()
            async with http.stream(request.method, request.path, content=content, headers=headers) as answer:
                if answer.headers["content-type"].startswith("text/event-stream"):
                    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
                    await response.prepare(request)
                    async for data in answer.aiter_bytes():
                        await response.write(data)
                    return response
                text = (await answer.aread()).decode().replace("http://localhost:8080", far.url)
                return web.Response(status=answer.status_code, text=text, content_type="application/json")

        far.answer = passed_on
        yield f"{far.url}{address}/.well-known/agent-card.json"


async def test_an_a2a_agent_goes_on_in_its_own_context_and_streams(
    near: Runtime, far: FarSide, model: ModelServer, a2a: str
):
    await near.add_agent("helper", runtime=elsewhere("a2a", a2a, credential_ref=REF))
    model.script(Reply("Hello from afar."), Reply("Again from afar."))
    events = await near.stream("Hello")
    assert "".join(data["text"] for name, data, _ in events if name == "delta") == "Hello from afar."
    conversation = events[-1][1]["conversation_id"]
    assert (await near.say("And again", conversation))["text"] == "Again from afar."
    # Over there it is one conversation, and the question alone was sent.
    assert [row["content"] for row in model.requests[-1].messages][1:] == ["Hello", "Hello from afar.", "And again"]
    assert {shown for _, shown, _ in far.seen} == {f"Bearer {SHOWN}"}


async def test_a_cancelled_run_cancels_its_task_over_there(near: Runtime, model: ModelServer, a2a: str):
    await near.add_agent("helper", runtime=elsewhere("a2a", a2a))
    under_way = asyncio.Event()

    async def never(_: ModelRequest) -> Reply:
        under_way.set()
        await asyncio.Event().wait()
        return Reply("Too late.")

    model.answer_with(never)
    begun = await near.ask("POST", "/api/v1/agents/helper/runs", json={"text": "Take your time."})
    assert begun.status_code == 202, begun.text
    await under_way.wait()
    cancelled = await near.ask("POST", f"/api/v1/runs/{begun.json()['run_id']}/cancel")
    assert cancelled.status_code == 200, cancelled.text

    async def ended_over_there() -> bool:
        runs = (await near.ask("GET", "/api/v1/runs", params={"agent": "far"})).json()["items"]
        return [run["status"] for run in runs] == ["cancelled"]

    await eventually(ended_over_there, describe="the far task is cancelled")


async def test_it_is_not_asked_where_it_may_not_be(start_runtime: StartRuntime, near: Runtime, far: FarSide, a2a: str):
    async with start_runtime() as careful:
        for name, protocol in (("one", "http"), ("two", "a2a"), ("three", "openai")):
            await careful.add_agent(name, runtime=elsewhere(protocol, a2a))
            refused = await careful.send("Hello", agent=name)
            assert (refused.status_code, refused.json()["code"]) == (502, "provider_address_refused"), protocol
    assert far.seen == []

    # A card that leads to another server doesn't get there what is shown to the first.
    show_card = far.answer

    async def leads_elsewhere(request: web.Request) -> web.StreamResponse:
        shown = await show_card(request)
        assert isinstance(shown, web.Response)
        shown.text = (shown.text or "").replace(far.url, near.front.url)
        return shown

    far.answer = leads_elsewhere
    await near.add_agent("helper", runtime=elsewhere("a2a", a2a, credential_ref=REF))
    refused = await near.send("Hello")
    assert (refused.status_code, refused.json()["code"]) == (502, "provider_address_refused")
    assert f"name {near.front.url} in runtime.remote.url" in refused.json()["detail"]


def test_an_agent_that_speaks_a_providers_wire_is_not_called_one():
    assert failed(REMOTE, 500, None).detail == "The remote agent answered with 500."
    assert failed("openai", 500, None).detail == "The model provider openai answered with 500."
