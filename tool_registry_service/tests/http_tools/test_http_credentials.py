"""The credential of an HTTP tool: put on at the last moment, for its own origin alone, and never in an answer."""

import base64
import secrets
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.external.credential_owner import CredentialOwner
from tests.external.running_registry import JsonObject
from tests.external.scripted_api import ScriptedApi, scripted_api

TOOLS = "/api/v1/tools"
BASIC = f"Basic {base64.b64encode(b'ada:pass:word').decode()}"
SCHEMES = ({"scheme": "bearer"}, {"scheme": "header", "name": "X-Key"}, {"scheme": "query", "name": "k"})


@pytest.fixture(scope="module")
async def elsewhere() -> AsyncGenerator[ScriptedApi]:
    """An API at another origin."""
    async with scripted_api() as api:
        yield api


@pytest.fixture
def other(elsewhere: ScriptedApi) -> ScriptedApi:
    """The other API, as it is when nobody asked it anything."""
    elsewhere.requests.clear()
    elsewhere.answers.clear()
    return elsewhere


def locked(api: ScriptedApi, ref: str, **changes: Any) -> JsonObject:
    body: JsonObject = {
        "name": "locked.get",
        "description": "Something for those who have the key.",
        "input_schema": {"type": "object", "properties": {"key": {"type": "string"}}},
        "request": {"method": "GET", "url": f"{api.url}/locked", "query": {"key": "{key}"}},
        "credential_ref": ref,
        "side_effect": "write",
    }
    return body | changes


async def made(somebody: CredentialOwner, body: JsonObject) -> None:
    answer = await somebody.registry.ask("POST", TOOLS, body)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize(
    ("secret", "auth", "header"),
    [
        ("tok-en/1+2", None, ("authorization", "Bearer tok-en/1+2")),
        ({"api_key": "k-1234567"}, {"scheme": "header", "name": "X-API-Key"}, ("x-api-key", "k-1234567")),
        ({"username": "ada", "password": "pass:word"}, {"scheme": "basic"}, ("authorization", BASIC)),
        ("ada:pass:word", {"scheme": "basic"}, ("authorization", BASIC)),
    ],
)  # fmt: skip
async def test_the_credential_goes_as_it_is_said_and_comes_back_in_no_answer(
    somebody: CredentialOwner, api: ScriptedApi, secret: Any, auth: JsonObject | None, header: tuple[str, str]
) -> None:
    ref = await somebody.keep(secret, "generic")
    await made(somebody, locked(api, ref) | ({} if auth is None else {"auth": auth}))
    result = await somebody.registry.invoke("locked.get", {})
    (request,) = api.requests
    assert request.headers[header[0]] == header[1]
    assert not result["is_error"]
    assert "***" in result["content"]
    for shown in (header[1].rpartition(" ")[2], *(secret.values() if isinstance(secret, dict) else (secret,))):
        assert shown == "ada" or shown not in result["content"]
    assert len(await somebody.uses(ref)) >= 1


@pytest.mark.parametrize(
    "answer",
    [
        b'{"a": "Bearer ab/cd-canary"}',
        b'{"a": "ab\\/cd-canary"}',
        b'{"a": ["\\u0061b/cd-canary"]}',
        b'{"ab/cd-canary": 1, "a": {"ab/cd-canary": "ab/cd-canary"}}',
    ],
)
async def test_a_result_that_breaks_its_promise_does_not_quote_the_credential(
    somebody: CredentialOwner, api: ScriptedApi, answer: bytes
) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    await made(somebody, locked(api, await somebody.keep("ab/cd-canary", "generic"), output_schema=schema))
    api.answer("/locked", answer, content_type="application/json")
    result = await somebody.registry.invoke("locked.get", {})
    assert "not what its output schema promises" in result["content"]
    assert "***" in result["content"]
    assert "cd-canary" not in result["content"]


