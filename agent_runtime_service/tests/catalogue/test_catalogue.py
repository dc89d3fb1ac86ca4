"""The models that a caller may ask, what they cost, whether providers answer; and the platform's Ollama."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from agent_runtime_service.catalogue.listing import read_list
from kgents_shared.testing.anthropic_server import AnthropicServer
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.ollama_server import OllamaServer
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime, read_events
from tests.external.runtime_siblings import RuntimeSiblings

REF = f"cred_{'b' * 32}"
StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]


@dataclass
class Stage:
    """A front whose operator has an account at OpenAI (a stand-in), Anthropic and Ollama."""

    runtime: Runtime
    openai: ModelServer
    anthropic: AnthropicServer
    ollama: OllamaServer

    async def get(self, path: str, *, owner: str | None = None) -> dict[str, Any]:
        answer = await self.runtime.ask("GET", f"/api/v1/models{path}", owner=owner)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def stage(start_runtime: StartRuntime, model: ModelServer) -> AsyncGenerator[Stage]:
    async with AsyncExitStack() as stack:
        anthropic = await stack.enter_async_context(AnthropicServer(api_key="sk-ant", models=("claude-haiku-4-5",)))
        ollama = await stack.enter_async_context(OllamaServer())
        runtime = await stack.enter_async_context(
            start_runtime(
                anthropic_base_url=anthropic.base_url,
                anthropic_api_key=SecretStr("sk-ant"),
                ollama_base_url=ollama.base_url,
                ssrf_allowed_hosts=["127.0.0.1"],
            )
        )
        yield Stage(runtime, model, anthropic, ollama)


async def test_every_account_of_the_caller_lists_its_models_with_what_they_cost_and_can(
    stage: Stage, siblings: RuntimeSiblings
):
    owner = stage.runtime.owner
    async with ModelServer(api_key="sk-own", models=("gpt-4o-mini", "house-model")) as own:
        siblings.credentials[REF] = {
            "owner_id": owner, "secret": "sk-own", "provider": "openai", "base_url": own.base_url,
        }  # fmt: skip
        mine = await stage.get("")
        others = await stage.get("", owner="somebody-else")
    found = {(row["provider"], row["model"], row["credential_ref"]): row for row in mine["items"]}
    assert set(found) == {
        ("openai", "fake-model", None),
        ("anthropic", "claude-haiku-4-5", None),
        ("ollama", "llama3.2", None),
        ("echo", "echo", None),
        ("openai", "gpt-4o-mini", REF),
        ("openai", "house-model", REF),
    }
    claude = found["anthropic", "claude-haiku-4-5", None]
    assert claude["prices"] == {"input": "1", "output": "5", "cached_input": "0.1", "currency": "USD"}
    assert claude["context_window"] == 200_000
    assert {"streaming", "tools", "images"} <= set(claude["capabilities"])
    assert found["openai", "fake-model", None]["prices"] is None
    assert found["openai", "fake-model", None]["is_default"] is True
    assert found["openai", "gpt-4o-mini", REF]["prices"]["output"] == "0.6"
    assert (found["ollama", "llama3.2", None]["is_local"], found["ollama", "llama3.2", None]["prices"]["input"]) == (
        True,
        "0",
    )
    assert REF not in str(others)
    assert len(others["items"]) == 4


async def test_health_says_who_refuses_the_key_and_who_is_away_and_asks_no_more_than_it_must(
    stage: Stage, siblings: RuntimeSiblings
):
    stage.anthropic.api_key = "another"
    await stage.ollama.stop()
    siblings.credentials[REF] = {"owner_id": stage.runtime.owner, "secret": "sk-x", "base_url": "http://10.1.2.3/v1"}
    health = {(row["provider"], row["credential_ref"]): row for row in (await stage.get("/health"))["items"]}
    assert {key: row["status"] for key, row in health.items()} == {
        ("openai", None): "ok",
        ("anthropic", None): "refused",
        ("ollama", None): "unreachable",
        ("echo", None): "ok",
        ("openai", REF): "credential_unusable",
    }
    assert health["openai", None]["models"] == 1
    assert (
        health["anthropic", None]["detail"] == "The model provider anthropic refused the platform's credential (401)."
    )
    asked = len(stage.openai.requests)
    again = await stage.get("/health")
    assert len(stage.openai.requests) == asked
    assert [row["checked_at"] for row in again["items"]] == [row["checked_at"] for row in health.values()]


async def test_ollamas_models_are_listed_pulled_with_progress_and_timed(stage: Stage, database_url: str):
    runtime, ollama = stage.runtime, stage.ollama
    await runtime.add_agent(llm={"provider": "ollama", "model": "llama3.2"})
    answer = await runtime.say("Hello")
    assert answer["usage"]["cost"] == {"amount": "0", "currency": "USD"}
    ollama.loaded.append("llama3.2")

    async def is_timed() -> bool:
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            cursor = await connection.execute(
                "SELECT timings->>'load_ms' FROM runtime.model_calls WHERE run_id = %s", (answer["run_id"],)
            )
            return await cursor.fetchone() == ("120",)

    await eventually(is_timed, describe="what Ollama told of its times is kept")
    pulled = await runtime.ask("POST", "/api/v1/models/ollama/pull", json={"model": "qwen3:4b"})
    events = read_events(pulled.text.splitlines())
    assert [name for name, _, _ in events] == ["progress"] * 11 + ["completed"]
    assert events[2][1] == {
        "status": "pulling 0", "digest": f"sha256:{0:064x}", "total": 1_000_000, "completed": 500_000,
    }  # fmt: skip
    local = {row["model"]: row for row in (await stage.get("/ollama"))["items"]}
    assert set(local) == {"llama3.2", "qwen3:4b"}
    llama = local["llama3.2"]
    assert (llama["loaded"], llama["memory_bytes"], llama["vram_bytes"]) == (True, 2_019_393_189, 1_009_696_594)
    assert llama["timings"]["load_ms"] == 120.0
    assert llama["timings"]["tokens_per_second"] > 0
    assert local["qwen3:4b"]["loaded"] is False


async def test_a_model_that_is_none_and_a_platform_without_ollama_are_told_as_such(stage: Stage, runtime: Runtime):
    missing = await stage.runtime.ask("POST", "/api/v1/models/ollama/pull", json={"model": "no-such-model"})
    [*_, (name, problem, _)] = read_events(missing.text.splitlines())
    assert (name, problem["code"], problem["status"]) == ("failed", "model_not_found", 404)
    refused = await stage.runtime.ask("POST", "/api/v1/models/ollama/pull", json={"model": "../../etc"})
    assert refused.status_code == 422
    scopes = frozenset({"models:read", "models:write"})
    for method, path, body in (("GET", "", None), ("POST", "/pull", {"model": "llama3.2"})):
        headers = runtime.issuer.person(runtime.owner, scopes)
        answer = await runtime.http.request(method, f"/api/v1/models/ollama{path}", headers=headers, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "provider_not_configured")
    readers = runtime.issuer.person(runtime.owner, frozenset({"models:read"}))
    listed = await runtime.http.get("/api/v1/models", headers=readers)  # who may see no credentials sees the rest
    assert {row["provider"] for row in listed.json()["items"]} == {"openai", "echo"}


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "ollama", "localai"])
@pytest.mark.parametrize(
    "document", [{}, {"data": 7, "models": "x"}, {"data": [7, {}, {"id": 7}], "models": [None, {"name": ["x"]}]}]
)
def test_a_list_of_another_shape_has_no_models(provider: str, document: dict[str, Any]):
    assert read_list(provider, document) == []


def test_what_lists_tell_of_models_is_taken():
    google = {
        "models": [
            {
                "name": "models/gemini-2.5-flash",
                "inputTokenLimit": 99,
                "supportedGenerationMethods": ["generateContent"],
            },
            {"name": "models/some-embedding", "supportedGenerationMethods": ["embedContent"]},
        ]
    }
    flash, embedding = read_list("google", google)
    assert (flash.name, flash.window) == ("gemini-2.5-flash", 99)
    assert embedding.capabilities == ("embeddings",)
    [local] = read_list("ollama", {"models": [{"name": "x", "size": 5, "capabilities": ["completion", "vision"]}]})
    assert local.capabilities == ("streaming", "images", "structured_output")
    [served] = read_list("localai", {"data": [{"id": "vllm", "max_model_len": 4096}]})
    assert (served.window, served.capabilities) == (4096, None)


async def test_an_administrators_prices_come_before_the_list_and_go_again(runtime: Runtime):
    async def of(model: str) -> dict[str, Any]:
        answer = await runtime.ask("GET", "/api/v1/models/prices", params={"provider": "openai"})
        return {row["model"]: row for row in answer.json()["items"]}[model]

    path = "/api/v1/models/prices/openai/gpt-4o-mini"
    listed = await of("gpt-4o-mini")
    assert (listed["source"], listed["input"], listed["as_of"][:4]) == ("list", "0.15", "2026")
    try:
        put = await runtime.ask("PUT", path, json={"input": "0.1", "output": "0.2"})
        assert (put.status_code, put.json()["source"]) == (200, "own")
        assert (await of("gpt-4o-mini"))["output"] == "0.2"
    finally:
        assert (await runtime.ask("DELETE", path)).status_code == 204
    assert await of("gpt-4o-mini") == listed
    assert (await runtime.ask("DELETE", path)).json()["code"] == "price_not_found"
    developer = runtime.issuer.person(runtime.owner, frozenset({"models:read"}))
    refused = await runtime.http.put(path, headers=developer, json={"input": "0", "output": "0"})
    assert refused.status_code == 403
    assert (await runtime.ask("PUT", path, json={"input": "-1", "output": "0.0000001"})).status_code == 422
