"""Tools of one HTTP request: registered, called, changed, and what can't be made of them."""

import json
from typing import Any

import pytest

from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_api import ScriptedApi

TOOLS = "/api/v1/tools"


def weather(api: ScriptedApi, **changes: Any) -> JsonObject:
    """The body of a tool with an argument in its path and one in its query."""
    body: JsonObject = {
        "name": "weather.now",
        "description": "The weather of a city.",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city"],
        },
        "request": {
            "method": "GET",
            "url": f"{api.url}/cities/{{city}}",
            "query": {"days": "{days}", "units": "metric"},
            "headers": {"X-App": "kgents"},
        },
        "side_effect": "read",
    }
    return body | changes


async def made(registry: RunningRegistry, body: JsonObject) -> JsonObject:
    answer = await registry.ask("POST", TOOLS, body)
    assert answer.status_code == 201, answer.text
    tool: JsonObject = answer.json()
    return tool


async def test_a_tool_is_registered_shown_and_called(registry: RunningRegistry, api: ScriptedApi) -> None:
    tool = await made(registry, weather(api))
    assert (tool["name"], tool["kind"], tool["state"], tool["side_effect"]) == ("weather.now", "http", "active", "read")
    assert tool["http"]["suggested_side_effect"] == "read"
    assert await registry.tool("weather.now") == tool
    result = await registry.invoke("weather.now", {"city": "São Paulo", "days": 3})
    assert not result["is_error"]
    (request,) = api.requests
    assert (request.method, request.path) == ("GET", "/cities/S%C3%A3o%20Paulo")
    assert request.query == [("days", "3"), ("units", "metric")]
    assert request.headers["x-app"] == "kgents"
    assert "cookie" not in request.headers
    assert json.loads(result["content"])["query"] == [["days", "3"], ["units", "metric"]]


async def test_a_tool_is_external_unless_somebody_says_otherwise(registry: RunningRegistry, api: ScriptedApi) -> None:
    body = weather(api)
    del body["side_effect"]
    assert (await made(registry, body))["side_effect"] == "external"


async def test_arguments_are_held_against_the_schema_before_anything_is_sent(
    registry: RunningRegistry, api: ScriptedApi
) -> None:
    await made(registry, weather(api))
    for arguments in ({}, {"city": 7}, {"city": ".."}, {"city": ""}):
        assert (await registry.invoke("weather.now", arguments))["is_error"]
    assert api.requests == []


async def test_an_argument_of_any_length_and_script_is_sent_or_refused(
    registry: RunningRegistry, api: ScriptedApi
) -> None:
    request = {"method": "GET", "url": f"{api.url}/x", "query": {"q": "{city}"}, "headers": {"X-City": "{city}"}}
    await made(registry, weather(api, request=request))
    assert not (await registry.invoke("weather.now", {"city": "Málaga"}))["is_error"]
    assert (api.requests[0].query, api.requests[0].headers["x-city"]) == ([("q", "Málaga")], "Málaga")
    for city in ("東京", "x" * 100_000):
        assert (await registry.invoke("weather.now", {"city": city}))["is_error"]
    assert len(api.requests) == 1


async def test_what_changes_something_carries_a_key_of_its_own(registry: RunningRegistry, api: ScriptedApi) -> None:
    request = {"method": "POST", "url": f"{api.url}/notes", "body": {"text": "{text}", "tags": "{tags}"}}
    properties = {"text": {"type": "string"}, "tags": {"type": "array"}}
    schema = {"type": "object", "properties": properties}
    await made(registry, weather(api, name="notes.add", request=request, input_schema=schema, side_effect="write"))
    first = registry.call_body("notes.add", {"text": "a", "tags": ["x"]})
    await registry.send(first)
    await registry.send(first)
    await registry.send(registry.call_body("notes.add", {"text": "a"}))
    one, other = api.requests
    assert (one.body, other.body) == (b'{"text":"a","tags":["x"]}', b'{"text":"a"}')
    assert one.headers["idempotency-key"] != other.headers["idempotency-key"]
    assert first["idempotency_key"] not in one.headers["idempotency-key"]


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (404, {"detail": "no such city"}, 'HTTP 404 Not Found\n{"detail": "no such city"}'),
        (500, b"x" * 9000, "HTTP 500 Internal Server Error\nxxx"),
    ],
)
async def test_a_status_that_is_no_success_is_an_error_with_the_beginning_of_the_body(
    registry: RunningRegistry, api: ScriptedApi, status: int, body: Any, words: str
) -> None:
    await made(registry, weather(api))
    api.answer("/cities/x", body, status)
    result = await registry.invoke("weather.now", {"city": "x"})
    assert result["is_error"]
    assert result["content"].startswith(words)
    assert len(result["content"]) < 5000


