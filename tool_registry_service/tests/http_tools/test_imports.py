"""APIs imported by their OpenAPI documents: fetched, called, read again, accepted, forgotten."""

import json
from typing import Any

import pytest

from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_api import ScriptedApi

TOOLS = "/api/v1/tools"
IMPORT = f"{TOOLS}/import"
IMPORTS = f"{TOOLS}/imports"


def document(**changes: JsonObject) -> JsonObject:
    """An API of two operations; a change is merged into the operation of its name."""
    list_notes: JsonObject = {
        "operationId": "listNotes",
        "parameters": [{"name": "limit", "in": "query", "schema": {"type": "integer"}}],
        "responses": {"200": {"description": "ok"}},
    }
    add_note: JsonObject = {
        "operationId": "addNote",
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object", "required": ["text"]}}},
        },
        "responses": {"201": {"description": "made"}},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "Notes", "version": "1"},
        "paths": {
            "/notes": {"get": list_notes | changes.get("listNotes", {}), "post": add_note | changes.get("addNote", {})}
        },
    }


async def imported(registry: RunningRegistry, api: ScriptedApi, **given: Any) -> JsonObject:
    body = {"name": "notes", "document": document(), "base_url": f"{api.url}/v1"} | given
    answer = await registry.ask("POST", IMPORT, {key: value for key, value in body.items() if value is not None})
    assert answer.status_code == 201, answer.text
    made: JsonObject = answer.json()
    return made


async def test_operations_become_tools_that_can_be_called(registry: RunningRegistry, api: ScriptedApi) -> None:
    made = await imported(registry, api, side_effects={"list*": "read", "addNote": "write"})
    assert made["api"]["title"] == "Notes"
    assert made["tools"] == [
        {"name": "notes.listNotes", "side_effect": "read", "suggested_side_effect": "read"},
        {"name": "notes.addNote", "side_effect": "write", "suggested_side_effect": "external"},
    ]
    assert not (await registry.invoke("notes.listNotes", {"limit": 3}))["is_error"]
    assert not (await registry.invoke("notes.addNote", {"body": {"text": "a"}}))["is_error"]
    assert "'text' is a required" in (await registry.invoke("notes.addNote", {"body": {}}))["content"]
    listed, added = api.requests
    assert (listed.path, listed.query, added.path, added.body) == (
        "/v1/notes", [("limit", "3")], "/v1/notes", b'{"text":"a"}',
    )  # fmt: skip


async def test_what_nobody_speaks_for_is_external(registry: RunningRegistry, api: ScriptedApi) -> None:
    made = await imported(registry, api, side_effects={"add*": "write", "*Note": "external"})
    assert [tool["side_effect"] for tool in made["tools"]] == ["external", "external"]


@pytest.mark.parametrize("form", ["json", "yaml"])
async def test_a_document_is_fetched_from_its_address_and_says_where_the_api_is(
    registry: RunningRegistry, api: ScriptedApi, form: str
) -> None:
    text = json.dumps(document()) if form == "json" else "# notes\n" + json.dumps(document(), indent=1)
    api.answer("/docs/openapi", text.encode(), content_type="application/yaml")
    api.redirect("/openapi", "/docs/openapi")
    made = await imported(registry, api, document=None, base_url=None, url=f"{api.url}/openapi")
    assert made["api"]["base_url"] == api.url
    assert (await registry.tool("notes.listNotes"))["http"]["request"]["url"] == f"{api.url}/notes"


async def test_a_document_that_cannot_be_had_is_told(registry: RunningRegistry, api: ScriptedApi) -> None:
    api.answer("/gone", {}, 404)
    for path, status, code in (
        (f"{api.url}/gone", 502, "openapi_document_unreachable"),
        ("http://127.0.0.1:9/x", 502, "openapi_document_unreachable"),
        ("http://169.254.169.254/latest", 422, "openapi_document_refused"),
        (f"{api.url}/page", 422, "openapi_document"),
    ):
        answer = await registry.ask("POST", IMPORT, {"name": "notes", "url": path})
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    assert (await registry.ask("GET", IMPORTS)).json()["items"] == []


