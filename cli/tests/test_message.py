"""An answer as it comes: deltas, a model that is asked again, a failure in the middle."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest

from kgents_cli.client import read_events

from .conftest import Answer, Api, Kgents

PATH = "/api/v1/agents/my-agent/message"
RUN = {"run_id": "r-1", "conversation_id": "c-1"}


def stream(*events: tuple[str, dict[str, Any]]) -> Answer:
    text = "".join(f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in events)
    return Answer(200, text, "text/event-stream")


def test_the_deltas_are_the_answer(kgents: Kgents, api: Api):
    done = ("completed", RUN | {"status": "completed", "text": "Hello, Ada."})
    api.will("POST", PATH, stream(("run", RUN), ("delta", {"text": "Hello, "}), ("delta", {"text": "Ada."}), done))
    ran = kgents("message", "my-agent", "Hi", "--conversation", "c-1")
    assert (ran.code, ran.out) == (0, "Hello, Ada.\n")
    assert [json.loads(body) for body in api.bodies("POST", PATH)] == [{"text": "Hi", "conversation_id": "c-1"}]


def test_pictures_go_along_as_what_they_are(kgents: Kgents, api: Api, tmp_path: Path):
    png, webp, text = tmp_path / "a.txt", tmp_path / "b", tmp_path / "c.png"
    png.write_bytes(b"\x89PNG\r\n\x1a\nrest")
    webp.write_bytes(b"RIFF0000WEBPVP8 ")
    text.write_text("no picture")
    api.will("POST", PATH, stream(("run", RUN), ("completed", RUN | {"text": "A cat."})))
    assert kgents("message", "my-agent", "What?", "--image", str(png), "--image", str(webp)).out == "A cat.\n"
    (body,) = (json.loads(body) for body in api.bodies("POST", PATH))
    assert [image["media_type"] for image in body["images"]] == ["image/png", "image/webp"]
    assert base64.b64decode(body["images"][0]["data"]) == png.read_bytes()
    png.write_bytes(png.read_bytes() + bytes(3 * 1024 * 1024))
    for given, told in (
        ([text], "c.png is no picture"),
        ([tmp_path / "none"], "No such file"),
        ([png, png], "5 MiB together"),
        ([webp] * 5, "takes 4 pictures"),
    ):
        ran = kgents("message", "my-agent", "What?", *(part for file in given for part in ("--image", str(file))))
        assert (ran.code, told in ran.err) == (2, True), ran.err
    assert len(api.bodies("POST", PATH)) == 1


def test_an_answer_that_never_streamed_is_printed_whole(kgents: Kgents, api: Api):
    api.will("POST", PATH, stream(("run", RUN), ("completed", RUN | {"text": "All at once"})))
    assert kgents("message", "my-agent", "Hi").out == "All at once\n"


def test_after_a_reset_the_whole_answer_stands_at_the_end(kgents: Kgents, api: Api):
    again = (("delta", {"text": "Right"}), ("completed", {"text": "Right"}))
    api.will("POST", PATH, stream(("run", RUN), ("delta", {"text": "Wro"}), ("reset", {}), *again))
    ran = kgents("message", "my-agent", "Hi")
    assert ran.out == "Wro\nRight\n"
    assert "the model is asked again" in ran.err


def test_a_run_that_fails_is_exit_1_with_its_reason(kgents: Kgents, api: Api):
    failed = ("failed", RUN | {"code": "provider_unreachable", "detail": "openai can't be reached", "status": 502})
    api.will("POST", PATH, stream(("run", RUN), ("delta", {"text": "Hel"}), failed))
    ran = kgents("message", "my-agent", "Hi")
    assert (ran.code, ran.out) == (1, "Hel\n")
    assert "openai can't be reached" in ran.err


def test_a_stream_that_breaks_off_is_no_success(kgents: Kgents, api: Api):
    api.will("POST", PATH, stream(("run", RUN), ("delta", {"text": "Hel"})))
    ran = kgents("message", "my-agent", "Hi")
    assert ran.code == 1
    assert "broke off" in ran.err


def test_an_agent_that_still_starts_is_told(kgents: Kgents, api: Api):
    api.will("POST", PATH, Answer(503, {"detail": "my-agent is still starting", "code": "agent_starting"}))
    ran = kgents("message", "my-agent", "Hi")
    assert ran.code == 1
    assert "still starting" in ran.err
    assert "try again" in ran.err


def test_json_prints_the_whole_answer_as_one_object(kgents: Kgents, api: Api):
    api.will("POST", PATH, Answer(200, RUN | {"status": "completed", "text": "Hi"}))
    assert kgents("message", "my-agent", "Hi", "--json").json["conversation_id"] == "c-1"


def test_a_text_of_one_hyphen_reads_standard_input(kgents: Kgents, api: Api, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("from a pipe"))
    api.will("POST", PATH, Answer(200, RUN | {"text": "ok"}))
    assert kgents("message", "my-agent", "-", "--json").code == 0
    assert json.loads(api.bodies("POST", PATH)[0]) == {"text": "from a pipe"}


def test_continue_goes_on_with_the_newest_conversation(kgents: Kgents, api: Api):
    others = [{"id": "c-11", "asked_by": "replay"}, {"id": "c-10", "asked_by": "agent"}]
    newest = {"items": [*others, {"id": "c-9", "asked_by": "person"}, {"id": "c-8"}], "next_cursor": None}
    api.will("GET", "/api/v1/agents/my-agent/conversations", Answer(200, newest))
    api.will("POST", PATH, Answer(200, RUN | {"text": "ok"}))
    assert kgents("message", "my-agent", "Hi", "--continue", "--json").code == 0
    assert json.loads(api.bodies("POST", PATH)[0]) == {"text": "Hi", "conversation_id": "c-9"}


def test_continue_without_a_conversation_is_bad_input(kgents: Kgents, api: Api):
    api.will("GET", "/api/v1/agents/my-agent/conversations", Answer(200, {"items": [], "next_cursor": None}))
    ran = kgents("message", "my-agent", "Hi", "--continue")
    assert ran.code == 2
    assert "no conversation with my-agent yet" in ran.err


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (404, "conversation_not_found", "kgents conversations list"),
        (404, "agent_not_found", "kgents agents list"),
        (502, "provider_unreachable", "kgents models health"),
        (502, "provider_refused", "kgents models health"),
        (503, "database_away", "kgents doctor"),
    ],
)
def test_a_refusal_says_what_to_do_about_its_cause(kgents: Kgents, api: Api, status: int, code: str, said: str):
    api.will("POST", PATH, Answer(status, {"detail": "No.", "code": code}))
    assert said in kgents("message", "my-agent", "Hi", "--json").err


def test_events_are_read_as_the_standard_says():
    lines = [
        ": keep-alive",
        "",
        "event: a",
        'data: {"x":',
        "data: 1}",
        "id: 7",
        "",
        "data: [1]",
        "",
        "event: empty",
        "",
    ]
    assert [(event.name, event.data) for event in read_events(iter(lines))] == [
        ("a", {"x": 1}),
        ("message", {"value": [1]}),
    ]