@pytest.mark.parametrize(
    ("kind", "body", "content"),
    [
        ("image/png", b"\x89PNG\x00", "[image/png, 5 bytes: not shown]"),
        ("text/plain; charset=iso-8859-1", b"caf\xe9", "café"),
        ("text/plain; charset=hex", b"6a", "6a"),
        ("application/json", b'\xef\xbb\xbf{"a": "\x00"}', '{"a": "�"}'),
        ("", b"\x00\x01", "[2 bytes that are no text: not shown]"),
        ("text/plain", b"", "HTTP 200 OK, without a body"),
    ],
)
async def test_a_body_is_shown_as_text_or_named(
    registry: RunningRegistry, api: ScriptedApi, kind: str, body: bytes, content: str
) -> None:
    await made(registry, weather(api))
    api.answer("/cities/x", body, 200, **({"content_type": kind} if kind else {}))
    result = await registry.invoke("weather.now", {"city": "x"})
    assert (result["content"], result["is_error"]) == (content, False)


async def test_a_flood_is_not_read_and_a_nap_ends(database_url: str, api: ScriptedApi) -> None:
    async with running_registry(database_url, max_answer_bytes=2000) as registry:
        await made(registry, weather(api))
        api.answer("/cities/x", b"x" * 5000)
        flood = await registry.invoke("weather.now", {"city": "x"})
        assert "over 2000 bytes" in flood["content"]
    async with running_registry(database_url, call_timeout_s=0.5) as registry:
        await made(registry, weather(api, name="weather.nap", request={"method": "GET", "url": f"{api.url}/nap"}))
        nap = await registry.invoke("weather.nap", {"city": "x"})
        assert "did not answer within 0.5 s" in nap["content"]


async def test_addresses_that_are_not_public_are_not_reached(database_url: str, api: ScriptedApi) -> None:
    async with running_registry(database_url, ssrf_allowed_hosts="elsewhere.example") as registry:
        await made(registry, weather(api))
        result = await registry.invoke("weather.now", {"city": "x"})
        assert result["is_error"]
        assert "TOOLS_SSRF_ALLOWED_HOSTS" in result["content"]
    assert api.requests == []


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": "http.fetch"}, ["body", "name"]),
        ({"name": "files.x"}, ["body", "name"]),
        ({"name": "nodot"}, ["body", "name"]),
        ({"request": {"method": "GET", "url": "https://{city}.example.com/"}}, ["body"]),
        ({"request": {"method": "GET", "url": "https://a.example:{days}/"}}, ["body"]),
        ({"request": {"method": "GET", "url": "{city}"}}, ["body"]),
        ({"request": {"method": "GET", "url": "file:///etc/passwd"}}, ["body"]),
        ({"request": {"method": "GET", "url": "https://user:pass@a.example/"}}, ["body", "request", "url"]),
        ({"request": {"method": "GET", "url": "https://a.example/x/../y"}}, ["body"]),
        ({"request": {"method": "GET", "url": "https://a.example/{nowhere}"}}, ["body"]),
        ({"request": {"method": "GET", "url": "https://a.example/{city"}}, ["body"]),
        ({"request": {"method": "TRACE", "url": "https://a.example/"}}, ["body", "request", "method"]),
        ({"request": {"method": "GET", "url": "https://a.example/", "body": "{city}"}}, ["body"]),
        ({"request": {"method": "GET", "url": "https://a.example/", "headers": {"Host": "b.example"}}}, ["body"]),
        ({"request": {"method": "GET", "url": "https://a.example/", "headers": {"X-A\r\nB": "c"}}}, ["body"]),
        ({"input_schema": {"type": "array", "properties": {"city": {}, "days": {}}}}, ["body", "input_schema"]),
        ({"output_schema": {"type": "nonsense"}}, ["body", "output_schema"]),
        ({"auth": {"scheme": "bearer"}}, ["body"]),
        ({"owner_id": "somebody"}, ["body", "owner_id"]),
    ],
)
async def test_what_can_be_no_tool_is_refused_with_its_place(
    registry: RunningRegistry, api: ScriptedApi, changes: JsonObject, place: list[str]
) -> None:
    answer = await registry.ask("POST", TOOLS, weather(api, **changes))
    assert answer.status_code == 422, answer.text
    assert [fault["loc"] for fault in answer.json()["errors"]] == [place]


