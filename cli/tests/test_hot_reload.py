"""`kgents dev`: what is reloaded when files change, and what is told of it."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from kgents_cli.client import ApiClient
from kgents_cli.hot_reload.development import Development
from kgents_cli.hot_reload.outcomes import Outcome, State
from kgents_cli.hot_reload.reloader import Reloader
from kgents_cli.hot_reload.sources import Sources, declared_name
from kgents_shared.testing.polling import eventually

from .conftest import Answer, Api, Kgents

UNKNOWN = Answer(404, {"detail": "There is no such agent.", "code": "agent_not_found"})
FAULT = {"loc": ["limit"], "msg": "is not a known field", "hint": 'did you mean "limits"?', "line": 3, "column": 1}
REFUSAL = Answer(422, {"detail": "The definition has a fault. Each is listed in errors.", "errors": [FAULT]})


def toml(name: str, prompt: str = "Be brief.") -> str:
    return f'name = "{name}"\nsystem_prompt = "{prompt}"\n'


def reloaded(version: int, state: str = "reloaded", before: int | None = None, answering: int | None = None) -> Answer:
    change = {"loc": ["system_prompt"], "kind": "changed", "before": "a", "after": "b", "lines": []}
    changes = [change] if state == "reloaded" else []
    versions = {"version": version, "version_before": before, "answering": answering or version}
    return Answer(200, {"state": state, "changes": changes, **versions})


def instances(*found: tuple[int, str]) -> Answer:
    rows = [{"id": f"i-{version}", "version": version, "state": state} for version, state in found]
    return Answer(200, {"items": [{"instances": rows}], "next_cursor": None})


def answering(api: Api, name: str, *versions: int) -> None:
    """One version after the other answers, the last one from then on."""
    rows = [instances((version, "ready")) for version in versions]
    api.will("GET", f"/api/v1/agents/{name}/deployments", *rows)


@dataclass
class Watched:
    """A running `kgents dev`, and what it told so far."""

    told: list[Outcome] = field(default_factory=list[Outcome])
    notes: list[str] = field(default_factory=list[str])
    heard: threading.Condition = field(default_factory=threading.Condition)

    def tell(self, outcome: Outcome) -> None:
        with self.heard:
            self.told.append(outcome)
            self.heard.notify_all()

    def next(self, *states: State) -> list[Outcome]:
        """The outcomes told next, which must have these states in any order."""
        with self.heard:
            assert self.heard.wait_for(lambda: len(self.told) >= len(states), 60), self.told
            first, self.told = self.told[: len(states)], self.told[len(states) :]
        assert sorted(one.state for one in first) == sorted(states), first
        return sorted(first, key=lambda one: one.file)


@contextmanager
def watching(*paths: Path, organisation: str | None = None, timeout_s: float = 20) -> Generator[Watched]:
    watched = Watched()
    with ApiClient() as api:
        reloader = Reloader(api, organisation, timeout_s)
        development = Development(Sources.named(paths), reloader, watched.tell, watched.notes.append)
        thread = threading.Thread(target=development.run)
        thread.start()
        try:
            yield watched
        finally:
            development.stop()
            thread.join()


def written(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")


def replaced(file: Path, text: str) -> None:
    """As editors save that never leave half a file: another file takes its place."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(file)


def moved_away_first(file: Path, text: str) -> None:
    """As vim saves: the old file becomes the backup, a new one is written."""
    file.rename(file.with_name(f"{file.name}~"))
    file.write_text(text, encoding="utf-8")


def touched_after(file: Path, text: str) -> None:
    """As tools save that keep a file's time."""
    before = file.stat()
    file.write_text(text, encoding="utf-8")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("save", [written, replaced, moved_away_first, touched_after])
