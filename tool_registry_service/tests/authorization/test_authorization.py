"""OAuth at MCP servers: by a person or a client, for that server alone, kept in the real vault."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.external.authorization_server import AuthorizationServer, agree, authorization_server
from tests.external.credential_owner import CredentialOwner, credential_owner
from tests.external.running_auth import RunningAuth
from tests.external.running_registry import JsonObject, RunningRegistry
from tool_registry_service.registry import Registry

SERVERS = "/api/v1/mcp-servers"
CALLBACK = f"{SERVERS}/oauth/callback"


@pytest.fixture(scope="module")
async def shared_guarded() -> AsyncGenerator[AuthorizationServer]:
    async with authorization_server() as server:
        yield server


@pytest.fixture
def guarded(shared_guarded: AuthorizationServer) -> AuthorizationServer:
    """An MCP server that wants a token of its authorization server."""
    shared_guarded.forget()
    return shared_guarded


async def register(somebody: CredentialOwner, guarded: AuthorizationServer, **oauth: Any) -> JsonObject:
    return await somebody.registry.register(
        "notes", transport="streamable_http", url=guarded.mcp.url, oauth=oauth or {"grant": "authorization_code"}
    )


async def begin(registry: RunningRegistry, server: JsonObject) -> str:
    begun = await registry.ask("POST", f"{SERVERS}/{server['id']}/authorize", {})
    assert begun.status_code == 200, begun.text
    return str(begun.json()["authorization_url"])


async def authorized(somebody: CredentialOwner, guarded: AuthorizationServer) -> JsonObject:
    """A server whose owner has agreed."""
    server = await register(somebody, guarded)
    back = await agree(await begin(somebody.registry, server))
    ended = await somebody.registry.http.get(CALLBACK, params=back)
    assert ended.status_code == 200, ended.text
    return server


async def works(registry: RunningRegistry) -> None:
    answer = await registry.invoke("notes.whoami", {"who": "me"})
    assert answer["content"].endswith(" me"), answer


async def accepted(registry: RunningRegistry) -> None:
    """The tools may be called without an approval."""
    items = (await registry.ask("GET", "/api/v1/tools?q=whoami")).json()["items"]
    path = f"{SERVERS}/{items[0]['server_id']}/tools/whoami"
    assert (await registry.ask("PATCH", path, {"side_effect": "write"})).status_code == 200


def bearers(guarded: AuthorizationServer) -> set[str]:
    return {row["Authorization"].removeprefix("Bearer ") for row in guarded.mcp.headers if "Authorization" in row}


async def test_a_person_authorizes_a_server_and_its_tools_are_called_with_a_token_for_it_alone(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    registry = somebody.registry
    server = await register(somebody, guarded)
    assert (server["authorized_at"], server["oauth"]["grant"]) == (None, "authorization_code")
    assert "authorize" in server["warnings"][0]
    assert guarded.mcp.headers == []
    early = await registry.ask("POST", f"{SERVERS}/{server['id']}/refresh", {})
    assert (early.status_code, early.json()["code"]) == (502, "mcp_server_unauthorized")

    url = await begin(registry, server)
    back = await agree(url)
    ended = (await registry.http.get(CALLBACK, params=back)).json()
    assert (ended["name"], ended["tools"], ended["fault"]) == ("notes", 14, None)
    await accepted(registry)
    await works(registry)

    sent, exchanged = guarded.grants.asked[0], guarded.grants.asked[1]
    assert (sent["code_challenge_method"], sent["resource"], sent["scope"]) == ("S256", guarded.mcp.url, "notes")
    assert (exchanged["grant_type"], exchanged["resource"]) == ("authorization_code", guarded.mcp.url)
    assert bearers(guarded) <= set(guarded.grants.tokens)
    seen = (await registry.ask("GET", f"{SERVERS}/{server['id']}")).json()
    assert seen["authorized_at"] is not None
    answers = str(seen) + str(ended) + (await registry.ask("GET", "/api/v1/tools")).text
    assert not any(token in answers for token in (*guarded.grants.tokens, *guarded.grants.refresh))


async def test_an_answer_is_used_once_and_only_by_the_latest_question(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    registry = somebody.registry
    server = await register(somebody, guarded)
    first, second = await agree(await begin(registry, server)), await agree(await begin(registry, server))
    for back in (first, second | {"state": "guessed"}):
        answer = await registry.http.get(CALLBACK, params=back)
        assert (answer.status_code, answer.json()["code"]) == (404, "authorization_not_pending")
    elsewhere = await registry.http.get(CALLBACK, params=second | {"iss": "http://other.example"})
    assert (elsewhere.status_code, elsewhere.json()["code"]) == (502, "mcp_authorization_failed")
    again = await registry.http.get(CALLBACK, params=second)
    assert again.status_code == 404
    assert guarded.grants.tokens == {}
    refused = {"error": "access_denied", "state": (await agree(await begin(registry, server)))["state"]}
    said_no = await registry.http.get(CALLBACK, params=refused)
    assert (said_no.status_code, "access_denied" in said_no.text) == (502, False)


async def test_a_token_that_runs_out_is_renewed_once_for_all_who_need_it(
    somebody: CredentialOwner, guarded: AuthorizationServer, vault: tuple[RunningAuth, str], database_url: str
) -> None:
    await authorized(somebody, guarded)
    await accepted(somebody.registry)
    await works(somebody.registry)
    async with credential_owner(vault, database_url) as second:
        # Another process of the registry, for the same owner.
        second.registry.owner = somebody.registry.owner
        await works(second.registry)
        guarded.expire()
        before = len(guarded.grants.asked)
        both = [row for row in (somebody.registry, second.registry) for _ in range(5)]
        answers = await asyncio.gather(*(row.invoke("notes.whoami", {"who": "me"}) for row in both))
        assert all(answer["content"].endswith(" me") for answer in answers), answers
    renewed = guarded.grants.asked[before:]
    assert [row["grant_type"] for row in renewed] == ["refresh_token"]
    assert renewed[0]["resource"] == guarded.mcp.url


async def test_an_authorization_that_was_withdrawn_is_told_and_can_be_given_again(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    registry = somebody.registry
    server = await authorized(somebody, guarded)
    await accepted(registry)
    guarded.expire()
    guarded.grants.refresh.clear()
    refused = await registry.invoke("notes.whoami", {"who": "me"})
    assert refused["is_error"]
    assert f"POST /api/v1/mcp-servers/{server['id']}/authorize" in refused["content"]
    health = (await registry.ask("GET", f"{SERVERS}/{server['id']}/health")).json()
    assert health["state"] == "unauthorized"
    clients = len(guarded.grants.clients)
    back = await agree(await begin(registry, server))
    assert (await registry.http.get(CALLBACK, params=back)).status_code == 200
    assert len(guarded.grants.clients) == clients, "registered there once"
    await works(registry)


async def test_an_authorization_server_that_is_away_makes_nobody_authorize_again(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    registry = somebody.registry
    await authorized(somebody, guarded)
    await accepted(registry)
    guarded.expire()
    guarded.token_status = 503
    assert "answered 503" in (await registry.invoke("notes.whoami", {"who": "me"}))["content"]
    guarded.token_status = 200
    await works(registry)


async def test_a_server_that_moves_or_goes_takes_its_authorization_along(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    registry = somebody.registry
    server = await authorized(somebody, guarded)
    kept = "/api/v1/credentials?type=mcp_oauth"
    assert len((await somebody.auth.client.get(kept, headers=somebody.headers)).json()["items"]) == 1
    seen = len(guarded.mcp.headers)
    moved = await registry.ask("PATCH", f"{SERVERS}/{server['id']}", {"url": f"{guarded.mcp.url}?elsewhere=1"})
    assert (moved.status_code, moved.json()["server"]["authorized_at"]) == (200, None)
    assert len(guarded.mcp.headers) == seen, "no token goes to another address"
    assert (await somebody.auth.client.get(kept, headers=somebody.headers)).json()["items"] == []
    assert (await registry.ask("DELETE", f"{SERVERS}/{server['id']}")).status_code == 204


async def test_a_client_of_the_owners_needs_nobody(somebody: CredentialOwner, guarded: AuthorizationServer) -> None:
    guarded.give_client("by hand", "s3cret: with + and %")
    ref = await somebody.keep({"client_id": "by hand", "client_secret": "s3cret: with + and %"})
    await register(somebody, guarded, grant="client_credentials", client_ref=ref, issuer=guarded.issuer)
    await works(somebody.registry)
    assert {row["client_id"] for row in guarded.grants.tokens.values()} == {"by hand"}
    guarded.expire()
    await works(somebody.registry)


async def test_what_a_token_endpoint_repeats_of_what_it_was_sent_is_shown_nowhere(
    somebody: CredentialOwner, guarded: AuthorizationServer, capfd: pytest.CaptureFixture[str]
) -> None:
    guarded.give_client("by hand", "canary-4711")
    guarded.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    ref = await somebody.keep({"client_id": "by hand", "client_secret": "canary-4711"})
    oauth = {"grant": "client_credentials", "client_ref": ref, "issuer": guarded.issuer}
    body = {"name": "notes", "transport": "streamable_http", "url": guarded.mcp.url, "oauth": oauth}
    for status in (400, 503):
        guarded.token_status = status
        answer = await somebody.registry.ask("POST", SERVERS, body)
        assert (answer.status_code, f"it answered {status}" in answer.json()["detail"]) == (502, True), answer.text
        told = capfd.readouterr()
        basic = base64.b64encode(b"by%20hand:canary-4711").decode()
        for secret in ("canary-4711", basic):
            assert secret not in answer.text + told.out + told.err


async def test_a_client_is_shown_to_its_own_authorization_server_alone(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    guarded.give_client("by hand", "s3cret")
    ref = await somebody.keep({"client_id": "by hand", "client_secret": "s3cret"})
    for grant in ("client_credentials", "authorization_code"):
        body = {
            "name": "notes", "transport": "streamable_http", "url": guarded.mcp.url,
            "oauth": {"grant": grant, "client_ref": ref, "issuer": "https://issuer.example"},
        }  # fmt: skip
        answer = await somebody.registry.ask("POST", SERVERS, body)
        if grant == "authorization_code":
            answer = await somebody.registry.ask("POST", f"{SERVERS}/{answer.json()['id']}/authorize", {})
        assert answer.status_code == 502, answer.text
        assert "s3cret" not in answer.text
    assert guarded.grants.asked == []
    assert set(guarded.grants.clients) == {"by hand"}


async def test_a_server_that_leads_somewhere_else_gets_nobody_there(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    server = await register(somebody, guarded)
    leads: list[tuple[JsonObject, JsonObject, str]] = [
        ({"issuer": "https://other.example"}, {}, "issuer mismatch"),
        ({"code_challenge_methods_supported": ["plain"]}, {}, "PKCE"),
        ({"token_endpoint": "http://tokens.example/token"}, {}, "without TLS"),
        ({"authorization_endpoint": "http://go.example/authorize"}, {}, "without TLS"),
        ({}, {"resource": "https://other.example/mcp"}, "does not match"),
        ({}, {"authorization_servers": ["http://169.254.169.254/"]}, "without TLS"),
        ({}, {"authorization_servers": ["https://127.0.0.2/"]}, "loopback, private or reserved"),
    ]
    for metadata, resource, says in leads:
        guarded.metadata, guarded.resource = metadata, resource
        answer = await somebody.registry.ask("POST", f"{SERVERS}/{server['id']}/authorize", {})
        assert (answer.status_code, answer.json()["code"]) == (502, "mcp_authorization_failed"), says
        assert says in answer.json()["detail"]
    assert guarded.grants.asked == []


async def test_nothing_that_was_shown_to_the_platform_goes_to_a_server(
    somebody: CredentialOwner, guarded: AuthorizationServer
) -> None:
    await authorized(somebody, guarded)
    ours = [somebody.headers["Authorization"], somebody.registry.as_runtime()["Authorization"]]
    everything = str(guarded.mcp.headers) + str(guarded.grants.asked)
    assert not any(bearer.removeprefix("Bearer ") in everything for bearer in ours)
    parts: Registry = somebody.registry.app.state.registry
    assert parts.sessions.sessions == 1


async def test_what_is_no_way_to_be_authorized_is_refused(registry: RunningRegistry) -> None:
    ways: list[JsonObject] = [
        {"grant": "client_credentials"},
        {"client_ref": f"cred_{'0' * 32}"},
        {"issuer": "https://issuer.example"},
        {"grant": "implicit"},
        {"scope": 'two"parts'},
    ]
    for oauth in ways:
        body = {"name": "notes", "transport": "streamable_http", "url": "https://mcp.example/", "oauth": oauth}
        assert (await registry.ask("POST", SERVERS, body)).status_code == 422, oauth


async def test_a_server_without_oauth_is_not_authorized(registry: RunningRegistry) -> None:
    server = await registry.register_stdio()
    answer = await registry.ask("POST", f"{SERVERS}/{server['id']}/authorize", {})
    assert (answer.status_code, answer.json()["code"]) == (409, "oauth_not_set")
    stranger = await registry.ask("POST", f"{SERVERS}/{server['id']}/authorize", {}, owner="somebody else")
    assert stranger.status_code == 404