async def test_a_document_too_large_is_refused(database_url: str, api: ScriptedApi) -> None:
    api.answer("/large", b"x" * 3000)
    async with running_registry(database_url, max_answer_bytes=2000) as registry:
        answer = await registry.ask("POST", IMPORT, {"name": "notes", "url": f"{api.url}/large"})
        assert (answer.status_code, answer.json()["code"]) == (422, "openapi_document_refused")


async def test_whatever_a_document_calls_itself_is_kept(registry: RunningRegistry, api: ScriptedApi) -> None:
    given = document() | {"info": {"title": "No\x00tes \ud800", "version": "1"}}
    assert (await imported(registry, api, document=json.dumps(given)))["api"]["title"] == "No�tes ?"


async def test_what_changes_is_off_until_it_is_accepted(registry: RunningRegistry, api: ScriptedApi) -> None:
    made = await imported(registry, api, side_effects={"*": "write"})
    path = f"{IMPORTS}/{made['api']['id']}"
    changed = document(listNotes={"operationId": "allNotes"}, addNote={"description": "Now adds two."})
    found = (await registry.ask("POST", f"{path}/refresh", {"document": changed})).json()
    assert (found["added"], found["changed"], found["removed"]) == (
        ["notes.allNotes"], ["notes.addNote"], ["notes.listNotes"],
    )  # fmt: skip
    assert (await registry.tool("notes.allNotes"))["side_effect"] == "external"
    refused = await registry.invoke("notes.addNote", {"body": {"text": "a"}})
    assert "its definition has changed" in refused["content"]
    tool = await registry.tool("notes.addNote")
    assert (tool["state"], tool["description"], tool["pending"]["description"]) == (
        "changed",
        "POST /notes",
        "Now adds two.",
    )
    accept = f"{TOOLS}/notes.addNote/accept"
    stale = await registry.ask("POST", accept, {"definition_hash": "0" * 64})
    assert (stale.status_code, stale.json()["code"]) == (409, "nothing_to_accept")
    taken = await registry.ask("POST", accept, {"definition_hash": tool["pending"]["definition_hash"]})
    assert (taken.json()["state"], taken.json()["description"]) == ("active", "Now adds two.")
    assert not (await registry.invoke("notes.addNote", {"body": {"text": "a"}}))["is_error"]
    again = (await registry.ask("POST", f"{path}/refresh", {"document": document()})).json()
    assert again["changed"] == ["notes.addNote"]
    back = (await registry.ask("POST", f"{path}/refresh", {"document": changed})).json()
    assert back["unchanged"] == ["notes.addNote", "notes.allNotes"]


async def test_a_document_read_again_does_not_move_the_api(registry: RunningRegistry, api: ScriptedApi) -> None:
    made = await imported(registry, api)
    moved = document() | {"servers": [{"url": "https://evil.example/v1"}]}
    path = f"{IMPORTS}/{made['api']['id']}"
    found = (await registry.ask("POST", f"{path}/refresh", {"document": moved})).json()
    assert found["unchanged"] == ["notes.addNote", "notes.listNotes"]
    assert any("evil.example" in warning for warning in found["api"]["warnings"])


async def test_answers_are_held_against_the_document_unless_its_owner_says_otherwise(
    registry: RunningRegistry, api: ScriptedApi
) -> None:
    media = {"application/json": {"schema": {"type": "array", "items": {"type": "string"}}}}
    given = document(listNotes={"responses": {"200": {"description": "ok", "content": media}}})
    await imported(registry, api, document=given, side_effects={"*": "read"})
    loose = await imported(registry, api, name="loose", document=given, side_effects={"*": "read"}, check_results=False)
    for answer, is_error in ((["a"], False), ([7], True), ({"a": 1}, True), (b"<p>", True)):
        api.answer("/v1/notes", answer)
        result = await registry.invoke("notes.listNotes", {})
        assert result["is_error"] == is_error, result
        assert is_error == ("output schema promises" in result["content"])
        assert not (await registry.invoke("loose.listNotes", {}))["is_error"]
    again = await registry.ask("POST", f"{IMPORTS}/{loose['api']['id']}/refresh", {"document": given})
    assert again.json()["unchanged"] == ["loose.addNote", "loose.listNotes"]


