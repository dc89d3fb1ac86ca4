"""What is found by its meaning: with real weights of all-MiniLM-L6-v2, in every backend alike."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from aiohttp import web

from agent_runtime_service.budgets.book import Payer
from agent_runtime_service.memories.embeddings.local import minilm
from agent_runtime_service.memories.embeddings.minilm import MiniLm, NotAModel
from agent_runtime_service.memories.embeddings.wordpiece import WordPieces
from kgents_shared.errors import Unavailable
from kgents_shared.testing.model_server import ModelServer
from kgents_shared.testing.polling import eventually
from tests.external.embedding_model import embedding_model
from tests.external.running_runtime import Runtime

KEPT = {
    "tea": "Ann drinks green tea every morning",
    "car": "The company car has to be serviced in May",
    "pay": "Salaries are transferred on the last working day",
    "dog": "Bob's dog is afraid of thunderstorms",
}


def settings_of(backend: str, folder: Path) -> dict[str, Any]:
    chosen = {"embedding_dir": str(embedding_model())}
    return chosen if backend == "postgres" else {**chosen, "memory_backend": "qdrant", "qdrant_path": str(folder)}


class Keeper:
    """An agent that keeps and finds, as the tools have it."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.place: dict[str, Any] = {"owner_id": runtime.owner, "agent_id": str(uuid4())}

    async def ask(self, path: str, **body: Any) -> Any:
        headers = self.runtime.issuer.service("tools", "runtime")
        answer = await self.runtime.http.post(f"/internal/memories{path}", json=self.place | body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def put(self, key: str, value: Any, **more: Any) -> Any:
        return await self.ask("/put", key=key, value=value, **more)

    async def found(self, query: str, **more: Any) -> list[str]:
        return [one["key"] for one in (await self.ask("/search", query=query, **more))["memories"]]

    async def waiting(self) -> int:
        answer = await self.runtime.ask("GET", "/api/v1/memory/status")
        assert answer.status_code == 200, answer.text
        return answer.json()["waiting"]

    async def indexed(self) -> None:
        async def done() -> bool:
            return await self.waiting() == 0

        await eventually(done, describe="everything is indexed")


@pytest.mark.parametrize("backend", ["postgres", "qdrant"])
async def test_texts_are_found_by_what_they_mean(backend: str, start_runtime: Any, tmp_path: Path) -> None:
    async with start_runtime(**settings_of(backend, tmp_path)) as runtime:
        keeper, other = Keeper(runtime), Keeper(runtime)
        for key, text in KEPT.items():
            await keeper.put(key, text, tags=["work"] if key in ("car", "pay") else [])
        await other.put("secret", "Ann drinks green tea every morning")
        await keeper.indexed()

        answer = await keeper.ask("/search", query="Which hot beverage does she like?", mode="semantic")
        best = answer["memories"][0]
        assert (answer["method"], answer["note"], best["key"]) == ("semantic", None, "tea")
        assert 0.3 < best["similarity"] < 1
        assert best["score"] == pytest.approx(1)
        assert len(answer["memories"]) == len(KEPT)
        assert (await keeper.found("When will I get my money?"))[0] == "pay"
        assert (await keeper.found("thunderstorms and animals"))[0] == "dog"
        assert await keeper.found("money", mode="words") == []
        assert (await keeper.found("a vehicle", tags=["work"], limit=1)) == ["car"]
        assert await keeper.found("a vehicle", tags=["play"]) == []
        since = best["updated_at"]
        assert "tea" not in await keeper.found("hot beverage", until=since)
        assert set(await keeper.found("hot beverage", since=since)) == set(KEPT)

        await keeper.put("tea", "The printer on the second floor is broken")
        await keeper.ask("/delete", key="dog")
        await keeper.indexed()
        assert (await keeper.found("out of order device", mode="semantic"))[0] == "tea"
        assert "dog" not in await keeper.found("a frightened animal", mode="semantic")
        assert await other.found("printer", mode="semantic") == ["secret"]
        state = (await runtime.ask("GET", "/api/v1/memory/status")).json()
        assert state == {
            "method": "hybrid", "backend": backend, "backend_answers": True, "embeddings": "minilm/all-MiniLM-L6-v2",
            "waiting": 0, "note": None,
        }  # fmt: skip


async def test_vectors_go_to_another_backend_and_what_was_cut_off_goes_on(start_runtime: Any, tmp_path: Path) -> None:
    both = {**settings_of("postgres", tmp_path), "qdrant_path": str(tmp_path)}
    async with start_runtime(**both) as runtime:
        keeper = Keeper(runtime)
        for key, text in KEPT.items():
            await keeper.put(key, text)
        await keeper.indexed()
        copying = await copied(runtime)
        assert (copying["status"], copying["error"], copying["missing"]) == ("completed", None, 0)
        assert copying["copied"] == copying["held"] >= len(KEPT)
        again = await copied(runtime)
        assert (again["copied"], again["status"]) == (copying["copied"], "completed")
        await keeper.put("new", "A comet was seen over Lisbon")
        nowhere = {"source": "qdrant", "target": "qdrant"}
        refused = await runtime.ask("POST", "/api/v1/memory/copyings", json=nowhere, headers=admin(runtime))
        assert refused.json()["code"] == "memory_backend_unknown"
    async with start_runtime(**settings_of("qdrant", tmp_path)) as runtime:
        keeper.runtime = runtime
        assert (await keeper.found("hot beverage", mode="semantic"))[0] == "tea"
        await keeper.indexed()
        assert (await keeper.found("something in the sky", mode="semantic"))[0] == "new"


def admin(runtime: Runtime) -> dict[str, str]:
    return runtime.issuer.person("an-admin", roles=["admin"])


async def copied(runtime: Runtime) -> Any:
    way = {"source": "postgres", "target": "qdrant"}
    begun = await runtime.ask("POST", "/api/v1/memory/copyings", json=way, headers=admin(runtime))
    assert begun.status_code == 202, begun.text
    path = f"/api/v1/memory/copyings/{begun.json()['id']}"

    async def ended() -> Any:
        now = (await runtime.ask("GET", path, headers=admin(runtime))).json()
        return now if now["status"] != "running" else None

    return await eventually(ended, describe="the vectors are copied")


async def test_without_a_model_or_where_it_is_away_words_find_and_that_is_said(
    start_runtime: Any, tmp_path: Path
) -> None:
    async with start_runtime() as runtime:
        keeper = Keeper(runtime)
        await keeper.put("tea", KEPT["tea"])
        answer = await keeper.ask("/search", query="tea")
        assert (answer["method"], [one["key"] for one in answer["memories"]]) == ("words", ["tea"])
        assert "No model of embeddings is set up" in answer["note"]
        state = (await runtime.ask("GET", "/api/v1/memory/status")).json()
        assert (state["method"], state["embeddings"]) == ("words", "lexical")
    away = {**settings_of("postgres", tmp_path), "memory_backend": "qdrant", "qdrant_url": "http://127.0.0.1:1"}
    async with start_runtime(**away) as runtime:
        keeper.runtime = runtime
        answer = await keeper.ask("/search", query="tea")
        assert (answer["method"], [one["key"] for one in answer["memories"]]) == ("words", ["tea"])
        assert "Qdrant can't be asked right now" in answer["note"]
        await keeper.put("pay", KEPT["pay"])
        assert await keeper.found("salaries", mode="semantic") == ["pay"]
        state = (await runtime.ask("GET", "/api/v1/memory/status")).json()
        assert (state["method"], state["backend_answers"]) == ("words", False)


async def test_an_agent_that_wants_words_alone_has_no_vectors(start_runtime: Any, tmp_path: Path) -> None:
    async with start_runtime(**settings_of("postgres", tmp_path)) as runtime:
        keeper = Keeper(runtime)
        keeper.place["semantic"] = False
        await keeper.put("tea", KEPT["tea"])
        await keeper.indexed()
        answer = await keeper.ask("/search", query="tea")
        assert (answer["method"], len(answer["memories"])) == ("words", 1)
        assert "semantic = false" in answer["note"]
        keeper.place["semantic"] = True
        assert await keeper.found("hot beverage", mode="semantic") == []


class EmbeddingServer(ModelServer):
    """A model server that makes vectors, too: of how often each letter is there. `faults` come first."""

    asked = 0
    fault: int | None = None

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/embeddings", self._embed)

    async def _embed(self, http: web.Request) -> web.Response:
        body = await http.json()
        self.asked += 1
        assert http.headers["Authorization"] == "Bearer sk-canary-key"
        if self.fault is not None:
            return web.json_response({"error": {"message": "no"}}, status=self.fault)
        vectors = [[text.count(chr(97 + place)) + 0.01 for place in range(8)] for text in body["input"]]
        # Not in the order of the texts, as the wire allows.
        data = [{"index": place, "embedding": vector} for place, vector in enumerate(vectors)][::-1]
        return web.json_response({"data": data, "model": body["model"], "usage": {"prompt_tokens": 5}})


async def test_a_providers_model_embeds_everything_again_once_and_words_find_meanwhile(
    start_runtime: Any, tmp_path: Path, database_url: str
) -> None:
    async with start_runtime(**settings_of("postgres", tmp_path)) as runtime:
        keeper = Keeper(runtime)
        await keeper.put("tea", KEPT["tea"])
        await keeper.put("car", KEPT["car"])
        await keeper.indexed()
    async with EmbeddingServer(api_key="sk-canary-key") as server:
        server.fault = 400
        provider = {"embeddings": "openai", "embedding_model": "tiny", "openai_base_url": server.base_url}
        async with start_runtime(**provider) as runtime:
            keeper.runtime = runtime
            answer = await keeper.ask("/search", query="tea")
            assert (answer["method"], [one["key"] for one in answer["memories"]]) == ("words", ["tea"])
            assert answer["note"].startswith("Found by words alone: ")
            server.fault = None
            await keeper.indexed()
            found = await keeper.ask("/search", query=KEPT["tea"], mode="semantic")
            assert [one["key"] for one in found["memories"]] == ["tea", "car"]
            assert found["memories"][0]["similarity"] == pytest.approx(1)
            asked = server.asked
            await keeper.found(KEPT["tea"], mode="semantic")
            await keeper.put("same", KEPT["tea"])
            await keeper.indexed()
            assert server.asked == asked
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await connection.execute(
            "SELECT DISTINCT provider, model, purpose, prompt_tokens, agent_id::text FROM runtime.model_calls "
            "WHERE owner_id = %s AND error IS NULL", (keeper.place["owner_id"],)
        )  # fmt: skip
        assert await rows.fetchall() == [("openai", "tiny", "memory", 5, keeper.place["agent_id"])]


async def test_whose_budget_is_spent_keeps_nobody_elses_memories_waiting(start_runtime: Any, database_url: str) -> None:
    async with EmbeddingServer(api_key="sk-canary-key") as server:
        provider = {"embeddings": "openai", "embedding_model": "tiny", "openai_base_url": server.base_url}
        async with start_runtime(**provider) as runtime:
            poor, other, frugal, asked = (Keeper(runtime) for _ in range(4))
            other.place["owner_id"] = f"owner-{uuid4().hex}"
            worker = await runtime.add_agent("frugal", limits={"max_tokens_per_day": 1})
            frugal.place = other.place | {"agent_id": str(worker.agent_id)}
            asked.place = other.place | {"agent_id": str(uuid4()), "principal": runtime.owner}
            budget = {"scope": "user", "window": "total", "max_tokens": 1}
            assert (await runtime.ask("PUT", "/api/v1/budgets", json=budget)).status_code == 200
            await poor.put("tea", KEPT["tea"])
            await frugal.put("tea", KEPT["tea"])
            await asked.put("tea", KEPT["tea"])
            await other.put("car", KEPT["car"])

            async def is_found() -> bool:
                return await other.found(KEPT["car"], mode="semantic") == ["car"]

            await eventually(is_found, describe="the other one's memory has its vector")
            assert await poor.found("tea") == ["tea"]  # by its word
            # Each is counted for its agent, for the owner, and for whoever it is kept.
            for keeper, budget in ((frugal, "frugal's definition"), (asked, "your whole budget")):
                answer = await keeper.ask("/search", query="tea", mode="semantic")
                assert (answer["method"], budget in answer["note"]) == ("words", True), answer["note"]
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        owners = [poor.place["owner_id"], other.place["owner_id"]]
        await connection.execute("DELETE FROM runtime.memory_spaces WHERE owner_id = ANY(%s)", (owners,))


def test_the_model_says_what_its_publishers_do() -> None:
    said = MiniLm(embedding_model()).embed([
        "That is a happy person", "That is a happy dog", "That is a very happy person", "Today is a sunny day",
    ])  # fmt: skip
    likeness = [sum(a * b for a, b in zip(said[0], other, strict=True)) for other in said[1:]]
    # Of the model's page at its publishers.
    assert likeness == pytest.approx([0.695, 0.943, 0.257], abs=0.001)


def test_words_are_cut_as_the_vocabulary_has_them() -> None:
    pieces = WordPieces(embedding_model() / "vocab.txt")
    # As the publishers' tokenizer does.
    assert pieces.ids("Naïve café, don't!", 100) == [101, 15743, 7668, 1010, 2123, 1005, 1056, 999, 102]
    assert pieces.ids("日本\x00語 [SEP]", 100) == [101, 1864, 1876, 1950, 1031, 19802, 1033, 102]
    assert pieces.ids("x" * 101, 100) == [101, 100, 102]
    assert len(pieces.ids("word " * 1000, 256)) == 256


@pytest.mark.parametrize("fault", ["missing", "other", "garbage"])
def test_what_is_no_model_is_refused(fault: str, tmp_path: Path) -> None:
    if fault != "missing":
        (tmp_path / "vocab.txt").write_text("[CLS]\n[SEP]\n[UNK]\n", encoding="utf-8")
        (tmp_path / "model.safetensors").write_bytes(b"\xff" * 64)
        kind = "gpt2" if fault == "other" else "bert"
        shape = '"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": 4, "layer_norm_eps": 1e-12'
        text = f'{{"model_type": "{kind}", "hidden_act": "gelu", {shape}}}'
        (tmp_path / "config.json").write_text(text, encoding="utf-8")
    with pytest.raises(NotAModel):
        MiniLm(tmp_path).embed(["x"])


async def test_a_model_that_can_not_be_loaded_is_told_and_not_loaded_again_and_again(tmp_path: Path) -> None:
    embedder = minilm(tmp_path / "nothing")
    for _ in range(2):
        with pytest.raises(Unavailable) as refused:
            await embedder.embed(["x"], Payer("ann"))
        assert refused.value.code == "embeddings_away"
        assert "has no config.json, vocab.txt, model.safetensors" in refused.value.detail
        # What is there now would be taken, if it were looked at.
        if not (tmp_path / "nothing").exists():
            (tmp_path / "nothing").symlink_to(embedding_model())
    await embedder.close()


async def test_a_large_space_is_searched_by_the_index_and_finds_what_an_exact_search_does(
    start_runtime: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent_runtime_service.memories.backends.postgres.EXACT_UP_TO", 2)
    async with start_runtime(**settings_of("postgres", tmp_path)) as runtime:
        keeper = Keeper(runtime)
        await asyncio.gather(*(keeper.put(key, text) for key, text in KEPT.items()))
        await keeper.indexed()
        assert (await keeper.found("hot beverage", mode="semantic"))[0] == "tea"