def test_a_saved_file_is_reloaded_however_it_is_saved(api: Api, tmp_path: Path, save: Callable[[Path, str], None]):
    path, file = "/api/v1/agents/my-agent/reload", tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    api.will("PUT", path, reloaded(1, "unchanged", 1), reloaded(2, before=1))
    answering(api, "my-agent", 1, 2)
    with watching(file) as watched:
        (first,) = watched.next(State.UNCHANGED)
        assert (first.agent, first.version) == ("my-agent", 1)
        save(file, toml("my-agent", "Be long."))
        (second,) = watched.next(State.RELOADED)
    assert (second.version, second.changes[0]["loc"]) == (2, ["system_prompt"])
    assert api.bodies("PUT", path) == [toml("my-agent"), toml("my-agent", "Be long.")]
    assert api.seen[-1].headers["authorization"] == "Bearer token-1"


def test_a_definition_in_json_is_sent_as_json(api: Api, tmp_path: Path):
    file = tmp_path / "my-agent.json"
    file.write_text('{"name": "my-agent", "system_prompt": "Be brief."}')
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(1))
    answering(api, "my-agent", 1)
    with watching(file) as watched:
        watched.next(State.RELOADED)
    (sent,) = [seen for seen in api.seen if seen.method == "PUT"]
    assert {name.lower(): value for name, value in sent.headers.items()}["content-type"] == "application/json"


def test_a_link_that_leads_elsewhere_from_now_on_is_a_change(api: Api, tmp_path: Path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "my-agent.toml").write_text(toml("my-agent", name))
    data, file = tmp_path / "data", tmp_path / "my-agent.toml"
    data.symlink_to("old")
    file.symlink_to("data/my-agent.toml")
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(1), reloaded(2))
    answering(api, "my-agent", 1, 2)
    with watching(file) as watched:
        watched.next(State.RELOADED)
        part = tmp_path / "part"
        part.symlink_to("new")
        part.replace(data)
        watched.next(State.RELOADED)
    assert api.bodies("PUT", "/api/v1/agents/my-agent/reload")[-1] == toml("my-agent", "new")


def test_each_agent_of_a_folder_is_reloaded_by_itself(api: Api, tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text(toml("no-agent"))
    (tmp_path / "scenarios.toml").write_text("[[case]]\nmessage = 'Hello'\n")
    (tmp_path / "notes.txt").write_text(toml("no-agent"))
    for name in ("one", "two", "three"):
        answering(api, name, 1, 2)
        api.will("PUT", f"/api/v1/agents/{name}/reload", reloaded(1), reloaded(2))
    for name in ("one", "two"):
        (tmp_path / f"{name}.toml").write_text(toml(name))
    with watching(tmp_path) as watched:
        assert [one.agent for one in watched.next(State.RELOADED, State.RELOADED)] == ["one", "two"]
        (tmp_path / "two.toml").write_text(toml("two", "Changed."))
        assert [one.agent for one in watched.next(State.RELOADED)] == ["two"]
        (tmp_path / "three.toml").write_text(toml("three"))
        assert [one.agent for one in watched.next(State.RELOADED)] == ["three"]
        (tmp_path / "one.toml").unlink()
        (gone,) = watched.next(State.GONE)
        assert gone.agent == "one"
        (tmp_path / "one.toml").write_text(toml("one"))
        watched.next(State.RELOADED)
    assert not [seen for seen in api.seen if "no-agent" in seen.body or seen.method == "DELETE"]


def test_an_agent_that_is_not_there_yet_is_made(api: Api, tmp_path: Path):
    file = tmp_path / "new.toml"
    file.write_text(toml("new"))
    api.will("PUT", "/api/v1/agents/acme~new/reload", UNKNOWN)
    api.will("POST", "/api/v1/agents", Answer(201, {"name": "new", "organisation": "acme", "version": 1}))
    answering(api, "acme~new", 1)
    with watching(file, organisation="acme") as watched:
        (made,) = watched.next(State.CREATED)
    assert (made.agent, made.version) == ("acme~new", 1)
    (posted,) = [seen.path for seen in api.seen if seen.method == "POST" and seen.path.startswith("/api")]
    assert posted == "/api/v1/agents?publish=true&organisation=acme"


@pytest.mark.parametrize("text", ['name = "my-agent"\nlimit = ', toml("my-agent") + "limit = 3\n"])
def test_a_file_with_faults_is_told_with_its_places_and_what_ran_goes_on(api: Api, tmp_path: Path, text: str):
    file = tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(4), REFUSAL, reloaded(5))
    answering(api, "my-agent", 4, 5)
    with watching(file) as watched:
        watched.next(State.RELOADED)
        file.write_text(text)
        (refused,) = watched.next(State.REFUSED)
        file.write_text(toml("my-agent", "Mended."))
        watched.next(State.RELOADED)
    assert (refused.agent, refused.version) == ("my-agent", 4)
    assert refused.faults == (f'{file}:3:1: limit: is not a known field (did you mean "limits"?)',)


