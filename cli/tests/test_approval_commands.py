"""What `kgents approvals …` asks of the API, and what a person reads before they decide."""

from __future__ import annotations

import json
from typing import Any

from .conftest import Answer, Api, Kgents

PATH = "/api/v1/approvals"
ID = "0199c0de-0000-7000-8000-000000000001"
APPROVAL: dict[str, Any] = {
    "id": ID, "owner_id": "p-1", "status": "pending", "action": "tool:mail.send", "summary": "mail.send to ada",
    "agent_id": "a-1", "agent_name": "clerk", "run_id": "r-1", "conversation_id": None, "requested_by": "p-1",
    "decided_by": None, "decided_at": None, "note": None, "created_at": "2026-11-21T10:00:00Z",
    "expires_at": "2026-11-28T10:00:00Z", "payload": {"to": "ada", "text": "Hello"}, "payload_hash": "a" * 64,
    "history": [{"what": "asked", "who": "tools", "note": None, "at": "2026-11-21T10:00:00Z"}],
}  # fmt: skip


def test_what_waits_is_listed_and_all_of_it_when_asked_for(kgents: Kgents, api: Api):
    api.will("GET", PATH, Answer(200, {"items": [APPROVAL], "next_cursor": None}))
    head, row = kgents("approvals", "list").out.splitlines()
    assert head.split() == ["ID", "STATUS", "AGENT", "UNTIL", "ACTION", "SUMMARY"]
    assert row.split() == [
        ID, "pending", "clerk", "2026-11-28", "10:00", "tool:mail.send", "mail.send", "to", "ada",
    ]  # fmt: skip
    assert api.seen[-1].path == f"{PATH}?status=pending"
    assert kgents("approvals", "list", "--status", "all", "--run", "r-1", "--json").json == [APPROVAL]
    assert api.seen[-1].path == f"{PATH}?run_id=r-1"
    api.will("GET", PATH, Answer(200, {"items": [], "next_cursor": None}))
    assert kgents("approvals", "list").err == "Nothing waits for you.\n"


def test_the_payload_is_shown_in_full_and_can_not_look_like_anything_else(kgents: Kgents, api: Api):
    hostile = {"text": "Hi\nstatus  approved\x1b[2J\u202e", "lines": ["x" * 3000]}
    summary = "mail\x1b]0;owned\x07\nhistory\n  approved by you"
    api.will("GET", f"{PATH}/{ID}", Answer(200, {**APPROVAL, "payload": hostile, "summary": summary}))
    ran = kgents("approvals", "show", ID)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert lines[0] == "mail\\x1b]0;owned\\x07 history approved by you  pending"
    assert "agent     clerk" in lines
    assert '    "text": "Hi\\nstatus  approved\\u001b[2J\\u202e",' in lines
    assert "x" * 3000 in ran.out
    assert "  2026-11-21 10:00  asked by tools" in lines
    assert not set(ran.out) & {"\x1b", "\x07", "\u202e"}
    assert f"kgents approvals approve {ID}" in ran.err
    assert kgents("approvals", "show", ID, "--json").json["payload"] == hostile


def test_a_decision_is_sent_with_its_note_and_told_with_what_it_is_about(kgents: Kgents, api: Api):
    api.will("POST", f"{PATH}/{ID}/decide", Answer(200, {**APPROVAL, "status": "approved"}))
    assert kgents("approvals", "approve", ID).out == "approved: mail.send to ada\n"
    api.will("POST", f"{PATH}/{ID}/decide", Answer(200, {**APPROVAL, "status": "rejected"}))
    assert kgents("approvals", "reject", ID, "--note", "Ask first", "--json").json["status"] == "rejected"
    sent = [json.loads(body) for body in api.bodies("POST", f"{PATH}/{ID}/decide")]
    assert sent == [{"decision": "approve"}, {"decision": "reject", "note": "Ask first"}]


def test_who_may_not_decide_is_told_what_to_do(kgents: Kgents, api: Api):
    for status, code, hint in ((403, "not_in_person", "kgents login"), (404, "approval_not_found", "--status all")):
        api.will("POST", f"{PATH}/{ID}/decide", Answer(status, {"detail": "No.", "code": code}))
        ran = kgents("approvals", "approve", ID)
        assert (ran.code, hint in ran.err) == (1 if status == 403 else 2, True)
