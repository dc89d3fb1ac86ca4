"""An agent that has a model credential of its own: that key is shown, at that address, and nobody else's is."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import aiohttp
import pytest

from agent_runtime_service.gateway.own_accounts import CheckedResolver
from kgents_shared.http.addresses import AddressNotPublic, AddressPolicy
from kgents_shared.testing.model_server import ModelServer
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

REF = f"cred_{'a' * 32}"
OWN_KEY = "sk-own-canary-key"
StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]


@pytest.fixture
async def own_model() -> AsyncGenerator[ModelServer]:
    """Another server, which takes another key."""
    async with ModelServer(api_key=OWN_KEY) as server:
        yield server


@pytest.fixture
async def paying(start_runtime: StartRuntime) -> AsyncGenerator[Runtime]:
    """A front with an agent whose credential is `REF`, and which may have it at an address of this machine."""
    async with start_runtime(ssrf_allowed_hosts=["127.0.0.1"]) as runtime:
        await runtime.add_agent(llm={"credential_ref": REF})
        yield runtime


async def fails(runtime: Runtime, status: int, code: str) -> str:
    answer = await runtime.send("hello")
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert OWN_KEY not in answer.text
    detail: str = answer.json()["detail"]
    return detail


def keep(siblings: RuntimeSiblings, runtime: Runtime, **credential: Any) -> None:
    siblings.credentials[REF] = {"owner_id": runtime.owner, "secret": OWN_KEY, **credential}


async def test_its_own_server_is_asked_with_its_own_key_and_the_platforms_is_not(
    paying: Runtime, siblings: RuntimeSiblings, model: ModelServer, own_model: ModelServer
):
    keep(siblings, paying, provider="openai", base_url=own_model.base_url)
    first = await paying.say("hello")
    await paying.say("hello again", first["conversation_id"])
    assert (len(own_model.requests), len(model.requests)) == (2, 0)
    [use] = siblings.credential_uses  # kept for a minute
    assert (use.credential_ref, use.owner_id, use.purpose) == (REF, paying.owner, "model calls of helper")


async def test_a_key_without_an_address_is_used_at_the_operators(
    paying: Runtime, siblings: RuntimeSiblings, model: ModelServer
):
    model.api_key = OWN_KEY
    keep(siblings, paying, secret={"api_key": OWN_KEY})
    await paying.say("hello")
    assert [request.authorization for request in model.requests] == [f"Bearer {OWN_KEY}"]


async def test_a_key_that_was_refused_is_fetched_anew_for_the_next_message(
    paying: Runtime, siblings: RuntimeSiblings, own_model: ModelServer
):
    keep(siblings, paying, secret="sk-an-older-key", base_url=own_model.base_url)
    assert f"refused the credential {REF}" in await fails(paying, 502, "provider_refused")
    keep(siblings, paying, base_url=own_model.base_url)
    assert (await paying.say("hello"))["status"] == "completed"


async def test_a_credential_that_is_gone_or_somebody_elses_fails_the_run_and_nothing_else_is_used(
    paying: Runtime, siblings: RuntimeSiblings, model: ModelServer
):
    assert REF in await fails(paying, 502, "credential_not_found")
    keep(siblings, paying, owner_id="somebody else")
    assert REF in await fails(paying, 502, "credential_not_found")
    assert not model.requests


async def test_a_credential_that_can_not_be_used_is_told_by_its_reference(
    paying: Runtime, siblings: RuntimeSiblings, model: ModelServer
):
    unfit: list[tuple[dict[str, Any], str]] = [
        ({"type": "generic"}, "is no credential of type llm_provider"),
        ({"provider": "anthropic"}, "is for the provider anthropic"),
        ({"secret": "two words"}, "without spaces"),
        ({"secret": {"token": OWN_KEY}}, "the field api_key"),
        ({"base_url": "http://10.1.2.3/v1"}, "RUNTIME_SSRF_ALLOWED_HOSTS"),
        ({"base_url": "http://xn--a-.example/v1"}, "is no address"),
        ({"base_url": "http://[::ffff:169.254.169.254]/v1"}, "which outgoing calls may not reach"),
    ]
    for credential, words in unfit:
        keep(siblings, paying, **credential)
        assert words in await fails(paying, 502, "credential_refused")
    assert not model.requests


async def test_a_name_that_leads_back_to_this_machine_is_not_asked(
    paying: Runtime, siblings: RuntimeSiblings, own_model: ModelServer
):
    keep(siblings, paying, base_url=own_model.base_url.replace("127.0.0.1", "localhost"))
    assert "RUNTIME_SSRF_ALLOWED_HOSTS" in await fails(paying, 502, "provider_address_refused")
    assert not own_model.requests


@pytest.mark.parametrize("host", ["localhost", "127.1", "0x7f000001", "2130706433", "0177.0.0.1"])
async def test_however_this_machine_is_written_it_is_not_connected_to(own_model: ModelServer, host: str):
    connector = aiohttp.TCPConnector(resolver=CheckedResolver(AddressPolicy(["127.0.0.1"])))
    async with aiohttp.ClientSession(connector=connector) as session:
        with pytest.raises((AddressNotPublic, aiohttp.InvalidURL)):
            await session.post(own_model.base_url.replace("127.0.0.1", host))
    assert not own_model.requests


async def test_with_the_vault_away_the_run_may_be_tried_again(paying: Runtime, siblings: RuntimeSiblings):
    keep(siblings, paying, type="no such type")
    answer = await paying.send("hello")
    assert (answer.status_code, answer.json()["code"]) == (503, "credential_unknown"), answer.text
    assert answer.headers["retry-after"] == "1"
