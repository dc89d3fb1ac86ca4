"""A server that wants a bearer gets it from the real vault at the last moment, and nobody else ever sees it."""

import asyncio
import secrets

import pytest
from pydantic import SecretStr

from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.http.vault import KEPT_S, CredentialUse
from tests.external.credential_owner import CredentialOwner
from tests.external.running_registry import running_registry
from tests.external.scripted_mcp import ScriptedServer
from tool_registry_service.credentials import Bearers
from tool_registry_service.errors import CredentialRefused

SERVERS = "/api/v1/mcp-servers"
CREDENTIALS = "/api/v1/credentials"


@pytest.mark.parametrize("form", ["a text", "an object"])
async def test_a_server_that_wants_a_bearer_is_registered_and_called_with_it(
    somebody: CredentialOwner, scripted: ScriptedServer, form: str
) -> None:
    bearer = f"bearer-{secrets.token_hex(8)}"
    scripted.tell("authorization", f"Bearer {bearer}")
    ref = await somebody.keep(bearer if form == "a text" else {"token": bearer})
    body = {"name": "locked", "transport": "streamable_http", "url": scripted.url, "side_effect": "read"}
    assert (await somebody.registry.ask("POST", SERVERS, body)).status_code == 502
    made = await somebody.registry.ask("POST", SERVERS, {**body, "credential_ref": ref})
    assert made.status_code == 201, made.text
    assert made.json()["credential_ref"] == ref
    called = await somebody.registry.invoke("locked.echo", {"text": "hello"})
    assert called == {"content": "hello", "is_error": False}
    listed = await somebody.registry.ask("GET", SERVERS)
    assert bearer not in made.text + listed.text + str(called)
    uses = await somebody.uses(ref)
    assert [(row["used_by"], row["purpose"]) for row in uses] == [("tools", "mcp server locked")]


async def test_a_rotated_secret_is_taken_up_at_the_first_refusal(
    somebody: CredentialOwner, scripted: ScriptedServer
) -> None:
    scripted.tell("authorization", "Bearer before")
    ref = await somebody.keep("before")
    await somebody.registry.register("rotating", transport="streamable_http", url=scripted.url, credential_ref=ref)
    scripted.tell("authorization", "Bearer after")
    path = f"{CREDENTIALS}/{ref}/rotate"
    await somebody.auth.client.post(path, json={"secret": "after"}, headers=somebody.headers)
    called = await somebody.registry.invoke("rotating.echo", {"text": "still here"})
    assert called == {"content": "still here", "is_error": False}
    assert [row["version"] for row in await somebody.uses(ref)] == [2, 1]


async def test_a_credential_that_can_not_be_used_is_refused_at_once(
    somebody: CredentialOwner, scripted: ScriptedServer
) -> None:
    body = {"name": "refused", "transport": "streamable_http", "url": scripted.url}
    other = CredentialOwner(somebody.auth, somebody.registry, {})
    other.headers = {"Authorization": f"Bearer {(await somebody.auth.log_in())['access_token']}"}
    for ref in (await other.keep("theirs"), f"cred_{'0' * 32}"):
        answer = await somebody.registry.ask("POST", SERVERS, {**body, "credential_ref": ref})
        assert (answer.status_code, answer.json()["code"]) == (404, "credential_not_found"), answer.text
    for ref, words in (
        (await somebody.keep("x", "llm_provider"), "An MCP server takes one of type mcp"),
        (await somebody.keep("x", "generic"), "takes one of type mcp"),
        (await somebody.keep("two words"), "without spaces"),
        (await somebody.keep({"key": "x"}), "with the field token"),
    ):
        answer = await somebody.registry.ask("POST", SERVERS, {**body, "credential_ref": ref})
        assert (answer.status_code, answer.json()["code"]) == (422, "mcp_server_refused"), answer.text
        assert words in answer.json()["detail"]
    for wrong in ({"credential_ref": "sesame"}, {"credential_ref": ref, "transport": "stdio", "command": "scripted"}):
        answer = await somebody.registry.ask("POST", SERVERS, {**body, **wrong})
        assert answer.status_code == 422
    assert (await somebody.registry.ask("GET", SERVERS)).json()["items"] == []


async def test_with_the_vault_away_the_server_is_away_and_nothing_is_sent(
    database_url: str, scripted: ScriptedServer
) -> None:
    async with running_registry(database_url, auth_url="http://127.0.0.1:1") as registry:
        body = {
            "name": "away",
            "transport": "streamable_http",
            "url": scripted.url,
            "credential_ref": f"cred_{'0' * 32}",
        }
        answer = await registry.ask("POST", SERVERS, body)
    assert (answer.status_code, answer.json()["code"]) == (502, "mcp_server_unreachable")
    assert "can't be had right now" in answer.json()["detail"]


class CountedVault:
    """A vault whose secret is the number of times that it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def resolve(self, use: CredentialUse, purpose: str) -> ResolvedCredential:
        self.asked += 1
        return ResolvedCredential.model_validate(
            {"credential_ref": use.credential_ref, "type": "mcp", "version": 1, "secret": str(self.asked)}
        )


async def test_a_bearer_is_kept_for_a_minute_at_most_and_for_its_owner_alone() -> None:
    now = 1000.0
    vault = CountedVault()
    bearers = Bearers(vault, clock=lambda: now)
    use = CredentialUse(f"cred_{'0' * 32}", "an owner")

    async def given(of: CredentialUse) -> str:
        return (await bearers.bearer(of, "a test")).get_secret_value()

    assert [await given(use), await given(use)] == ["1", "1"]
    assert await given(CredentialUse(use.credential_ref, "another")) == "2"
    now += KEPT_S
    assert await given(use) == "3"
    bearers.forget(use)
    assert await given(use) == "4"
    assert KEPT_S <= 60
    assert len(await asyncio.gather(*(given(use) for _ in range(5)))) == 5
    assert vault.asked == 4


async def test_what_can_not_stand_in_a_header_is_never_sent() -> None:
    class Injecting(CountedVault):
        async def resolve(self, use: CredentialUse, purpose: str) -> ResolvedCredential:
            found = await super().resolve(use, purpose)
            return found.model_copy(update={"secret": SecretStr("x\r\nHost: elsewhere")})

    with pytest.raises(CredentialRefused) as refused:
        await Bearers(Injecting()).bearer(CredentialUse(f"cred_{'0' * 32}", "an owner"), "a test")
    assert "elsewhere" not in str(refused.value)
