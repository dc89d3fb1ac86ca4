"""From the question to the deed: what is asked, who reads it, what is decided, told and written down."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from kgents_shared.testing.polling import eventually
from tests.external.running_governance import Governance, running_governance


async def test_a_person_reads_the_exact_payload_approves_it_and_it_is_carried_out_once(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    assert asked.answer["status"] == "pending"
    seen = await ada.sees(asked)
    assert (seen["payload"], seen["action"]) == ({"to": "ada@example.org", "text": "Hello"}, "tool:mail.send")
    assert (seen["requested_by"], seen["decided_by"]) == (ada.subject, None)
    decided = await ada.decides(asked, note="Go ahead")
    assert (decided.status_code, decided.json()["status"], decided.json()["note"]) == (200, "approved", "Go ahead")
    assert (await asked.state())["note"] == "Go ahead"
    consumed = await asked.consumed()
    assert (consumed.status_code, consumed.json()["status"]) == (200, "consumed")
    again = await asked.consumed()
    assert (again.status_code, again.json()["code"]) == (409, "approval_consumed")
    assert await asked.history() == [("asked", "tools"), ("approved", ada.subject), ("consumed", "tools")]
    assert [record["what"] for record in (await ada.sees(asked))["history"]] == ["asked", "approved", "consumed"]
    (event,) = await asked.events()
    assert (event["type"], event["data"]["status"]) == ("approval.decided", "approved")
    assert event["data"]["run_id"] == asked.question["run_id"]


async def test_what_is_rejected_stays_so_and_the_note_goes_to_who_waits(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    assert (await ada.decides(asked, "reject", "Not on a Sunday")).json()["status"] == "rejected"
    state = await asked.state()
    assert (state["status"], state["note"], state["decided_by"]) == ("rejected", "Not on a Sunday", ada.subject)
    refused = await asked.consumed()
    assert (refused.status_code, refused.json()["code"]) == (409, "approval_not_usable")
    assert (refused.json()["reason"], refused.json()["approval_status"]) == ("not_approved", "rejected")


async def test_the_same_request_is_the_same_approval_and_its_key_stands_for_nothing_else(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    await ada.decides(asked)
    again = await governance.send("tools", "POST", "", json=asked.question)
    assert (again.json()["id"], again.json()["status"]) == (asked.id, "approved")
    for change in ({"payload_hash": "b" * 64}, {"action": "tool:bank.pay"}, {"principal": "somebody"}):
        other = await governance.send("tools", "POST", "", json=asked.question | change)
        assert (other.status_code, other.json()["code"]) == (409, "approval_key_reused")
    theirs = await governance.asks(governance.person().subject, request_key=asked.question["request_key"])
    assert (theirs.id != asked.id, theirs.answer["status"]) == (True, "pending")


async def test_the_same_decision_again_is_no_fault_and_another_one_is(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    first, again = await ada.decides(asked, note="Yes"), await ada.decides(asked, note="Yes")
    assert first.json() == again.json()
    for decision, note in (("reject", None), ("approve", "Or rather this")):
        late = await ada.decides(asked, decision, note)
        assert (late.status_code, late.json()["code"], late.json()["approval_status"]) == (
            409,
            "approval_decided",
            "approved",
        )
    assert await asked.history() == [("asked", "tools"), ("approved", ada.subject)]
    assert len(await asked.events()) == 1


async def test_lists_show_what_waits_for_a_person_and_their_organisations(governance: Governance):
    organisation, agent, run = str(uuid4()), str(uuid4()), str(uuid4())
    ada = governance.person(organisations={"acme": organisation})
    own = await governance.asks(ada.subject, agent_id=agent)
    theirs = await governance.asks(organisation, run_id=run, action="tool:bank.pay")
    await governance.asks(governance.person().subject)
    done = await governance.asks(ada.subject)
    await ada.decides(done, "reject")

    async def ids(**params: Any) -> list[str]:
        answer = await ada.ask("GET", params=params)
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["items"]]

    assert await ids() == [done.id, theirs.id, own.id]
    assert await ids(status="pending") == [theirs.id, own.id]
    assert await ids(status="rejected") == [done.id]
    assert await ids(organisation="acme") == [theirs.id]
    assert await ids(agent_id=agent) == [own.id]
    assert await ids(run_id=run) == [theirs.id]
    assert await ids(action="tool:bank.pay") == [theirs.id]
    assert (await ada.ask("GET", params={"organisation": "other"})).status_code == 404
    first = (await ada.ask("GET", params={"limit": 2})).json()
    rest = (await ada.ask("GET", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert ([row["id"] for row in rest["items"]], rest["next_cursor"]) == ([own.id], None)
    assert "payload" not in first["items"][0]


async def test_what_runs_out_is_expired_at_once_written_down_and_told(governance: Governance):
    ada = governance.person()
    waiting, approved = await governance.asks(ada.subject), await governance.asks(ada.subject)
    await ada.decides(approved)
    for asked in (waiting, approved):
        await governance.end_time_of(asked)
        assert (await asked.state())["status"] == "expired"
    assert (await ada.decides(waiting)).json()["approval_status"] == "expired"
    refused = await approved.consumed()
    assert (refused.status_code, refused.json()["approval_status"]) == (409, "expired")
    shown = (await ada.ask("GET", params={"status": "expired"})).json()["items"]
    assert [row["id"] for row in shown] == [approved.id, waiting.id]
    assert (await ada.ask("GET", params={"status": "pending"})).json()["items"] == []

    async def written_down() -> bool:
        return [await each.history() for each in (waiting, approved)] == [
            [("asked", "tools"), ("expired", "the clock")],
            [("asked", "tools"), ("approved", ada.subject), ("expired", "the clock")],
        ]

    await eventually(written_down)
    assert [event["data"]["status"] for event in await waiting.events()] == ["expired"]
    assert [event["data"]["status"] for event in await approved.events()] == ["approved", "expired"]


async def test_an_approval_lasts_as_long_as_was_asked_but_not_longer_than_the_operator_lets_it(governance: Governance):
    ada = governance.person()
    lasts: dict[int | None, float] = {}
    for seconds in (60, 10**9, None):
        asked = await governance.asks(ada.subject, expires_in_s=seconds)
        query = "SELECT extract(epoch FROM expires_at - created_at)::float AS s FROM governance.approvals WHERE id = %s"
        lasts[seconds] = (await governance.rows(query, asked.id))[0]["s"]
    assert lasts == {60: 60.0, 10**9: 7 * 86_400.0, None: 7 * 86_400.0}


async def test_a_run_that_ended_leaves_nothing_to_decide_or_to_carry_out(governance: Governance):
    ada, run = governance.person(), str(uuid4())
    waiting, approved, done = [await governance.asks(ada.subject, run_id=run) for _ in range(3)]
    other = await governance.asks(ada.subject)
    for asked in (approved, done):
        await ada.decides(asked)
    await done.consumed()
    answer = await governance.send("runtime", "POST", "/cancel", json={"run_id": run})
    assert answer.json() == {"cancelled": 2}
    states = [(await asked.state())["status"] for asked in (waiting, approved, done, other)]
    assert states == ["cancelled", "cancelled", "consumed", "pending"]
    assert (await ada.decides(waiting)).status_code == 409
    assert (await approved.consumed()).json()["approval_status"] == "cancelled"
    assert (await governance.send("runtime", "POST", "/cancel", json={"run_id": run})).json() == {"cancelled": 0}
    assert [event["data"]["status"] for event in await waiting.events()] == ["cancelled"]


async def test_states_leave_out_what_is_not_there(governance: Governance):
    asked = await governance.asks(governance.person().subject)
    ids = [str(uuid4()), asked.id]
    answer = await governance.send("runtime", "GET", "/states", params={"ids": ids})
    assert [row["id"] for row in answer.json()["approvals"]] == [asked.id]
    many = [str(UUID(int=number)) for number in range(201)]
    assert (await governance.send("runtime", "GET", "/states", params={"ids": many})).status_code == 422


async def test_as_many_wait_for_an_owner_as_may(governance: Governance):
    async with running_governance(governance.database_url, governance.issuer, most_pending=2) as narrow:
        ada = narrow.person()
        first, _ = await narrow.asks(ada.subject), await narrow.asks(ada.subject)
        full = await narrow.send("tools", "POST", "", json=narrow.question(ada.subject))
        assert (full.status_code, full.json()["code"]) == (429, "too_many_approvals")
        assert (await narrow.send("tools", "POST", "", json=first.question)).json()["id"] == first.id
        await narrow.asks(narrow.person().subject)
        await ada.decides(first)
        await narrow.asks(ada.subject)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decision": "perhaps"},
        {"decision": "approve", "note": ""},
        {"decision": "approve", "note": "x" * 2001},
        {"decision": "approve", "note": "a\x00b"},
        {"decision": "approve", "owner_id": "me"},
        {"decision": "approve", "payload_hash": "a" * 64},
    ],
    ids=["nothing", "neither", "empty note", "long note", "NUL", "an owner", "a hash"],
)
async def test_a_decision_says_yes_or_no_and_nothing_else(governance: Governance, body: dict[str, Any]):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    assert (await ada.ask("POST", f"/{asked.id}/decide", json=body)).status_code == 422
    assert (await asked.state())["status"] == "pending"