@pytest.mark.parametrize("text", ["NaN", "-Infinity", "[" * 500 + "]" * 500], ids=["nan", "infinity", "deep"])
@pytest.mark.parametrize("field", ["query", "body", "input_schema", "output_schema"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_what_cannot_be_stored_is_refused(
    registry: RunningRegistry, api: ScriptedApi, text: str, field: str, method: str
) -> None:
    await made(registry, weather(api))
    whole = weather(api, name="weather.later", request={"method": "POST", "url": api.url})
    whole = whole if method == "POST" else {"request": whole["request"]}
    (whole["request"] if field in ("query", "body") else whole)[field] = {"a": "HERE"}
    body = json.dumps(whole).replace('"HERE"', text)
    path = TOOLS if method == "POST" else f"{TOOLS}/weather.now"
    headers = {**registry.issuer.person(registry.owner), "content-type": "application/json"}
    answer = await registry.http.request(method, path, content=body, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "not_storable"), answer.text


async def test_a_secret_in_a_request_is_refused(registry: RunningRegistry, api: ScriptedApi) -> None:
    request = {"method": "GET", "url": "https://a.example/", "headers": {"X-Api-Key": "0123456789abcdef"}}
    answer = await registry.ask("POST", TOOLS, weather(api, request=request))
    assert (answer.status_code, answer.json()["code"]) == (422, "secret_in_document")


async def test_a_tool_is_changed_as_a_whole_and_forgotten(registry: RunningRegistry, api: ScriptedApi) -> None:
    first = await made(registry, weather(api))
    path = f"{TOOLS}/weather.now"
    change = {"description": "Better.", "side_effect": "none"}
    second = (await registry.ask("PATCH", path, change)).json()
    assert (second["description"], second["side_effect"]) == ("Better.", "none")
    assert second["http"] == first["http"]
    assert second["definition_hash"] != first["definition_hash"]
    refused = await registry.ask("PATCH", path, {"input_schema": {"type": "object", "properties": {}}})
    assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "unknown_argument")
    assert await registry.tool("weather.now") == second
    versions = (await registry.ask("GET", f"{path}/versions")).json()["items"]
    assert [(row["version"], row["pinned_by"]) for row in versions] == [(2, registry.owner), (1, registry.owner)]
    assert (await registry.ask("DELETE", path)).status_code == 204
    assert (await registry.ask("GET", path)).status_code == 404


async def test_names_are_taken_once_whatever_takes_them(registry: RunningRegistry, api: ScriptedApi) -> None:
    await made(registry, weather(api))
    taken = [
        await registry.ask("POST", TOOLS, weather(api)),
        await registry.ask(
            "POST", "/api/v1/mcp-servers", {"name": "weather", "transport": "stdio", "command": "scripted"}
        ),
        await registry.ask("POST", f"{TOOLS}/import", {"name": "weather", "document": DOCUMENT, "base_url": api.url}),
    ]
    assert [(answer.status_code, answer.json()["code"]) for answer in taken] == [(409, "name_taken")] * 3
    await registry.register_stdio("scripted")
    assert (await registry.ask("POST", TOOLS, weather(api, name="scripted.now"))).status_code == 409
    assert (await registry.ask("POST", TOOLS, weather(api, name="weather.later"))).status_code == 201
    stdio = {"name": "memory", "transport": "stdio", "command": "scripted"}
    assert (await registry.ask("POST", "/api/v1/mcp-servers", stdio)).status_code == 422


async def test_another_owners_tools_are_not_there(registry: RunningRegistry, api: ScriptedApi) -> None:
    await made(registry, weather(api))
    for method in ("GET", "PATCH", "DELETE"):
        answer = await registry.ask(method, f"{TOOLS}/weather.now", {} if method == "PATCH" else None, owner="another")
        assert (answer.status_code, answer.json()["code"]) == (404, "tool_not_found")
    accepted = await registry.ask("POST", f"{TOOLS}/weather.now/accept", {}, owner="another")
    assert accepted.status_code == 404


DOCUMENT: JsonObject = {
    "openapi": "3.1.0",
    "info": {"title": "Weather", "version": "1"},
    "paths": {"/now": {"get": {"operationId": "now", "responses": {"200": {"description": "ok"}}}}},
}
