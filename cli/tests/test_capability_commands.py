"""What `kgents capabilities …` asks of the API, and how it shows what that answers."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Answer, Api, Kgents

PATH = "/api/v1/capabilities"
AGENTS: list[dict[str, Any]] = [
    {"agent_id": "a-1", "agent": "french", "healthy": True, "instances": 1, "active_runs": 2, "latency_ms": 9.5},
    {"agent_id": "a-2", "agent": "german", "healthy": False, "instances": 0, "active_runs": 0, "latency_ms": None},
]
DELIVERY: dict[str, Any] = {
    "id": "d-1", "capability": "translate", "from_agent_id": None, "agent_id": "a-1", "agent": "french",
    "run_id": "r-1", "why": "the only healthy one", "known": 2, "healthy": 1, "routing_ms": 0.1, "status": "completed",
    "error": None, "latency_ms": 12.4, "created_at": "2026-11-21T10:00:00Z",
}  # fmt: skip


def page(*items: Any) -> Answer:
    return Answer(200, {"items": list(items), "next_cursor": None})


def test_capabilities_and_deliveries_are_listed(kgents: Kgents, api: Api):
    api.will("GET", PATH, page({"capability": "translate", "healthy": 1, "agents": AGENTS}))
    api.will("GET", f"{PATH}/deliveries", page(DELIVERY))
    shown = kgents("capabilities", "list").out
    assert "translate   1 of 2   french (2 runs), german (not ready)" in shown
    assert (
        "2026-11-21 10:00  translate   -     french  completed  12 ms  the only healthy one"
        in kgents("capabilities", "deliveries", "--capability", "translate").out
    )
    assert kgents("capabilities", "deliveries", "--json").json == [DELIVERY]


def test_a_message_goes_to_whoever_can_and_it_is_said_who_answered(kgents: Kgents, api: Api):
    ids = {"run_id": "r-1", "conversation_id": "c-1", "agent_id": "a-1", "agent": "french"}
    events = (("run", ids), ("delta", {"text": "Bonjour"}), ("completed", ids | {"text": "Bonjour"}))
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    api.will("POST", f"{PATH}/translate/message", Answer(200, text, "text/event-stream"))
    ran = kgents("capabilities", "message", "translate", "Hello", "--to", "helper")
    assert (ran.code, ran.out) == (0, "Bonjour\n")
    assert "french answered; go on with: --conversation c-1" in ran.err
    assert [json.loads(body) for body in api.bodies("POST", f"{PATH}/translate/message")] == [
        {"text": "Hello", "to": "helper"}
    ]
    assert kgents("capabilities", "message", "translate", " ").code == 2
