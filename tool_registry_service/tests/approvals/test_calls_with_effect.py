"""A call with an effect on the world is made once a person said yes to exactly it, and never on the registry's own."""

import asyncio
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from kgents_shared.db import open_pool
from kgents_shared.http.client import ServiceSession
from tests.external.running_governance import Governance, JsonObject, Person
from tests.external.running_registry import RunningRegistry, running_registry
from tests.external.scripted_mcp import ScriptedServer
from tool_registry_service.approvals.clients import HttpApprovals
from tool_registry_service.approvals.left_calls import LeftCalls

COUNT = {"n": 1}


class Owner:
    """The owner of the tools, who decides on the approvals of their calls."""

    def __init__(self, governance: Governance, subject: str) -> None:
        self.governance = governance
        self.person: Person = governance.person(subject)

    async def approvals(self, status: str = "pending") -> list[JsonObject]:
        """Those of that status, the newest first."""
        answer = await self.person.ask("GET", params={"status": status})
        assert answer.status_code == 200, answer.text
        return answer.json()["items"]

    async def decide(self, decision: str = "approve", note: str | None = None) -> JsonObject:
        """Decide on the only one that waits."""
        [approval] = await self.approvals()
        answer = await self.person.ask("POST", f"/{approval['id']}/decide", json={"decision": decision, "note": note})
        assert answer.status_code == 200, answer.text
        return approval


@pytest.fixture
async def owner(asking: RunningRegistry, governance: Governance, scripted: ScriptedServer) -> Owner:
    """The owner of a server whose tools all act on the world."""
    await asking.register_http(scripted, side_effect="external")
    return Owner(governance, asking.owner)


