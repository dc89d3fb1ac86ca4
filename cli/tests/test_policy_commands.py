"""What `kgents policies …` and `kgents tools allow|deny|…` ask of the API, and how they show what it answers."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from kgents_cli.main import cli

from .conftest import Answer, Api, Kgents

POLICIES, RULES = "/api/v1/governance/policies", "/api/v1/tools/permissions"
NAMES, DENIALS = "/api/v1/tools/capabilities", "/api/v1/tools/denials"
ID = "0199c0de-0000-7000-8000-000000000001"
TEXT = 'forbid (principal, action, resource in Server::"mail");\n'
POLICY: dict[str, Any] = {
    "id": ID, "level": "owner", "owner_id": "p-1", "name": "no-mail", "description": "mail", "text": TEXT,
    "enabled": True, "version": 3, "created_by": "p-1", "created_at": "2026-11-21T10:00:00Z", "updated_by": "p-1",
    "updated_at": "2026-11-21T10:00:00Z",
}  # fmt: skip
RULE: dict[str, Any] = {
    "id": ID, "level": "owner", "owner_id": "p-1", "agent": None, "effect": "deny", "pattern": "shell.*", "note": None,
    "created_by": "p-1", "created_at": "2026-11-21T10:00:00Z", "warnings": [],
}  # fmt: skip


def page(*items: Any) -> Answer:
    return Answer(200, {"items": list(items), "next_cursor": None})


def sent(api: Api, method: str, path: str) -> Any:
    (body,) = api.bodies(method, path)
    return json.loads(body)


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "no-mail.cedar"
    path.write_text(TEXT)
    return str(path)


def test_a_policy_is_made_of_a_file_and_faults_are_told_as_compilers_do(kgents: Kgents, api: Api, file: str):
    api.will("POST", POLICIES, Answer(201, POLICY))
    ran = kgents("policies", "add", "no-mail", file, "--organisation", "acme", "--description", "mail")
    assert ran.out == "no-mail is made and holds everywhere within a second.\n"
    assert sent(api, "POST", POLICIES) == {
        "name": "no-mail", "text": TEXT, "level": "owner", "description": "mail", "enabled": True,
    }  # fmt: skip
    assert api.seen[-1].path == f"{POLICIES}?organisation=acme"
    fault = {
        "loc": ["text"],
        "msg": "unexpected token `}`",
        "code": "policy_syntax",
        "hint": None,
        "line": 2,
        "column": 7,
    }
    refused = {"detail": "The text can't be taken as a policy.", "code": "policy_refused", "errors": [fault]}
    api.will("POST", POLICIES, Answer(422, refused))
    ran = kgents("policies", "add", "no-mail", file)
    assert ran.code == 2
    assert f"{file}:2:7: text: unexpected token `}}`" in ran.err


def test_a_policy_is_changed_and_ended_by_its_name(kgents: Kgents, api: Api, file: str):
    api.will("GET", POLICIES, page(POLICY))
    api.will("PUT", f"{POLICIES}/{ID}", Answer(200, {**POLICY, "version": 4, "enabled": False}))
    ran = kgents("policies", "update", "no-mail", file, "--disabled")
    assert ran.out == "no-mail is at version 4 and decides nothing: it is off.\n"
    assert sent(api, "PUT", f"{POLICIES}/{ID}") == {
        "text": TEXT, "description": "mail", "enabled": False, "version": 3,
    }  # fmt: skip
    assert kgents("policies", "delete", "no-mail").code == 1
    api.will("DELETE", f"{POLICIES}/{ID}", Answer(204))
    assert "is deleted" in kgents("policies", "delete", "no-mail", "--yes").out
    shown = kgents("policies", "show", "no-mail")
    assert (shown.out, shown.err) == (TEXT + "\n", "no-mail: owner, version 3, on\n")
    api.will("GET", POLICIES, page())
    assert "no policy named no-mail" in kgents("policies", "show", "no-mail", "--platform").err
    assert api.seen[-1].path == f"{POLICIES}?name=no-mail&level=platform"


def test_policies_and_their_versions_are_listed(kgents: Kgents, api: Api):
    api.will("GET", POLICIES, page(POLICY))
    head, row = kgents("policies", "list").out.splitlines()
    assert head.split() == ["NAME", "LEVEL", "ORGANISATION", "VERSION", "STATE", "CHANGED", "DESCRIPTION"]
    assert row.split() == ["no-mail", "owner", "-", "3", "on", "2026-11-21", "10:00", "mail"]
    version = {"version": 3, "text": TEXT, "enabled": True, "changed_by": "p-1", "at": "2026-11-21T10:00:00Z"}
    api.will("GET", f"{POLICIES}/{ID}/versions", page(version))
    assert kgents("policies", "versions", "no-mail").out.splitlines()[1].split() == [
        "3",
        "on",
        "2026-11-21",
        "10:00",
        "p-1",
    ]


TRIED = " Change it by `kgents policies update tried`."


def test_a_call_is_tried_and_the_exit_code_says_what_was_decided(kgents: Kgents, api: Api, file: str):
    path = f"{POLICIES}/check"
    tool = {"name": "mail.send", "kind": "mcp", "side_effect": "write", "server_id": "s-1"}
    api.will("GET", "/api/v1/tools/mail.send", Answer(200, tool))
    api.will("GET", "/api/v1/mcp-servers/s-1", Answer(200, {"transport": "wasm"}))
    api.will("POST", path, Answer(200, {"allowed": True, "reason": "", "rules": []}))
    asked = ("policies", "check", "mail.send", "--file", file, "--agent", "desk", "--arguments", '{"to": "ada"}')
    ran = kgents(*asked)
    assert (ran.code, ran.out) == (0, "allowed\n")
    assert sent(api, "POST", path) == {
        "call": {
            "tool": "mail.send", "agent_name": "desk", "arguments": {"to": "ada"}, "side_effect": "write",
            "kind": "wasm",
        },
        "text": TEXT,
        "level": "owner",
    }  # fmt: skip
    api.will(
        "POST", path, Answer(200, {"allowed": False, "reason": f"The policy x forbids\x1b it.{TRIED}", "rules": []})
    )
    ran = kgents(*asked)
    assert (ran.code, ran.out) == (1, "denied: The policy x forbids\\x1b it.\n")
    assert "Note: there is no tool x.y" in kgents("policies", "check", "x.y", "--kind", "http").err
    assert json.loads(api.bodies("POST", path)[-1])["call"] == {"tool": "x.y", "kind": "http"}
    assert kgents("policies", "check", "x.y", "--arguments", "[").code == 2
    assert kgents("policies", "check", "x.y", "--arguments", "[]").code == 2
    assert "action call_tool" in kgents("policies", "schema").out


def test_tools_are_allowed_denied_and_taken_back(kgents: Kgents, api: Api):
    api.will("POST", RULES, Answer(201, {**RULE, "effect": "allow", "warnings": ["It is the first allow."]}))
    api.will("GET", "/api/v1/agents/desk", Answer(200, {"name": "desk"}))
    ran = kgents("tools", "allow", "time.*", "--agent", "desk", "--note", "why")
    assert ran.out == "Allowed: time.* for the agent desk, from the next call on.\n"
    assert ran.err == "Note: It is the first allow.\n"
    assert sent(api, "POST", RULES) == {
        "effect": "allow", "pattern": "time.*", "level": "agent", "agent": "desk", "note": "why",
    }  # fmt: skip
    ran = kgents("tools", "deny", "tme", "--agent", "dsk")
    assert ran.err.splitlines()[1:] == [
        "Note: There is no agent named dsk yet.",
        "Note: There is no tool named tme yet.",
    ]
    assert kgents("tools", "deny", "x", "--system", "--agent", "desk").code == 2
    api.will("GET", RULES, page({**RULE, "owner_id": "other"}, {**RULE, "id": "mine"}))
    api.will("GET", "/api/v1/users/me", Answer(200, {"id": "p-1"}))
    api.will("DELETE", f"{RULES}/mine", Answer(204))
    assert kgents("tools", "deny", "shell.*", "--remove").out == "Taken back: deny shell.* for your agents.\n"
    ran = kgents("tools", "deny", "nope", "--remove")
    assert (ran.code, "no rule that says deny nope" in ran.err) == (2, True)


def test_rules_capabilities_and_denials_are_listed(kgents: Kgents, api: Api):
    api.will("GET", RULES, page(RULE))
    assert kgents("tools", "permissions").out.splitlines()[1].split() == [
        "owner", "-", "-", "deny", "shell.*", "2026-11-21", "10:00", "-",
    ]  # fmt: skip
    name = {
        "name": "reading", "owner_id": None, "description": "", "patterns": ["files.read"], "updated_by": "p-1",
        "updated_at": "2026-11-21T10:00:00Z",
    }  # fmt: skip
    api.will("GET", NAMES, page(name))
    assert kgents("tools", "capabilities").out.splitlines()[1].split() == [
        "reading",
        "the",
        "platform",
        "files.read",
        "-",
    ]
    api.will("PUT", f"{NAMES}/reading", Answer(201, name))
    assert "stands for files.read" in kgents("tools", "capability", "reading", "files.read", "--system").out
    assert api.seen[-1].path == f"{NAMES}/reading?level=system"
    assert kgents("tools", "capability", "reading").code == 2
    api.will("DELETE", f"{NAMES}/reading", Answer(204))
    assert kgents("tools", "capability", "reading", "--remove").out == "capability:reading is forgotten.\n"
    by = {"level": "owner", "pattern": "shell.*", "policy": None, "rule": None}
    count = {"day": "2026-11-21", "owner_id": "p-1", "agent": "desk", "tool": "shell.run", "denied_by": by, "calls": 4}
    policy = {**count, "denied_by": {"level": "policy", "pattern": None, "policy": "no-mail", "rule": "1"}}
    api.will("GET", DENIALS, page(count, policy))
    rows = kgents("tools", "denials", "--agent", "desk").out.splitlines()[1:]
    assert [" ".join(row.split()[4:]) for row in rows] == ["owner: deny shell.*", "policy no-mail, rule 1"]
    assert api.seen[-1].path == f"{DENIALS}?agent=desk"


DOCS = Path(__file__).resolve().parents[2] / "docs"
LINES = [
    line.removeprefix("$ kgents ")
    for page in ("permissions.md", "policies.md")
    for line in (DOCS / page).read_text("utf-8").splitlines()
    if line.startswith("$ kgents ")
]


@pytest.mark.parametrize("line", LINES)
def test_what_the_pages_tell_to_type_is_taken(line: str):
    context = click.Context(cli)
    command: click.Command | None = cli
    words = shlex.split(line)
    while isinstance(command, click.Group):
        command = command.get_command(context, words.pop(0))
    assert command is not None
    command.make_context(line, words)  # raises UsageError for what it doesn't take
