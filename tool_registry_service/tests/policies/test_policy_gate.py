"""What policies say to calls."""

from collections.abc import AsyncGenerator
from uuid import uuid4

import psycopg
import pytest

from kgents_shared.contracts.policies import FedPolicy, PolicyPage
from kgents_shared.contracts.tools import InvokeToolRequest
from kgents_shared.errors import Unavailable
from kgents_shared.policies.feed import PolicyFeed
from kgents_shared.testing.polling import eventually
from tests.external.running_registry import JsonObject, RunningRegistry, running_registry
from tests.external.scripted_mcp import ScriptedServer
from tool_registry_service.calls import CallableTool
from tool_registry_service.policies.gate import PolicyGate

TOOL = CallableTool("x.y", "mcp", "y", "active", "", "none", {})


@pytest.fixture
async def registry(database_url: str) -> AsyncGenerator[RunningRegistry]:
    """A registry of its own: policies may hold for everybody there."""
    async with running_registry(database_url, call_timeout_s=5) as running:
        yield running


def call_of(owner: str, arguments: JsonObject) -> InvokeToolRequest:
    return InvokeToolRequest.model_construct(
        owner_id=owner, principal=owner, agent_id=None, agent_name=None, name="x.y", arguments=arguments, hops=()
    )


def tell(registry: RunningRegistry, text: str, name: str = "p", *, everybody: bool = False) -> FedPolicy:
    owner = None if everybody else registry.owner
    policy = FedPolicy(id=uuid4(), owner_id=owner, name=name, text=text, version=1, in_force=bool(text))
    registry.policies.append(policy)
    return policy


async def denied(registry: RunningRegistry, text: str) -> JsonObject:
    async def refused() -> JsonObject | None:
        answer = await registry.invoke("scripted.count", {"n": 1}, agent_name="helper")
        return answer if text in answer["content"] else None

    found = await eventually(refused)
    assert found is not None
    return found


async def test_a_policy_denies_within_a_second_and_the_call_says_which(
    registry: RunningRegistry, scripted: ScriptedServer, database_url: str
) -> None:
    await registry.register_http(scripted)
    assert not (await registry.invoke("scripted.count", {"n": 1}))["is_error"]
    text = (
        '@id("counting") @reason("Counting costs.") forbid (principal is Agent, action, resource)'
        ' when { principal.name == "helper" && resource.kind == "mcp" && context.arguments.names.contains("n") };'
    )
    policy = tell(registry, text, "no-counting")
    answer = await denied(registry, "The policy no-counting of the owner forbids scripted.count (rule counting).")
    assert answer["is_error"]
    assert "Counting costs." in answer["content"]
    assert "`kgents policies update no-counting`" in answer["content"]
    assert not (await registry.invoke("scripted.count", {"n": 1}, agent_name="other"))["is_error"]
    query = "SELECT denied_by FROM tools.invocations WHERE owner_id = %s AND outcome = 'denied'"
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        rows = await (await connection.execute(query, (registry.owner,))).fetchall()
    of_policy = {"level": "policy", "of": "owner", "policy": "no-counting", "rule": "counting"}
    assert rows == [(of_policy | {"policy_id": str(policy.id)},)]
    (counted,) = (await registry.ask("GET", "/api/v1/tools/denials")).json()["items"]
    assert counted["denied_by"] == {"level": "policy", "pattern": None, "policy": "no-counting", "rule": "counting"}
    ended = policy.model_copy(update={"version": 2, "text": "", "in_force": False})
    registry.policies.append(ended)

    async def is_called_again() -> bool:
        return not (await registry.invoke("scripted.count", {"n": 1}, agent_name="helper"))["is_error"]

    await eventually(is_called_again)


async def test_a_policy_of_the_platform_holds_for_everybody(
    registry: RunningRegistry, scripted: ScriptedServer
) -> None:
    await registry.register_http(scripted)
    tell(registry, 'permit (principal, action, resource in Server::"time");', everybody=True)
    answer = await denied(registry, "No policy of this platform permits scripted.count")
    assert answer["is_error"]


async def test_names_of_arguments_that_no_text_can_hold_are_decided_on_all_the_same() -> None:
    policy = FedPolicy(
        id=uuid4(), owner_id="ann", name="p", version=1, in_force=True,
        text="forbid (principal, action, resource) when { context.arguments.bytes > 10 };",
    )  # fmt: skip

    async def known(_: int, __: float) -> PolicyPage:
        return PolicyPage(position=1, more=False, items=(policy,))

    feed = PolicyFeed(known)
    await feed.read_on()
    refused = await PolicyGate(feed).refusal(call_of("ann", {"\ud800": "x" * 20}), TOOL)
    assert refused is not None
    assert "forbids x.y" in refused.text


async def test_a_call_that_comes_before_the_policies_is_turned_away_without_a_trace(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tool_registry_service.lifespan._POLICIES_WAIT_S", 0.01)
    async with running_registry(database_url, governance_is_away=True) as registry:
        answer = await registry.send(registry.call_body("x.y"))
        assert (answer.status_code, answer.json()["code"]) == (503, "policies_unknown")
        assert int(answer.headers["retry-after"]) >= 1
        query = "SELECT count(*) FROM tools.invocations WHERE owner_id = %s"
        async with await psycopg.AsyncConnection.connect(database_url) as connection:
            assert await (await connection.execute(query, (registry.owner,))).fetchone() == (0,)


async def test_where_policies_were_never_known_nothing_is_called() -> None:
    async def away(_: int, __: float) -> PolicyPage:
        raise Unavailable("not now")

    gate = PolicyGate(PolicyFeed(away), wait_s=0.01)
    refused = await gate.refusal(call_of("ann", {}), TOOL)
    assert refused is not None
    assert refused.outcome == "policies_unknown"
    assert "can't be known right now" in refused.text