def test_a_file_that_never_had_a_name_is_refused_by_the_server_too(api: Api, tmp_path: Path):
    file = tmp_path / "nameless.toml"
    file.write_text("name = ")
    api.will("POST", "/api/v1/agents", REFUSAL)
    with watching(file) as watched:
        (refused,) = watched.next(State.REFUSED)
    assert (refused.agent, refused.version, len(refused.faults)) == (None, None, 1)


def test_a_version_that_does_not_start_gives_way_to_the_last_that_answered(api: Api, tmp_path: Path):
    file = tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(7, "unchanged", 7), reloaded(8, before=7))
    failed = instances((7, "ready"), (8, "failed"))
    api.will("GET", "/api/v1/agents/my-agent/deployments", instances((7, "ready")), failed)
    api.will("POST", "/api/v1/agents/my-agent/rollback", Answer(200, {"version": 7}))
    with watching(file) as watched:
        watched.next(State.UNCHANGED)
        file.write_text(toml("my-agent", "Never starts."))
        (undone,) = watched.next(State.ROLLED_BACK)
    assert undone.version == 7
    assert "version 8 does not start" in undone.message
    assert [json.loads(body) for body in api.bodies("POST", "/api/v1/agents/my-agent/rollback")] == [{"version": 7}]


def test_a_first_version_that_does_not_start_is_told(api: Api, tmp_path: Path):
    file = tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(1))
    api.will("GET", "/api/v1/agents/my-agent/deployments", instances())
    with watching(file, timeout_s=0) as watched:
        (failed,) = watched.next(State.FAILED)
    assert "was not ready" in failed.message
    assert api.bodies("POST", "/api/v1/agents/my-agent/rollback") == []


def test_where_another_version_is_labelled_stable_the_new_one_is_not_waited_for(api: Api, tmp_path: Path):
    file = tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(5, before=4, answering=2))
    with watching(file) as watched:
        (published,) = watched.next(State.PUBLISHED)
    assert published.message == "version 5 is published; version 2, labelled stable, answers"
    assert api.bodies("GET", "/api/v1/agents/my-agent/deployments") == []


async def test_what_is_saved_again_before_it_answers_is_not_waited_for(api: Api, tmp_path: Path):
    file = tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(1), reloaded(2))
    path = "/api/v1/agents/my-agent/deployments"
    api.will("GET", path, instances((2, "ready")))
    with watching(file) as watched:
        await eventually(lambda: len(api.bodies("GET", path)) > 0, describe="the first version is waited for")
        file.write_text(toml("my-agent", "Second thoughts."))
        (second,) = watched.next(State.RELOADED)
    assert second.version == 2


def test_two_files_of_one_agent_take_turns_by_who_was_first(api: Api, tmp_path: Path):
    first, second = tmp_path / "1.toml", tmp_path / "2.toml"
    first.write_text(toml("my-agent"))
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(1), reloaded(2))
    answering(api, "my-agent", 1, 2)
    with watching(tmp_path) as watched:
        watched.next(State.RELOADED)
        second.write_text(toml("my-agent", "Another."))
        (waits,) = watched.next(State.WAITING)
        assert waits.message == f"{first} defines this agent too; it goes first"
        first.unlink()
        watched.next(State.GONE, State.RELOADED)
    assert api.bodies("PUT", "/api/v1/agents/my-agent/reload") == [toml("my-agent"), toml("my-agent", "Another.")]