async def test_an_api_is_read_again_from_where_it_was(registry: RunningRegistry, api: ScriptedApi) -> None:
    api.answer("/openapi", document())
    made = await imported(registry, api, document=None, base_url=None, url=f"{api.url}/openapi")
    path = f"{IMPORTS}/{made['api']['id']}"
    assert (await registry.ask("PATCH", path, {"operations": ["list*"]})).json()["operations"] == ["list*"]
    found = (await registry.ask("POST", f"{path}/refresh", {})).json()
    assert (found["unchanged"], found["removed"]) == (["notes.listNotes"], ["notes.addNote"])
    sent = await imported(registry, api, name="sent")
    nowhere = await registry.ask("POST", f"{IMPORTS}/{sent['api']['id']}/refresh", {})
    assert (nowhere.status_code, nowhere.json()["errors"][0]["loc"]) == (422, ["body", "document"])


async def test_an_api_is_forgotten_with_its_tools_and_its_tools_not_without_it(
    registry: RunningRegistry, api: ScriptedApi
) -> None:
    made = await imported(registry, api)
    for method, body in (("DELETE", None), ("PATCH", {"description": "mine"})):
        answer = await registry.ask(method, f"{TOOLS}/notes.addNote", body)
        assert (answer.status_code, answer.json()["code"]) == (409, "tool_of_another")
    said = await registry.ask("PATCH", f"{TOOLS}/notes.addNote", {"side_effect": "write"})
    assert said.json()["side_effect"] == "write"
    path = f"{IMPORTS}/{made['api']['id']}"
    assert (await registry.ask("DELETE", path)).status_code == 204
    assert (await registry.ask("GET", path)).status_code == 404
    assert (await registry.ask("GET", f"{TOOLS}/notes.addNote")).status_code == 404


async def test_another_owners_import_is_not_there(registry: RunningRegistry, api: ScriptedApi) -> None:
    made = await imported(registry, api)
    path = f"{IMPORTS}/{made['api']['id']}"
    for method, where, body in (("GET", path, None), ("PATCH", path, {}), ("DELETE", path, None),
                                ("POST", f"{path}/refresh", {"document": document()})):  # fmt: skip
        answer = await registry.ask(method, where, body, owner="another")
        assert (answer.status_code, answer.json()["code"]) == (404, "http_api_not_found")
    assert (await registry.ask("GET", IMPORTS, owner="another")).json()["items"] == []
    assert [item["name"] for item in (await registry.ask("GET", IMPORTS)).json()["items"]] == ["notes"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"name": "notes"}, "bad_document"),
        ({"name": "notes", "document": {}, "url": "https://a.example"}, "bad_document"),
        ({"name": "files", "document": {}}, "name_reserved"),
        ({"name": "notes", "document": {"swagger": "2.0"}}, "openapi_version"),
        ({"name": "notes", "document": document()}, "openapi_no_server"),
        ({"name": "notes", "document": "a: ["}, "yaml_syntax"),
        ({"name": "notes", "document": document(), "base_url": "ftp://a.example"}, "bad_url"),
        ({"name": "notes", "document": document(), "base_url": "https://a.example", "operations": []}, "too_short"),
    ],
)
async def test_what_cannot_be_imported_is_told_with_its_code(
    registry: RunningRegistry, body: JsonObject, code: str
) -> None:
    answer = await registry.ask("POST", IMPORT, body)
    assert answer.status_code == 422
    assert [fault["code"] for fault in answer.json()["errors"]] == [code]


async def test_a_secret_beside_the_document_is_refused_and_one_within_leaves_its_operation_out(
    registry: RunningRegistry, api: ScriptedApi
) -> None:
    secret = "ghp_" + "a1" * 18
    body = {"name": "notes", "document": document(), "base_url": f"{api.url}/v1", "operations": [secret]}
    answer = await registry.ask("POST", IMPORT, body)
    assert answer.json()["code"] == "secret_in_document"
    given = document(addNote={"description": f"Use {secret}."})
    made = await imported(registry, api, document=given)
    assert [tool["name"] for tool in made["tools"]] == ["notes.listNotes"]
    assert secret not in json.dumps(made)
