"""What `kgents models`, `budgets` and `usage` ask of the API, and how they show what that answers."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Answer, Api, Kgents

MODEL: dict[str, Any] = {
    "provider": "openai", "model": "gpt-4o-mini", "credential_ref": None, "capabilities": ["streaming", "tools"],
    "context_window": 128000, "size_bytes": None, "is_local": False, "is_default": True,
    "prices": {"input": "0.15", "output": "0.6", "cached_input": "0.075", "currency": "USD"},
}  # fmt: skip
HEALTH: dict[str, Any] = {
    "provider": "anthropic", "credential_ref": "cred_1", "credential": "mine", "status": "refused",
    "detail": "anthropic refused it (401).", "models": None, "latency_ms": 12, "checked_at": "2026-11-21T10:00:00Z",
}  # fmt: skip
BUDGET: dict[str, Any] = {
    "id": "b-1", "scope": "agent", "subject": "a-1", "subject_name": "helper", "window": "day", "max_cost": "2.5",
    "max_tokens": None, "spent": {"cost": "1", "tokens": None}, "left": {"cost": "1.5", "tokens": None},
    "renews_at": "2026-11-22T00:00:00Z",
}  # fmt: skip


def page(*items: Any, **more: Any) -> Answer:
    return Answer(200, {"items": list(items), "next_cursor": None, **more})


def test_models_their_health_and_local_ones_are_listed(kgents: Kgents, api: Api):
    local = {
        "model": "llama3.2", "size_bytes": 2_000_000_000, "loaded": True, "memory_bytes": 2_100_000_000,
        "vram_bytes": 0, "timings": {"calls": 3, "load_ms": 120.0, "tokens_per_second": 31.5},
    }  # fmt: skip
    api.will("GET", "/api/v1/models", page(MODEL, providers=[HEALTH]))
    api.will("GET", "/api/v1/models/health", page(HEALTH))
    api.will("GET", "/api/v1/models/ollama", page(local))
    listed = kgents("models", "list")
    assert "openai    gpt-4o-mini (default)  128000  0.15/0.6 USD        the platform's  streaming tools" in listed.out
    assert "anthropic: anthropic refused it (401)." in listed.err
    assert kgents("models", "list", "--provider", "google", "--json").json["items"] == []
    health = kgents("models", "health")
    assert (health.code, "anthropic  refused  12 ms  mine" in health.out) == (1, True)
    assert "llama3.2  2000 MB  2100 MB  0 MB       31.5      120.0" in kgents("models", "local").out


def test_a_model_is_pulled_with_progress_and_a_failure_is_told(kgents: Kgents, api: Api):
    path = "/api/v1/models/ollama/pull"

    def events(*told: tuple[str, dict[str, Any]]) -> Answer:
        text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in told)
        return Answer(200, text, "text/event-stream")

    progress = ("progress", {"status": "pulling 0", "total": 10, "completed": 5})
    api.will("POST", path, events(progress, ("completed", {"model": "qwen3:4b"})))
    assert kgents("models", "pull", "qwen3:4b").out == "qwen3:4b is there.\n"
    assert [json.loads(body) for body in api.bodies("POST", path)] == [{"model": "qwen3:4b"}]
    problem = {"code": "model_not_found", "detail": "There is no such model.", "status": 404}
    api.will("POST", path, events(progress, ("failed", problem)))
    failed = kgents("models", "pull", "nothing")
    assert (failed.code, "There is no such model." in failed.err) == (2, True)
    api.will("POST", path, events(progress))
    assert "broke off" in kgents("models", "pull", "qwen3:4b").err
    assert kgents("models", "pull", " ").code == 2


def test_prices_are_listed_set_and_taken_away(kgents: Kgents, api: Api):
    price = {
        "provider": "openai", "model": "meta/llama", "input": "0.2", "output": "0.8", "cached_input": None,
        "currency": "USD", "source": "own", "as_of": "2026-11-21",
    }  # fmt: skip
    api.will("GET", "/api/v1/models/prices", page(price))
    api.will("PUT", "/api/v1/models/prices/openai/meta/llama", Answer(200, price))
    api.will("DELETE", "/api/v1/models/prices/openai/meta/llama", Answer(204))
    assert "openai    meta/llama  0.2    0.8     -       yours" in kgents("models", "prices", "list").out
    put = kgents("models", "prices", "set", "openai", "meta/llama", "--input", "0.2", "--output", "0.8")
    assert put.out == "meta/llama costs 0.2 in and 0.8 out (USD).\n"
    assert kgents("models", "prices", "unset", "openai", "meta/llama").code == 0
    assert kgents("models", "prices", "set", "openai", "", "--input", "1", "--output", "1").code == 2


def test_budgets_are_set_listed_and_deleted(kgents: Kgents, api: Api):
    api.will("GET", "/api/v1/budgets", page(BUDGET))
    api.will("PUT", "/api/v1/budgets", Answer(200, BUDGET))
    api.will("DELETE", "/api/v1/budgets/b-1", Answer(204))
    assert "b-1  agent helper  day  2.5 USD  1 USD  1.5 USD  2026-11-22 00:00" in kgents("budgets", "list").out
    put = kgents("budgets", "set", "agent", "helper", "--max-cost", "2.50")
    assert put.out == "agent helper: at most 2.5 USD a day, of which 1.5 USD are left. b-1\n"
    assert [json.loads(body) for body in api.bodies("PUT", "/api/v1/budgets")] == [
        {"scope": "agent", "subject": "helper", "window": "day", "max_cost": "2.50"}
    ]
    assert kgents("budgets", "delete", "b-1").out == "b-1 is deleted.\n"
    for rest, said in (
        (("agent", "helper"), "bounds nothing"),
        (("agent", "--max-tokens", "5"), "no agent is named"),
        (("platform", "all", "--max-tokens", "5"), "takes no name"),
        (("agent", "helper", "--max-cost", "cheap"), "write one such as 2.50"),
    ):
        refused = kgents("budgets", "set", *rest)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    api.will("PUT", "/api/v1/budgets", Answer(200, BUDGET | {"window": "total"}))
    assert "at most 2.5 USD in total, of which" in kgents("budgets", "set", "agent", "helper", "--max-cost", "2.50").out


def test_usage_is_summed_by_what_is_asked_for(kgents: Kgents, api: Api):
    row = {
        "key": "a-1", "name": "helper", "calls": 7, "failed_calls": 1, "answers_from_cache": 2, "prompt_tokens": 100,
        "completion_tokens": 50, "cached_tokens": 0, "cost": "0.25", "currency": "USD", "unpriced_calls": 0,
        "tool_calls": 0, "tool_cost": "0",
    }  # fmt: skip
    api.will("GET", "/api/v1/usage", page(row))
    assert "helper  7      1       2     100     50       0.25 USD  0" in kgents("usage", "--since", "2026-11-01").out
    assert kgents("usage", "--by", "agent", "--json").json == [row]
    api.will("GET", "/api/v1/usage", page(row | {"key": "u-1", "name": None}, row | {"key": "u-2", "name": None}))
    assert "\nu-1 " in kgents("usage", "--by", "user").out
    api.will("GET", "/api/v1/users/me", Answer(200, {"id": "u-1"}))
    shown = kgents("usage", "--by", "user").out
    assert ("\nyou " in shown, "\nu-2 " in shown) == (True, True)
