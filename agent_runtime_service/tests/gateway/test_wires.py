"""Every provider over its own wire, by one suite: an agent works alike, whichever of them answers it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from pydantic import SecretStr

from agent_runtime_service.gateway.faults import failed
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.testing.anthropic_server import AnthropicServer
from kgents_shared.testing.gemini_server import GeminiServer
from kgents_shared.testing.model_server import (
    CutStream,
    ModelServer,
    NeverAnswers,
    RawAnswer,
    Reply,
    SlowBytes,
    StatusFault,
    ToolCall,
    rate_limited,
    server_error,
)
from kgents_shared.testing.ollama_server import OllamaServer
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime, running_runtime
from tests.external.runtime_siblings import RuntimeSiblings

PROVIDERS = ("openai", "anthropic", "google", "ollama", "localai")
KEY = "sk-canary-key"
STREAMS = {"ollama": "application/x-ndjson"}
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"  # one red point


@dataclass
class Providers:
    """One front, one agent and one server for each provider."""

    runtime: Runtime
    servers: dict[str, ModelServer]
    siblings: RuntimeSiblings

    async def send(self, name: str, text: str, conversation_id: str | None = None, **more: Any) -> Any:
        body = {"text": text} | ({"conversation_id": conversation_id} if conversation_id else {}) | more
        return await self.runtime.ask("POST", f"/api/v1/agents/{name}/message", json=body)

    async def say(self, name: str, text: str, conversation_id: str | None = None, **more: Any) -> dict[str, Any]:
        answer = await self.send(name, text, conversation_id, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
async def everyone(database_url: str, nats_server: Any, issuer: Any, nursery: Any) -> AsyncGenerator[Providers]:
    async with AsyncExitStack() as stack:
        siblings = await stack.enter_async_context(RuntimeSiblings())
        servers: dict[str, ModelServer] = {
            "openai": ModelServer(api_key=KEY),
            "anthropic": AnthropicServer(api_key=KEY),
            "google": GeminiServer(api_key=KEY),
            "ollama": OllamaServer(),
            "localai": ModelServer(models=("local-model",)),
        }
        for server in servers.values():
            await stack.enter_async_context(server)
        accounts: dict[str, Any] = {f"{name}_base_url": server.base_url for name, server in servers.items()}
        accounts |= {f"{name}_api_key": SecretStr(KEY) for name, server in servers.items() if server.api_key}
        settings = RuntimeSettings(
            database_url=SecretStr(database_url),
            nats_url=nats_server.url,
            nats_token=SecretStr(nats_server.token),
            client_secret=SecretStr("for-this-test-only"),
            **dict.fromkeys(
                ("auth_url", "management_url", "tools_url", "deployment_url", "governance_url"), siblings.url
            ),
            starting_wait_s=0.3,
            shutdown_patience_s=2.0,
            ssrf_allowed_hosts=["127.0.0.1"],
            **accounts,
        )
        runtime = await stack.enter_async_context(running_runtime(settings, issuer, nursery))
        for name in PROVIDERS:
            llm = {"provider": name, "model": f"a-model-of-{name}", "temperature": 0.25, "max_tokens": 77}
            await runtime.add_agent(name=name, llm=llm, tools={"allow": ["time.*"]}, limits={"timeout_s": 4})
        yield Providers(runtime, servers, siblings)


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest, everyone: Providers) -> str:
    name: str = request.param
    everyone.servers[name].reset()
    return name


async def test_an_agent_talks_and_calls_tools_alike_with_every_provider(everyone: Providers, provider: str):
    """The same words, the same steps, the same counts."""
    server = everyone.servers[provider]
    first = await everyone.say(provider, "Hello")
    assert first["text"] == "You said: Hello [2 messages seen]"
    # what the agent's definition says of the model is what the provider is asked for
    asked = orjson.loads(server.completions[-1].raw)
    options = asked.get("generationConfig") or asked.get("options") or asked
    limit = next(options[name] for name in ("max_tokens", "maxOutputTokens", "num_predict") if name in options)
    assert (server.completions[-1].model, options["temperature"], limit) == (f"a-model-of-{provider}", 0.25, 77)
    server.script(Reply(text="Let me see. ", tool_calls=(ToolCall("time_now", '{"zone": "UTC"}'),)))
    second = await everyone.say(provider, "What time is it?", first["conversation_id"])
    assert second["text"].startswith("The tool answered: time.now {'zone': 'UTC'} [6 messages seen]")
    assert await everyone.runtime.transcript(first["conversation_id"]) == [
        ("user", "Hello"),
        ("assistant", first["text"]),
        ("user", "What time is it?"),
        ("assistant", "Let me see. "),
        ("tool", "time.now {'zone': 'UTC'}"),
        ("assistant", second["text"]),
    ]
    usage = second["usage"]
    assert (usage["provider"], usage["model"]) == (provider, f"a-model-of-{provider}")
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (38, 14)
    assert (usage["model_calls"], usage["estimated"]) == (2, False)


async def test_an_answer_streams_word_by_word(everyone: Providers, provider: str):
    everyone.servers[provider].script(Reply(text="one two three", between_s=0.005))
    headers = {**everyone.runtime.issuer.person(everyone.runtime.owner), "Accept": "text/event-stream"}
    path = f"/api/v1/agents/{provider}/message"
    async with everyone.runtime.http.stream("POST", path, json={"text": "count"}, headers=headers) as answer:
        lines = [line async for line in answer.aiter_lines()]
    deltas = [orjson.loads(line[6:])["text"] for line in lines if line.startswith('data: {"text"')]
    assert len(deltas) > 1
    assert "".join(deltas) == "one two three"


FAULTS: list[tuple[str, Any, int, str]] = [
    ("500", server_error(), 502, "provider_error"),
    ("401", StatusFault(401, f"no such key {KEY}"), 502, "provider_refused"),
    ("404", StatusFault(404, "model not found"), 502, "provider_model_unknown"),
    ("400", StatusFault(400, f"something is wrong {KEY}"), 502, "provider_error"),
    ("no images", StatusFault(400, "this model does not support image input"), 422, "images_not_taken"),
    ("cut", CutStream(), 502, "provider_cut"),
    ("html", RawAnswer(b"<html></html>", content_type="text/html"), 502, "provider_garbage"),
]


async def test_every_fault_is_told_alike_and_leaves_the_conversation_as_it_was(everyone: Providers, provider: str):
    server = everyone.servers[provider]
    first = await everyone.say(provider, "good")
    for what, fault, status, code in FAULTS:
        server.script(*[fault] * 6)
        answer = await everyone.send(provider, "bad", first["conversation_id"])
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (status, code), (what, problem)
        assert provider in problem["detail"]
        assert KEY not in answer.text or server.api_key is None
        server.reset()
    assert "[4 messages seen]" in (await everyone.say(provider, "good again", first["conversation_id"]))["text"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "The input token count (1500000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "the request exceeds the available context size, try increasing it"),
        (500, "the input length exceeds the context length"),
        (413, "Input is too long for requested model."),
    ],
    ids=["openai", "anthropic", "google", "localai", "ollama", "others"],
)
def test_each_providers_way_of_saying_that_a_request_is_too_long_is_understood(status: int, said: str):
    assert failed("any", status, said).code == "context_too_long"
    assert failed("any", status, "max_tokens: must be at least 1").code == "provider_error"


async def test_what_is_no_answer_on_the_wire_is_told_as_such(everyone: Providers, provider: str):
    kind = STREAMS.get(provider, "text/event-stream")
    for body, codes in (
        (b"data: {not json\n\n{not json\n", {"provider_garbage"}),
        (b"", {"provider_cut"}),
    ):
        everyone.servers[provider].script(*[RawAnswer(body, content_type=kind)] * 6)
        answer = await everyone.send(provider, "bad")
        assert answer.json()["code"] in codes, answer.text
        everyone.servers[provider].reset()


async def test_faults_that_pass_are_tried_again(everyone: Providers, provider: str):
    server = everyone.servers[provider]
    server.script(server_error(503), rate_limited(0.01), "at last")
    assert (await everyone.say(provider, "Hello"))["text"] == "at last"
    server.reset()
    server.script(CutStream(), "the whole sentence")
    assert (await everyone.say(provider, "Hello"))["text"] == "the whole sentence"


def pictures(server: ModelServer) -> str:
    """The last request; base64 has two alphabets."""
    return server.completions[-1].raw.decode().replace("_", "/").replace("-", "+")


async def test_a_picture_reaches_the_model_and_stays_in_the_conversation(everyone: Providers, provider: str):
    server, picture = everyone.servers[provider], {"media_type": "image/png", "data": PNG}
    first = await everyone.say(provider, "What is this?", images=[picture])
    assert PNG in pictures(server)
    await everyone.say(provider, "And in colour?", first["conversation_id"])
    assert PNG in pictures(server)
    path = f"/api/v1/conversations/{first['conversation_id']}/messages"
    items = (await everyone.runtime.ask("GET", path)).json()["items"]
    assert [item["images"] for item in items] == [["image/png"], [], [], []]


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "people": {"type": "integer"}},
    "required": ["city", "people"],
    "additionalProperties": False,
}


async def test_an_answer_has_the_form_that_is_asked_for(everyone: Providers, provider: str):
    server, form = everyone.servers[provider], {"type": "json_schema", "schema": SCHEMA}
    right = {"city": "Oslo", "people": 700_000}
    # one that has another form is asked for again, once; a fence around it does no harm
    server.script('{"city": "Oslo"}', f"```json\n{orjson.dumps(right).decode()}\n```")
    answer = await everyone.say(provider, "Which city?", response_format=form)
    assert answer["output"] == right
    assert orjson.loads(answer["text"]) == right
    assert (await everyone.runtime.run(answer["run_id"]))["output"] == right
    assert len(server.completions) == 2
    assert b"'people' is a required property" in server.completions[-1].raw
    assert b"additionalProperties" in server.completions[-1].raw
    server.reset()
    server.script("Oslo!", "I said Oslo.")
    refused = await everyone.send(provider, "Which city?", response_format=form)
    assert (refused.status_code, refused.json()["code"]) == (502, "answer_misformed"), refused.text


async def test_fallbacks_are_asked_in_their_order_each_on_its_own_wire(everyone: Providers):
    """And the one that answers goes on answering: what failed before is not waited for at every step."""
    for server in everyone.servers.values():
        server.reset()
    fallbacks = [{"provider": "google", "model": "second"}, {"provider": "openai", "model": "third"}]
    llm = {"provider": "ollama", "model": "first", "fallbacks": fallbacks}
    await everyone.runtime.add_agent(name="careful", llm=llm, tools={"allow": ["time.*"]}, limits={"timeout_s": 6})
    everyone.servers["ollama"].script(NeverAnswers())
    everyone.servers["google"].script(*[CutStream(Reply(text="this is cut off"))] * 2)
    everyone.servers["openai"].script(Reply(text="Wait. ", tool_calls=(ToolCall("time_now"),)), "It is late.")
    answer = await everyone.say("careful", "What time is it?")
    assert answer["text"] == "It is late."
    assert (answer["usage"]["provider"], answer["usage"]["model"]) == ("openai", "third")
    asked = {name: [request.model for request in server.completions] for name, server in everyone.servers.items()}
    assert asked == {
        "ollama": ["first"], "google": ["second"] * 2, "openai": ["third"] * 2, "anthropic": [], "localai": [],
    }  # fmt: skip
    # what no other model would take either ends the run at once; so does a provider that nobody has an account at
    llm = {"provider": "openai-compatible", "model": "x", "fallbacks": [{"provider": "openai-compatible"}]}
    await everyone.runtime.add_agent(name="lost", llm=llm)
    refused = await everyone.send("lost", "Hello")
    assert (refused.status_code, refused.json()["code"]) == (409, "provider_not_configured"), refused.text


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"images": [{"media_type": "image/gif", "data": PNG}]}, "other_image"),
        ({"images": [{"media_type": "image/png", "data": f"data:image/png;base64,{PNG}"}]}, "bad_base64"),
        ({"images": [{"media_type": "image/png", "data": "A" * 7_000_000}]}, "images_too_large"),
        ({"images": [{"media_type": "image/png", "data": PNG}] * 5}, "too_long"),
        ({"images": [{"media_type": "image/svg+xml", "data": PNG}]}, "literal_error"),
        ({"response_format": {"type": "json_schema", "schema": {"type": "table"}}}, "not_a_schema"),
        ({"response_format": {"type": "json_schema", "schema": {"$ref": "http://127.0.0.1/x"}}}, "reference_elsewhere"),
        ({"response_format": {"type": "json_schema", "schema": {"x": ["y" * 70_000]}}}, "schema_too_large"),
        ({"response_format": {"type": "text"}}, "literal_error"),
    ],
)
async def test_what_no_model_is_sent_is_refused_before_one_is_asked(
    everyone: Providers, wrong: dict[str, Any], code: str
):
    answer = await everyone.send("openai", "x", **wrong)
    assert answer.status_code == 422, answer.text
    assert code in {fault["code"] for fault in answer.json()["errors"]}


async def test_a_picture_that_waits_for_its_turn_is_sent_when_that_comes(everyone: Providers):
    server, picture = everyone.servers["openai"], {"media_type": "image/png", "data": PNG}
    server.reset()
    first = await everyone.say("openai", "Hello")
    where = first["conversation_id"]
    server.script(Reply(text="slowly", before_s=0.4))
    slow = asyncio.create_task(everyone.say("openai", "wait", where))
    await eventually(lambda: server.in_flight == 1, describe="the first one is under way")
    await everyone.say("openai", "What is this?", where, images=[picture])
    await slow
    assert PNG in pictures(server)
    assert b'"wait"' in server.completions[-1].raw


async def test_what_services_ask_goes_over_the_wire_that_all_offer(everyone: Providers, provider: str):
    server = everyone.servers[provider]
    server.script('{"city": "Oslo"}')
    body = {
        "owner_id": everyone.runtime.owner,
        "purpose": "a draft",
        "llm": {"provider": provider, "model": "m"},
        "messages": [{"role": "user", "content": "hi"}],
        "answer_schema": SCHEMA,
    }
    headers = everyone.runtime.issuer.service("nl", "runtime")
    answer = await everyone.runtime.http.post("/internal/completions", json=body, headers=headers)
    assert (answer.status_code, answer.json()["text"]) == (200, '{"city": "Oslo"}'), answer.text
    assert server.completions[-1].path.endswith("/chat/completions")
    assert answer.json()["usage"]["estimated"] is False


async def test_an_account_of_the_agents_own_is_asked_on_its_providers_wire(everyone: Providers):
    """One key, shown as each provider wants it; and not to another provider than it is for."""
    async with AnthropicServer(api_key="sk-own") as own:
        ref = f"cred_{'c' * 32}"
        kept = {"owner_id": everyone.runtime.owner, "secret": "sk-own", "provider": "anthropic"}
        everyone.siblings.credentials[ref] = kept | {"base_url": f"{own.base_url}/v1"}
        llm = {"provider": "anthropic", "model": "m", "credential_ref": ref}
        await everyone.runtime.add_agent(name="paying", llm=llm)
        assert (await everyone.say("paying", "Hello"))["text"] == "You said: Hello [2 messages seen]"
        assert len(own.completions) == 1
        await everyone.runtime.add_agent(name="confused", llm=llm | {"provider": "localai"})
        refused = await everyone.send("confused", "Hello")
        assert "is for the provider anthropic, not for localai" in refused.json()["detail"]


async def test_providers_that_are_too_slow_are_told_before_the_runs_deadline_is_over(everyone: Providers):
    async def ask(name: str) -> tuple[int, str, bool]:
        server = everyone.servers[name]
        server.reset()
        server.script(NeverAnswers() if name == "google" else SlowBytes(Reply(text="x" * 4000), pause_s=0.05))
        answer = await everyone.send(name, "slow")
        return answer.status_code, answer.json()["code"], name in answer.json()["detail"]

    told = await asyncio.gather(*map(ask, PROVIDERS))
    assert told == [(504, "provider_timeout", True)] * len(PROVIDERS)


async def test_a_provider_says_how_long_to_wait_and_all_who_ask_it_do(everyone: Providers, provider: str):
    """The last test of each account: it rests from now on."""
    everyone.servers[provider].script(rate_limited(77))
    for _ in range(2):
        answer = await everyone.send(provider, "bad")
        assert (answer.status_code, answer.json()["code"]) == (503, "provider_rate_limited"), answer.text
        assert 60 < int(answer.headers["retry-after"]) <= 77
    assert len(everyone.servers[provider].completions) == 1