async def ask(registry: RunningRegistry, body: JsonObject) -> JsonObject:
    answer = await registry.send(body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def outcome(database_url: str, body: JsonObject) -> Any:
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(
            "SELECT outcome, side_effect, denied_by, approval_id::text FROM tools.invocations "
            "WHERE idempotency_key = %s",
            (body["idempotency_key"],),
        )
        return await cursor.fetchone()


async def test_tools_act_on_the_world_until_a_person_says_otherwise(
    asking: RunningRegistry, scripted: ScriptedServer
) -> None:
    answer = await asking.ask(
        "POST", "/api/v1/mcp-servers", {"name": "new", "transport": "streamable_http", "url": scripted.url}
    )
    assert answer.status_code == 201, answer.text
    assert (await asking.tool("new.count"))["side_effect"] == "external"
    await asking.register_http(scripted, "known", side_effect="read")
    assert (await asking.tool("known.count"))["side_effect"] == "read"


async def test_a_call_waits_and_is_made_once_when_it_is_approved(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer, database_url: str
) -> None:
    body = asking.call_body("scripted.count", COUNT | {"api_key": "sk-canary-123456789"}, agent_name="clerk")
    waits = await ask(asking, body)
    assert (waits["is_error"], await ask(asking, body)) == (False, waits)
    assert scripted.calls == []
    [approval] = await owner.approvals()
    seen = (await owner.person.ask("GET", f"/{approval['id']}")).json()
    assert waits["waiting"]["approval_id"] == approval["id"]
    assert (seen["action"], seen["run_id"], seen["payload"]) == (
        "tool:scripted.count", body["run_id"], {"n": 1, "api_key": "***"},
    )  # fmt: skip
    assert "The agent clerk wants to call scripted.count" in seen["summary"]
    assert "canary" not in str(seen)
    assert await outcome(database_url, body) == ("waiting_approval", "external", None, approval["id"])
    await owner.decide()
    answers = await asyncio.gather(*(ask(asking, body) for _ in range(20)))
    assert answers == [{"content": "1", "is_error": False}] * 20
    assert len(scripted.calls) == 1
    assert (await outcome(database_url, body))[:2] == ("completed", "external")
    assert [row["id"] for row in await owner.approvals("consumed")] == [approval["id"]]


async def test_a_refusal_is_told_with_its_note_and_the_call_is_never_made(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer, database_url: str
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    await ask(asking, body)
    approval = await owner.decide("reject", "not on a Sunday")
    refused = await ask(asking, body)
    assert refused == {
        "content": 'A person refused this call, saying "not on a Sunday". scripted.count was not called.',
        "is_error": True,
    }  # fmt: skip
    assert await ask(asking, body) == refused
    assert scripted.calls == []
    told = {"level": "approval", "approval_id": approval["id"], "decided_by": asking.owner}
    assert (await outcome(database_url, body))[:3] == ("rejected", "external", told)


async def test_an_approval_that_ran_out_is_worth_nothing(
    asking: RunningRegistry, owner: Owner, governance: Governance, scripted: ScriptedServer
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    waits = await ask(asking, body)
    await owner.decide()
    await governance.change("ALTER TABLE governance.approvals DISABLE TRIGGER approvals_guarded")
    await governance.change(
        "UPDATE governance.approvals SET expires_at = now() - interval '1 second' WHERE id = %s",
        waits["waiting"]["approval_id"],
    )
    await governance.change("ALTER TABLE governance.approvals ENABLE TRIGGER approvals_guarded")
    assert "The time to decide on this call, and to make it, is over." in (await ask(asking, body))["content"]
    assert scripted.calls == []


async def test_an_approval_of_somebody_who_may_decide_no_longer_is_worth_nothing(
    asking: RunningRegistry, owner: Owner, governance: Governance, scripted: ScriptedServer, database_url: str
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    await ask(asking, body)
    await owner.decide()
    governance.auth.people[asking.owner]["scopes"] = ["runs:read"]
    assert "The approval of this call was withdrawn." in (await ask(asking, body))["content"]
    assert (await outcome(database_url, body))[0] == "approval_cancelled"
    assert scripted.calls == []


async def test_an_approval_is_void_where_the_tool_is_another_by_now(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer, database_url: str
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    await ask(asking, body)
    await owner.decide()
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "UPDATE tools.mcp_servers SET url = url || '?elsewhere' WHERE owner_id = %s", (asking.owner,)
        )
    void = await ask(asking, body)
    assert void["is_error"]
    assert "not what was to be approved" in void["content"]
    assert scripted.calls == []


async def test_an_approval_of_one_call_is_none_of_another(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    await ask(asking, body)
    await owner.decide()
    for other in (
        body | {"idempotency_key": uuid4().hex},
        body | {"idempotency_key": uuid4().hex, "arguments": {"n": 2}},
        body | {"idempotency_key": uuid4().hex, "arguments": COUNT | {"approved": True, "approval_id": "any"}},
    ):
        assert "waiting" in await ask(asking, other)
    assert scripted.calls == []


async def test_what_may_not_be_called_any_more_is_not_called_although_it_was_approved(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    await ask(asking, body)
    await owner.decide()
    denied = await ask(asking, body | {"deny": ["scripted.count"]})
    assert (denied["is_error"], scripted.calls) == (True, [])
    assert len(await owner.approvals("approved")) == 1


async def test_what_is_refused_anyway_asks_nobody(asking: RunningRegistry, owner: Owner) -> None:
    for body in (
        asking.call_body("scripted.count", deny=["*"]),
        asking.call_body("scripted.echo", {"text": 7}),
        asking.call_body("scripted.nope"),
    ):
        assert (await ask(asking, body))["is_error"]
    assert await owner.approvals() == []


async def test_a_lost_answer_asks_whether_it_is_sent_again_under_its_own_key(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer, database_url: str
) -> None:
    body = asking.call_body("scripted.nap", {"seconds": 60})
    await ask(asking, body)
    await owner.decide()
    waits = await ask(asking, body)
    assert len(scripted.calls) == 1
    again = await owner.decide()
    assert (again["action"], again["id"]) == ("repeat:scripted.nap", waits["waiting"]["approval_id"])
    assert "may have taken effect" in again["summary"]
    assert "waiting" in await ask(asking, body)
    assert scripted.calls == [f"{body['idempotency_key']} " + '{"seconds": 60}'] * 2
    await owner.decide("reject", "twice is enough")
    told = await ask(asking, body)
    assert told["is_error"]
    assert "whether it took effect is not known. It was not sent again." in told["content"]
    assert "twice is enough" in told["content"]
    assert (await outcome(database_url, body))[0] == "unknown"
    assert len(scripted.calls) == 2


async def test_a_tool_that_is_called_harmless_meanwhile_is_not_sent_again_without_a_word(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer
) -> None:
    body = asking.call_body("scripted.nap", {"seconds": 60})
    await ask(asking, body)
    await owner.decide()
    assert "waiting" in await ask(asking, body)
    assert len(scripted.calls) == 1
    [server] = (await asking.ask("GET", "/api/v1/mcp-servers")).json()["items"]
    path = f"/api/v1/mcp-servers/{server['id']}/tools/nap"
    for said in ("write", "none"):
        assert (await asking.ask("PATCH", path, {"side_effect": said})).status_code == 200
        assert "waiting" in await ask(asking, body)
    assert len(scripted.calls) == 1
    await owner.decide("reject")
    assert "It was not sent again." in (await ask(asking, body))["content"]
    assert len(scripted.calls) == 1


async def leave_to_a_dead_runner(database_url: str, body: JsonObject) -> None:
    """What a registry leaves that is killed while it makes a call."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(
            "UPDATE tools.invocations SET outcome = 'running', runner = gen_random_uuid() WHERE idempotency_key = %s",
            (body["idempotency_key"],),
        )


async def test_a_registry_that_died_before_the_approval_was_used_has_sent_nothing(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer, database_url: str
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    await ask(asking, body)
    await owner.decide()
    await leave_to_a_dead_runner(database_url, body)
    assert await ask(asking, body) == {"content": "1", "is_error": False}
    assert len(scripted.calls) == 1


async def test_a_registry_that_died_after_it_may_have_sent_and_a_person_decides(
    asking: RunningRegistry, owner: Owner, governance: Governance, scripted: ScriptedServer, database_url: str
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    waits = await ask(asking, body)
    await owner.decide()
    query = "SELECT payload_hash, request_key FROM governance.approvals WHERE id = %s"
    [bound] = await governance.rows(query, waits["waiting"]["approval_id"])
    path = f"/{waits['waiting']['approval_id']}/consume"
    assert (await governance.send("tools", "POST", path, json=bound)).status_code == 200
    await leave_to_a_dead_runner(database_url, body)
    assert "waiting" in await ask(asking, body)
    assert scripted.calls == []
    assert (await owner.decide())["action"] == "repeat:scripted.count"
    assert await ask(asking, body) == {"content": "1", "is_error": False}
    assert len(scripted.calls) == 1


async def test_two_registries_that_go_on_at_once_make_one_call(
    asking: RunningRegistry, owner: Owner, scripted: ScriptedServer, database_url: str, siblings: dict[str, Any]
) -> None:
    body = asking.call_body("scripted.count", COUNT)
    await ask(asking, body)
    await owner.decide()
    async with running_registry(database_url, **siblings) as second:
        answers = await asyncio.gather(*(ask((asking, second)[number % 2], body) for number in range(40)))
    assert answers == [{"content": "1", "is_error": False}] * 40
    assert len(scripted.calls) == 1


async def test_a_flood_of_questions_is_bounded(
    asking: RunningRegistry, owner: Owner, governance: Governance, scripted: ScriptedServer
) -> None:
    most = governance.app.state.settings.most_pending
    async with await psycopg.AsyncConnection.connect(governance.database_url) as connection:
        await connection.execute(
            "INSERT INTO governance.approvals (id, owner_id, principal, action, payload_hash, payload, summary, "
            "request_key, status, expires_at) SELECT gen_random_uuid(), %s, %s, 'tool:x', %s, '{}', 'x', n::text, "
            "'pending', now() + interval '1 day' FROM generate_series(1, %s) AS n",
            (asking.owner, asking.owner, "a" * 64, most),
        )
    refused = await ask(asking, asking.call_body("scripted.count", COUNT))
    assert refused["is_error"]
    assert f"{most} approvals wait already" in refused["content"]
    assert scripted.calls == []


async def test_where_nobody_can_be_asked_nothing_is_called(
    database_url: str, scripted: ScriptedServer, governance: Governance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tool_registry_service.approvals.step._PAUSES_S", (0.01,))
    settings: Any = {"auth_url": governance.auth_url, "governance_url": "http://127.0.0.1:1"}
    async with running_registry(database_url, **settings) as registry:
        await registry.register_http(scripted, side_effect="external")
        refused = await registry.invoke("scripted.count", COUNT)
    assert refused["is_error"]
    assert "Nobody can be asked right now" in refused["content"]
    assert scripted.calls == []


async def test_calls_that_nobody_asks_for_again_end_with_their_approval(
    asking: RunningRegistry, owner: Owner, governance: Governance, scripted: ScriptedServer, database_url: str,
    siblings: dict[str, Any],
) -> None:  # fmt: skip
    refused, lost, over, waits = (
        asking.call_body("scripted.nap", {"seconds": 60}, tool_call_id=name) for name in ("a", "b", "c", "d")
    )
    await ask(asking, lost)
    await owner.decide()
    await ask(asking, lost)
    await owner.decide("reject", "Enough.")
    await ask(asking, refused)
    await owner.decide("reject", "No.")
    for body in (over, waits):
        await ask(asking, body)
    cancelled = await governance.send("runtime", "POST", "/cancel", json={"run_id": over["run_id"]})
    assert cancelled.json() == {"cancelled": 1}
    async with (
        open_pool(database_url, max_size=2) as pool,
        ServiceSession(siblings["auth_url"], "tools", "for-tests-only") as session,
    ):
        await LeftCalls(pool, HttpApprovals(session.client(siblings["governance_url"], "governance"))).end_all()
    outcomes = [(await outcome(database_url, body))[0] for body in (refused, lost, over, waits)]
    assert outcomes == ["rejected", "unknown", "approval_cancelled", "waiting_approval"]
    told = await ask(asking, lost)
    assert "It was not sent again." in told["content"]
    assert 'A person refused this call, saying "Enough.".' in told["content"]
    assert len(scripted.calls) == 1
