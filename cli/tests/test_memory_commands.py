"""What `kgents memory …` asks of the API, and how it shows what that answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

PATH = "/api/v1/agents/helper/memory"
TEA: dict[str, Any] = {
    "id": "m-1", "key": "tea", "text": "green", "value": "green", "tags": ["drinks"], "scope": "agent", "version": 2,
    "updated_at": "2026-11-21T10:00:00Z", "ended_at": None, "score": 1.0, "similarity": 0.519,
}  # fmt: skip
TEXT = TEA | {"id": "m-2", "key": "text:abc", "text": "Ann likes tea", "tags": [], "score": 0.5, "similarity": None}
COPYING = {
    "id": "c-1", "source": "postgres", "target": "qdrant", "model": "minilm/all-MiniLM-L6-v2", "status": "running",
    "copied": 0, "missing": 0, "held": None, "error": None,
}  # fmt: skip


@pytest.fixture
def stored(api: Api) -> Api:
    api.will("GET", PATH, Answer(200, {"items": [TEA, TEXT], "next_cursor": None}))
    api.will("GET", f"{PATH}/tea", Answer(200, TEA))
    old = TEA | {"version": 1, "text": "black", "ended_at": TEA["updated_at"], "updated_at": "2026-11-20T08:00:00Z"}
    api.will("GET", f"{PATH}/tea/history", Answer(200, {"versions": [TEA, old]}))
    api.will("PUT", f"{PATH}/tea", Answer(200, TEA))
    api.will("DELETE", f"{PATH}/tea", Answer(204))
    return api


def test_memories_are_listed_and_shown(kgents: Kgents, stored: Api):
    assert kgents("memory", "list", "helper", "--prefix", "t", "--tag", "drinks").out.splitlines() == [
        "KEY  SCOPE  SINCE             TAGS    VALUE",
        "tea  agent  2026-11-21 10:00  drinks  green",
        "m-2  agent  2026-11-21 10:00  -       Ann likes tea",
    ]
    assert kgents("memory", "list", "helper", "--json").json == [TEA, TEXT]
    assert kgents("memory", "get", "helper", "tea").out == "green\n"
    assert kgents("memory", "get", "helper", "tea", "--json").json == TEA
    assert kgents("memory", "history", "helper", "tea").out.splitlines() == [
        "NUMBER  SINCE                UNTIL                VALUE",
        "2       2026-11-21 10:00:00  now                  green",
        "1       2026-11-20 08:00:00  2026-11-21 10:00:00  black",
    ]


def test_values_are_put_and_deleted(kgents: Kgents, stored: Api):
    put = kgents("memory", "put", "helper", "tea", "green", "--tag", "drinks")
    assert put.out == "tea has its value number 2, in the memory of scope agent.\n"
    assert kgents("memory", "put", "helper", "tea", '{"cups": 2}', "--json-value", "--scope", "user").code == 0
    bodies = [json.loads(body) for body in stored.bodies("PUT", f"{PATH}/tea")]
    assert bodies == [
        {"value": "green", "tags": ["drinks"], "scope": None}, {"value": {"cups": 2}, "tags": [], "scope": "user"},
    ]  # fmt: skip
    assert kgents("memory", "put", "helper", "tea", "{cups", "--json-value").code == 2
    assert kgents("memory", "delete", "helper", "tea").code != 0
    for key in ("", "orders/open"):
        refused = kgents("memory", "get", "helper", key)
        assert (refused.code, "is no key" in refused.err) == (2, True)
    assert kgents("memory", "delete", "helper", "tea", "--yes").out == "tea is deleted, with its history.\n"


def test_a_search_says_how_it_was_done(kgents: Kgents, api: Api):
    found = {"memories": [TEA, TEXT], "method": "words", "note": "Found by words alone: Qdrant can't be asked."}
    api.will("POST", f"{PATH}/search", Answer(200, found))
    ran = kgents("memory", "search", "helper", "hot drinks", "--mode", "semantic", "--limit", "5")
    assert ran.err == "Found by: words. Found by words alone: Qdrant can't be asked.\n"
    assert ran.out.splitlines() == [
        "SCORE  SIMILARITY  KEY  SINCE             VALUE",
        "1.00   0.52        tea  2026-11-21 10:00  green",
        "0.50   -           m-2  2026-11-21 10:00  Ann likes tea",
    ]
    asked = json.loads(api.bodies("POST", f"{PATH}/search")[0])
    assert asked == {"query": "hot drinks", "mode": "semantic", "limit": 5}


def test_the_status_says_what_finds_memories(kgents: Kgents, api: Api):
    state = {
        "method": "words", "backend": "qdrant", "backend_answers": False, "embeddings": "minilm/all-MiniLM-L6-v2",
        "waiting": 3, "note": "The backend qdrant can't be asked.",
    }  # fmt: skip
    api.will("GET", "/api/v1/memory/status", Answer(200, state))
    ran = kgents("memory", "status")
    assert ran.out.splitlines() == [
        "memories are found  by words alone",
        "embeddings          minilm/all-MiniLM-L6-v2",
        "backend             qdrant, which can't be asked right now",
        "not embedded yet    3 texts",
    ]
    assert ran.err == "The backend qdrant can't be asked.\n"


@pytest.mark.parametrize(("status", "code"), [("completed", 0), ("failed", 1)])
def test_vectors_are_copied_and_counted(kgents: Kgents, api: Api, status: str, code: int):
    error = None if code == 0 else "qdrant has 7 vectors, postgres 8"
    ended = COPYING | {"status": status, "copied": 8, "missing": 1, "held": 7 + (code == 0), "error": error}
    api.will("POST", "/api/v1/memory/copyings", Answer(202, COPYING))
    api.will("GET", "/api/v1/memory/copyings/c-1", Answer(200, ended))
    ran = kgents("memory", "migrate", "--from", "postgres", "--to", "qdrant")
    assert ran.code == code
    assert ran.out.splitlines() == [
        f"8 vectors of minilm/all-MiniLM-L6-v2 copied from postgres to qdrant, which has {ended['held']}.",
        "1 text had none yet: qdrant gets theirs when it is used.",
    ]
    assert kgents("memory", "migrate", "--from", "postgres", "--to", "qdrant", "--resume", "c-1").code == code