async def test_a_slash_that_json_escapes_hides_no_credential(somebody: CredentialOwner, api: ScriptedApi) -> None:
    await made(somebody, locked(api, await somebody.keep("ab/cd-canary", "generic")))
    api.answer("/locked", b'{"a": "ab\\/cd-canary"}', content_type="application/json")
    assert (await somebody.registry.invoke("locked.get", {}))["content"] == '{"a": "***"}'


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "Connection"])
async def test_a_credential_says_nothing_about_how_a_request_is_sent(
    somebody: CredentialOwner, api: ScriptedApi, name: str
) -> None:
    ref = await somebody.keep("other.example", "generic")
    body = locked(api, ref, auth={"scheme": "header", "name": name})
    answer = await somebody.registry.ask("POST", TOOLS, body)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "bad_placement")


async def test_a_key_in_the_query_cannot_be_given_by_an_argument(somebody: CredentialOwner, api: ScriptedApi) -> None:
    ref = await somebody.keep("the+key", "platform")
    await made(somebody, locked(api, ref, auth={"scheme": "query", "name": "key"}))
    result = await somebody.registry.invoke("locked.get", {"key": "mine"})
    assert api.requests[0].query == [("key", "the+key")]
    assert "the+key" not in result["content"]
    assert "the%2Bkey" not in result["content"]


@pytest.mark.parametrize(
    "auth", [{"scheme": "bearer"}, {"scheme": "header", "name": "X-Key"}, {"scheme": "query", "name": "k"}]
)
async def test_a_redirect_at_home_keeps_the_credential_and_one_elsewhere_drops_it_for_good(
    somebody: CredentialOwner, api: ScriptedApi, other: ScriptedApi, auth: JsonObject
) -> None:
    canary = f"canary-{secrets.token_hex(8)}"
    ref = await somebody.keep(canary, "generic")
    await made(somebody, locked(api, ref, auth=auth))
    api.redirect("/locked", "/moved")
    api.redirect("/moved", f"{other.url}/away")
    other.redirect("/away", f"{api.url}/back")
    result = await somebody.registry.invoke("locked.get", {"key": "argument"})
    assert not result["is_error"]
    at_home = [str(request.headers) + str(request.query) for request in api.requests]
    assert [canary in seen for seen in at_home] == [True, True, False]
    (away,) = other.requests
    assert canary not in str(away.headers) + str(away.query)
    assert "argument" not in str(away.headers) + str(away.query)


@pytest.mark.parametrize("status", [307, 308])
async def test_what_changes_something_is_not_sent_on_to_another_address(
    somebody: CredentialOwner, api: ScriptedApi, other: ScriptedApi, status: int
) -> None:
    request = {"method": "POST", "url": f"{api.url}/locked", "body": {"key": "{key}"}}
    await made(somebody, locked(api, await somebody.keep("tok-en-1", "generic"), request=request))
    api.redirect("/locked", f"{other.url}/there", status)
    result = await somebody.registry.invoke("locked.get", {"key": "a"})
    assert result["is_error"]
    assert "redirects a POST to another address" in result["content"]
    assert other.requests == []
    api.redirect("/locked", "/here", status)
    assert not (await somebody.registry.invoke("locked.get", {"key": "a"}))["is_error"]
    assert [(request.method, request.body) for request in api.requests[-1:]] == [("POST", b'{"key":"a"}')]


async def test_a_change_that_leads_nowhere_may_have_been_made(somebody: CredentialOwner, api: ScriptedApi) -> None:
    request = {"method": "POST", "url": f"{api.url}/locked", "body": {"key": "{key}"}}
    await made(somebody, locked(api, await somebody.keep("tok-en-1", "generic"), request=request))
    api.redirect("/locked", "http://127.0.0.1:1/result", 303)
    call = somebody.registry.call_body("locked.get", {"key": "a"})
    assert (await somebody.registry.send(call)).json()["is_error"]
    query = "/api/v1/tools/invocations?tool=locked.get"
    [record] = (await somebody.registry.ask("GET", query)).json()["items"]
    assert record["outcome"] == "unknown"


