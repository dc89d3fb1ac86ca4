"""What `kgents kinds …` asks of the API, and how it shows what that answers."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Api, Kgents

MADE = {"owner_id": "p-1", "organisation": None, "created_at": "2026-11-21T09:30:00Z"}
CHANGED = {"updated_at": "2026-11-21T10:00:00Z"}
GHOST = MADE | CHANGED | {"id": "g-1", "name": "helper", "description": "Helps.", "system_prompt": "Be brief."}
MODEL = (
    MADE
    | CHANGED
    | {
        "id": "m-1", "name": "quick", "provider": "openai", "model_name": "gpt", "temperature": None,
        "max_tokens": None, "api_key_ref": None,
    }
)  # fmt: skip
SHELL = MADE | CHANGED | {"id": "s-1", "name": "plain", "type": "Chat", "config": {"capabilities": ["chat"]}}
IDS = {"ghost_id": "g-1", "model_id": "m-1", "shell_id": "s-1"}
BOT = MADE | CHANGED | {"id": "b-1", "name": "desk", **IDS}
BOT_IN_FULL = BOT | {"ghost": GHOST, "model": MODEL, "shell": SHELL}
TEAM = MADE | CHANGED | {"id": "t-1", "name": "front", "mode": "route", "members": [{"bot_id": "b-1", "role": "lead"}]}
TEAM_IN_FULL = TEAM | {"members": [{"bot_id": "b-1", "role": "lead", "bot": BOT}]}
SHOWN = {"ghost": GHOST, "model": MODEL, "shell": SHELL, "bot": BOT_IN_FULL, "team": TEAM_IN_FULL}


@pytest.fixture
def stored(api: Api) -> Api:
    """One of each kind, found by name."""
    for kind, thing in SHOWN.items():
        path = f"/api/v1/kinds/{kind}s"
        api.will("GET", f"{path}/{thing['name']}", Answer(200, thing))
        api.will("POST", path, Answer(201, thing))
        api.will("PUT", f"{path}/{thing['name']}", Answer(200, thing))
        api.will("DELETE", f"{path}/{thing['name']}", Answer(204))
    return api


def sent(api: Api, method: str, path: str) -> Any:
    (body,) = api.bodies(method, f"/api/v1/kinds/{path}")
    return json.loads(body)


@pytest.mark.parametrize(
    ("kind", "arguments", "body"),
    [
        ("ghost", ["--prompt", "Hi.", "--description", "D"], {"system_prompt": "Hi.", "description": "D"}),
        (
            "model",
            ["--provider", "openai", "--model", "gpt", "--temperature", "0", "--max-tokens", "9", "--api-key-ref", "c"],
            {"provider": "openai", "model_name": "gpt", "temperature": 0.0, "max_tokens": 9, "api_key_ref": "c"},
        ),
        ("model", [], {}),
        ("shell", ["--type", "Chat"], {"type": "Chat"}),
        ("bot", ["--ghost", "helper", "--model", "quick", "--shell", "plain"], IDS),
        (
            "team",
            ["--mode", "route", "--bot", "desk:lead", "--bot", "desk"],
            {"mode": "route", "members": [{"bot_id": "b-1", "role": "lead"}, {"bot_id": "b-1", "role": None}]},
        ),
    ],
    ids=["ghost", "model", "least-model", "shell", "bot", "team"],
)
def test_create_sends_what_was_named_with_names_as_ids(
    kgents: Kgents, stored: Api, kind: str, arguments: list[str], body: dict[str, Any]
):
    ran = kgents("kinds", f"{kind}s", "create", "new", *arguments)
    assert ran.code == 0, ran.err
    assert sent(stored, "POST", f"{kind}s") == {"name": "new", **body}
    assert ran.out.startswith(f"The {kind} {SHOWN[kind]['name']} is made, id ")


def test_a_prompt_and_settings_come_from_files(kgents: Kgents, stored: Api, tmp_path: Path):
    prompt, settings, as_json = tmp_path / "p.md", tmp_path / "s.toml", tmp_path / "s.json"
    prompt.write_bytes("Zürich\r\n  kept to the byte\n".encode())
    settings.write_text('[tools]\nallow = ["time.*"]\n')
    as_json.write_text('{"limits": {"max_steps": 3}}')
    assert kgents("kinds", "ghosts", "create", "g", "--prompt-file", str(prompt)).code == 0
    assert sent(stored, "POST", "ghosts")["system_prompt"] == "Zürich\r\n  kept to the byte\n"
    for file in (settings, as_json):
        assert kgents("kinds", "shells", "create", "s", "--config", str(file)).code == 0
    configs = [json.loads(body)["config"] for body in stored.bodies("POST", "/api/v1/kinds/shells")]
    assert configs == [{"tools": {"allow": ["time.*"]}}, {"limits": {"max_steps": 3}}]


@pytest.mark.parametrize(
    ("kind", "arguments", "change"),
    [
        ("ghost", ["--description", "New."], {"description": "New."}),
        ("ghost", ["--name", "other"], {"name": "other"}),
        ("model", ["--temperature", "1"], {"temperature": 1.0}),
        ("shell", ["--type", "Chat"], {}),
        ("bot", ["--model", "quick"], {}),
        ("team", ["--mode", "pipeline"], {"mode": "pipeline"}),
    ],
    ids=["description", "name", "model", "shell", "bot", "team"],
)
def test_update_leaves_what_was_not_named(
    kgents: Kgents, stored: Api, kind: str, arguments: list[str], change: dict[str, Any]
):
    name = SHOWN[kind]["name"]
    ran = kgents("kinds", f"{kind}s", "update", name, *arguments)
    assert ran.code == 0, ran.err
    plain = {"bot": BOT, "team": TEAM}.get(kind, SHOWN[kind])
    own = {"id", *MADE, *CHANGED}
    body = {field: value for field, value in plain.items() if field not in own}
    assert sent(stored, "PUT", f"{kind}s/{name}") == body | change


def test_another_type_of_shell_leaves_the_settings_of_the_old_behind(kgents: Kgents, stored: Api):
    kgents("kinds", "shells", "update", "plain", "--type", "Remote")
    assert sent(stored, "PUT", "shells/plain") == {"name": "plain", "type": "Remote"}


def test_an_update_of_nothing_is_bad_input(kgents: Kgents, stored: Api):
    ran = kgents("kinds", "ghosts", "update", "helper")
    assert ran.code == 2
    assert "nothing to change" in ran.err
    assert [one for one in stored.seen if one.method == "PUT"] == []


def test_what_an_organisations_bot_names_is_the_organisations(kgents: Kgents, stored: Api):
    for kind, thing in (("ghost", GHOST), ("model", MODEL), ("shell", SHELL)):
        stored.will("GET", f"/api/v1/kinds/{kind}s/acme~{thing['name']}", Answer(200, thing))
    parts = ["--ghost", "helper", "--model", "acme~quick", "--shell", "plain"]
    assert kgents("kinds", "bots", "create", "desk", *parts, "--organisation", "acme").code == 0
    posted = next(one for one in stored.seen if one.method == "POST" and "/kinds/bots" in one.path)
    assert posted.path.endswith("?organisation=acme")
    stored.will("GET", "/api/v1/kinds/bots/acme~desk", Answer(200, BOT_IN_FULL | {"organisation": "acme"}))
    stored.will("PUT", "/api/v1/kinds/bots/acme~desk", Answer(200, BOT | {"organisation": "acme"}))
    ran = kgents("kinds", "bots", "update", "acme~desk", "--ghost", "helper")
    assert ran.out == "The bot acme~desk is changed, id b-1.\n"


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("ghost", ["system_prompt  Be brief.", "description    Helps."]),
        ("model", ["provider       openai", "temperature    -"]),
        ("shell", ["type           Chat", 'config:\n{\n  "capabilities"']),
        ("bot", ["ghost          helper, id g-1", "shell          plain, id s-1"]),
        ("team", ["mode           route", "lead           desk, id b-1"]),
    ],
)
def test_get_shows_what_one_is_made_of(kgents: Kgents, stored: Api, kind: str, said: list[str]):
    ran = kgents("kinds", f"{kind}s", "get", SHOWN[kind]["name"])
    assert ran.code == 0, ran.err
    for text in [f"name           {SHOWN[kind]['name']}", *said]:
        assert text in ran.out
    assert kgents("kinds", f"{kind}s", "get", SHOWN[kind]["name"], "--json").json == SHOWN[kind]


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("ghost", "helper  g-1  2026-11-21 10:00  Helps."),
        ("model", "quick  m-1  2026-11-21 10:00  openai    gpt"),
        ("shell", "plain  s-1  2026-11-21 10:00  Chat"),
        ("bot", "desk  b-1  2026-11-21 10:00"),
        ("team", "front  t-1  2026-11-21 10:00  route  1"),
    ],
)
def test_list_shows_a_line_for_each(kgents: Kgents, api: Api, kind: str, line: str):
    path = f"/api/v1/kinds/{kind}s"
    rows = {"ghost": GHOST, "model": MODEL, "shell": SHELL, "bot": BOT, "team": TEAM}
    api.will("GET", path, Answer(200, {"items": [rows[kind]], "next_cursor": None}))
    ran = kgents("kinds", f"{kind}s", "list", "--organisation", "acme")
    assert ran.out.splitlines()[1] == line
    assert "organisation=acme" in api.seen[-1].path
    assert kgents("kinds", f"{kind}s", "list", "--json").json == [rows[kind]]
    api.will("GET", path, Answer(200, {"items": [], "next_cursor": None}))
    assert f"kgents kinds {kind}s create" in kgents("kinds", f"{kind}s", "list").err


def test_delete_asks_first_and_says_who_uses_what_stays(kgents: Kgents, stored: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    assert kgents("kinds", "bots", "delete", "desk").code == 1
    assert [one for one in stored.seen if one.method == "DELETE"] == []
    assert kgents("kinds", "bots", "delete", "desk", "--yes").out == "The bot desk is deleted.\n"
    in_use = {"detail": 'The ghost "helper" is used by bot "desk".', "code": "in_use", "used_by": []}
    stored.will("DELETE", "/api/v1/kinds/ghosts/helper", Answer(409, in_use))
    ran = kgents("kinds", "ghosts", "delete", "helper", "-y")
    assert ran.code == 2
    assert 'is used by bot "desk"' in ran.err


def test_publish_waits_for_the_agent_of_that_name(kgents: Kgents, stored: Api):
    path = "/api/v1/kinds/bots/desk/publish"
    stored.will("POST", path, Answer(200, {"name": "desk", "version": 2}))
    ready = {"id": "i-1", "state": "ready", "version": 2, "pid": 41, "restarts": 0, "last_error": None}
    stored.will(
        "GET", "/api/v1/agents/desk/deployments", Answer(200, {"items": [{"instances": [ready]}], "next_cursor": None})
    )
    ran = kgents("kinds", "bots", "publish", "desk")
    assert ran.code == 0, ran.err
    assert ran.out.splitlines()[0] == "desk version 2 is running."
    assert 'kgents message desk "Hello"' in ran.out
    assert kgents("kinds", "bots", "publish", "desk", "--json").json["agent"] == "desk"


def test_what_can_not_be_published_is_told_line_by_line(kgents: Kgents, stored: Api):
    fault = {"loc": ["model", "provider"], "msg": "can't be run here yet", "code": "not_runnable", "hint": "choose x"}
    problem = {"detail": 'The team "front" can\'t be published. Each reason is listed in errors.', "errors": [fault]}
    stored.will("POST", "/api/v1/kinds/teams/front/publish", Answer(422, problem))
    ran = kgents("kinds", "teams", "publish", "front")
    assert ran.code == 2
    assert "model.provider: can't be run here yet (choose x)" in ran.err


def test_import_sends_the_file_as_it_is(kgents: Kgents, stored: Api, tmp_path: Path):
    file = tmp_path / "desk.toml"
    file.write_text('name = "desk"\nsystem_prompt = "Hi."\n')
    stored.will("POST", "/api/v1/kinds/bots/import", Answer(201, BOT_IN_FULL))
    ran = kgents("kinds", "bots", "import", str(file))
    assert ran.code == 0, ran.err
    assert stored.bodies("POST", "/api/v1/kinds/bots/import") == [file.read_text()]
    assert ran.out.splitlines() == [
        "The bot desk is made, id b-1.",
        "Its ghost, model and shell are named helper too.",
    ]
    fault = {"loc": ["nmae"], "msg": "is not a known field", "line": 1, "column": 1}
    stored.will("POST", "/api/v1/kinds/bots/import", Answer(422, {"detail": "One fault.", "errors": [fault]}))
    assert f"{file}:1:1: nmae: is not a known field" in kgents("kinds", "bots", "import", str(file)).err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ghosts", "create", "g", "--prompt-file", "/nowhere/p.md"), "/nowhere/p.md: No such file"),
        (("shells", "create", "s", "--config", "/nowhere/s.toml"), "/nowhere/s.toml: No such file"),
        (("models", "create", "m", "--temperature", "warm"), "'warm' is not a valid float"),
        (("bots", "create", "b", "--ghost", ""), "the name is empty"),
        (("ghosts", "get", "nobody"), "There is no such ghost."),
        (("teams", "create", "t"), "a team needs a bot"),
        (("teams", "create", "t", "--bot", "b", "--mode", "swarm"), "'swarm' is not one of"),
        (("flows", "list"), "No such command 'flows'"),
    ],
)
def test_what_can_not_be_done_is_exit_2_and_a_sentence(
    kgents: Kgents, stored: Api, arguments: tuple[str, ...], said: str
):
    missing = {"detail": "There is no such ghost.", "code": "kind_not_found"}
    stored.will("GET", "/api/v1/kinds/ghosts/nobody", Answer(404, missing))
    ran = kgents("kinds", *arguments)
    assert ran.code == 2
    assert said in ran.err


@pytest.mark.parametrize(("name", "text"), [("s.toml", "a ="), ("s.json", "{"), ("s.toml", "\udcff")])
def test_settings_that_can_not_be_read_name_their_file(
    kgents: Kgents, stored: Api, tmp_path: Path, name: str, text: str
):
    file = tmp_path / name
    file.write_bytes(text.encode(errors="surrogateescape"))
    ran = kgents("kinds", "shells", "create", "s", "--config", str(file))
    assert ran.code == 2
    assert str(file) in ran.err
    assert stored.bodies("POST", "/api/v1/kinds/shells") == []