def test_what_passes_is_tried_again_and_told_once(api: Api, tmp_path: Path):
    file = tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    away = Answer(503, {"detail": "The database is away.", "code": "unavailable"})
    api.will("PUT", "/api/v1/agents/my-agent/reload", away, away, reloaded(1))
    answering(api, "my-agent", 1)
    with watching(file) as watched:
        (waits,) = watched.next(State.WAITING)
        assert waits.message.startswith("The database is away.")
        watched.next(State.RELOADED)


def test_a_file_that_holds_no_definition_is_told_once_it_stays_so(api: Api, tmp_path: Path):
    long, empty = tmp_path / "long.toml", tmp_path / "empty.toml"
    long.write_bytes(b"#" * (4 * 1024 * 1024 + 1))
    empty.touch()
    with watching(tmp_path) as watched:
        told = watched.next(State.WAITING, State.WAITING)
    assert [one.message for one in told] == [
        "it can't be taken up: it is empty",
        "it can't be taken up: it is longer than 4 MiB",
    ]
    assert [seen.path for seen in api.seen] == ["/auth/login"]


def test_a_file_of_scenarios_is_told_as_one(api: Api, tmp_path: Path):
    file = tmp_path / "my-agent.scenarios.toml"
    file.write_text('agent = "my-agent.toml"\n[[case]]\nname = "greets"\n')
    with watching(file) as watched:
        (told,) = watched.next(State.WAITING)
    assert (
        told.message == f"it can't be taken up: it holds scenarios, no agent; run them with: kgents test-agent {file}"
    )
    assert [seen.path for seen in api.seen] == ["/auth/login"]


def test_what_can_not_be_watched_ends_it_with_a_reason(kgents: Kgents, api: Api, tmp_path: Path):
    endless = kgents("dev", "/dev/zero")
    assert (endless.code, "/dev/zero is neither a file nor a folder" in endless.err) == (2, True)
    assert api.seen == []
    none_such = Answer(404, {"detail": "You are in no such organisation.", "code": "no_such_organisation"})
    api.will("GET", "/api/v1/agents", none_such)
    ran = kgents("dev", str(tmp_path), "--organisation", "nope")
    assert (ran.code, "Watching" in ran.err) == (2, False)
    assert "You are in no such organisation" in ran.err
    assert "kgents organisations list" in ran.err
    assert "organisation=nope" in api.seen[-1].path


def test_where_the_system_tells_of_no_changes_the_files_are_looked_at_all_the_same(
    api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuses(*_: Any, **__: Any) -> Any:
        raise OSError("no space left for watches")

    monkeypatch.setattr("kgents_cli.hot_reload.development.watch", refuses)
    file = tmp_path / "my-agent.toml"
    file.write_text(toml("my-agent"))
    api.will("PUT", "/api/v1/agents/my-agent/reload", reloaded(1), reloaded(2))
    answering(api, "my-agent", 1, 2)
    with watching(file) as watched:
        watched.next(State.RELOADED)
        file.write_text(toml("my-agent", "Changed."))
        watched.next(State.RELOADED)
    (note,) = watched.notes
    assert "no space left for watches" in note


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'name = "a"', "a"), (b'\xef\xbb\xbfname = "a"', "a"), (b"name = 1", None), (b'name = ""', None),
        (b"name = ", None), (b"\xff", None), (b"", None), (b"x = " + b"[" * 5000, None),
        (b'{"name": "a"}', "a"), (b'{"name": 1}', None), (b'{"name": ', None), (b'{"x": ' + b"[" * 5000, None),
        (b'{"name": "My Flow", "data": {"nodes": [], "edges": []}}', "my-flow"),
        (b'{"name": "My Flow", "data": {"nodes": [], "edges": [', None),
    ],
)  # fmt: skip
def test_the_name_is_read_out_of_whatever_a_file_holds(content: bytes, name: str | None):
    assert declared_name(content) == name


def test_what_is_not_there_can_not_be_watched(kgents: Kgents, api: Api, tmp_path: Path):
    ran = kgents("dev", str(tmp_path / "nothing.toml"))
    assert ran.code == 2
    assert "there is no such file or folder" in ran.err
    assert api.seen == []