async def test_a_circle_of_redirects_ends(somebody: CredentialOwner, api: ScriptedApi) -> None:
    await made(somebody, locked(api, await somebody.keep("tok-en-1", "generic")))
    api.redirect("/locked", "/locked")
    assert "redirects more than 5 times" in (await somebody.registry.invoke("locked.get", {}))["content"]


async def test_a_rotated_secret_is_taken_up_after_a_refusal(somebody: CredentialOwner, api: ScriptedApi) -> None:
    ref = await somebody.keep("before-1", "generic")
    await made(somebody, locked(api, ref))
    await somebody.registry.invoke("locked.get", {})
    path = f"/api/v1/credentials/{ref}/rotate"
    await somebody.auth.client.post(path, json={"secret": "after-22"}, headers=somebody.headers)
    api.answer("/locked", {}, 401)
    await somebody.registry.invoke("locked.get", {})
    await somebody.registry.invoke("locked.get", {})
    sent = [request.headers["authorization"] for request in api.requests]
    assert sent == ["Bearer before-1", "Bearer before-1", "Bearer after-22"]


async def test_a_credential_that_cannot_be_used_is_refused_at_once(somebody: CredentialOwner, api: ScriptedApi) -> None:
    theirs = CredentialOwner(somebody.auth, somebody.registry, {})
    theirs.headers = {"Authorization": f"Bearer {(await somebody.auth.log_in())['access_token']}"}
    document = {"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "paths": {}}
    for ref in (await theirs.keep("theirs-1", "generic"), f"cred_{'0' * 32}"):
        for path, body in (
            (TOOLS, locked(api, ref)),
            (f"{TOOLS}/import", {"name": "a", "document": document, "base_url": api.url, "credential_ref": ref}),
        ):
            answer = await somebody.registry.ask("POST", path, body)
            assert (answer.status_code, answer.json()["code"]) == (404, "credential_not_found")
    for secret, kind in (("an-mcp-one", "mcp"), ("with blanks", "generic"), ({"a": "x", "b": "y"}, "generic")):
        answer = await somebody.registry.ask("POST", TOOLS, locked(api, await somebody.keep(secret, kind)))
        assert (answer.status_code, answer.json()["code"]) == (422, "credential_unusable")
        assert str(secret) not in answer.text
    assert api.requests == []


async def test_an_imported_api_gets_its_credential_and_another_one(somebody: CredentialOwner, api: ScriptedApi) -> None:
    operation = {"operationId": "get", "responses": {"200": {"description": "ok"}}}
    document = {
        "openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "security": [{"key": []}],
        "paths": {"/x": {"get": operation}, "/open": {"get": operation | {"operationId": "open", "security": []}}},
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
    }  # fmt: skip
    body = {"name": "keyed", "document": document, "base_url": api.url, "side_effects": {"*": "read"}}
    without = (await somebody.registry.ask("POST", f"{TOOLS}/import", body)).json()
    assert without["api"]["warnings"] == ["1 of the tools want a credential, and there is none: give a credential_ref."]
    path = f"{TOOLS}/imports/{without['api']['id']}"
    for secret in ("first-key", "second-key"):
        ref = await somebody.keep(secret, "generic")
        assert (await somebody.registry.ask("PATCH", path, {"credential_ref": ref})).status_code == 200
        await somebody.registry.invoke("keyed.get", {})
    await somebody.registry.ask("POST", f"{path}/refresh", {"document": document})
    await somebody.registry.invoke("keyed.open", {})
    assert (await somebody.registry.ask("PATCH", path, {"credential_ref": None})).json()["credential_ref"] is None
    await somebody.registry.invoke("keyed.get", {})
    assert [request.headers.get("x-key") for request in api.requests] == ["first-key", "second-key", None, None]
