"""At most one execution of exactly what was approved, by nobody's word but that of a person who may (DESIGN §8)."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from kgents_shared.auth import ALL_SCOPES
from tests.external.running_governance import Governance, JsonObject, Person

RACERS = 100


async def in_organisation(governance: Governance) -> tuple[str, Person, Person]:
    """An organisation, who asks in it, and who decides."""
    organisation = str(uuid4())
    theirs = {"acme": organisation}
    return organisation, governance.person(organisations=theirs), governance.person(organisations=theirs)


async def test_one_changed_byte_makes_it_void_for_that_payload(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    await ada.decides(asked)
    changed = "b" + asked.question["payload_hash"][1:]
    refused = await asked.consumed(payload_hash=changed)
    assert (refused.status_code, refused.json()["reason"]) == (409, "another_payload")
    assert (await asked.history())[-1] == ("refused", "tools")
    assert (await asked.consumed()).status_code == 200
    assert (await asked.consumed(payload_hash=changed)).json()["reason"] == "another_payload"


async def test_replayed_elsewhere_it_is_refused(governance: Governance):
    ada = governance.person()
    first, second = await governance.asks(ada.subject), await governance.asks(ada.subject)
    await ada.decides(first)
    refused = await first.consumed(request_key=second.question["request_key"])
    assert (refused.status_code, refused.json()["reason"]) == (409, "another_request")
    refused = await second.consumed(request_key=first.question["request_key"])
    assert (refused.status_code, refused.json()["reason"]) == (409, "another_request")
    assert (await second.consumed()).json()["reason"] == "not_approved"
    assert [(await each.state())["status"] for each in (first, second)] == ["approved", "pending"]


async def test_of_a_hundred_who_carry_it_out_one_does(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    await ada.decides(asked)
    answers = await asyncio.gather(*(asked.consumed() for _ in range(RACERS)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: RACERS - 1}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"approval_consumed"}
    assert Counter(what for what, _ in await asked.history()) == {"asked": 1, "approved": 1, "consumed": 1}


async def test_of_a_hundred_decisions_one_is_made(governance: Governance):
    organisation, asker, _ = await in_organisation(governance)
    deciders = [governance.person(organisations={"acme": organisation}) for _ in range(RACERS)]
    asked = await governance.asks(organisation, principal=asker.subject)
    answers = await asyncio.gather(
        *(one.decides(asked, ("approve", "reject")[place % 2]) for place, one in enumerate(deciders))
    )
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: RACERS - 1}
    (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
    state = await asked.state()
    assert (state["status"], state["decided_by"]) == (winner["status"], winner["decided_by"])
    assert (len(await asked.history()), len(await asked.events())) == (2, 1)
    assert (await asked.consumed()).status_code == (200 if winner["status"] == "approved" else 409)


async def test_of_a_hundred_equal_decisions_of_one_person_one_is_written_down(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    answers = await asyncio.gather(*(ada.decides(asked) for _ in range(RACERS)))
    # Who waits too long for a connection is told to come again.
    assert {answer.status_code for answer in answers} - {503} == {200}
    assert (len(await asked.history()), len(await asked.events())) == (2, 1)


async def test_of_a_hundred_equal_questions_one_approval_is_made(governance: Governance):
    body = governance.question(governance.person().subject)
    answers = await asyncio.gather(*(governance.send("tools", "POST", "", json=body) for _ in range(RACERS)))
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_in_an_organisation_who_asked_does_not_approve(governance: Governance):
    organisation, asker, decider = await in_organisation(governance)
    asked = await governance.asks(organisation, principal=asker.subject)
    refused = await asker.decides(asked)
    assert (refused.status_code, refused.json()["code"]) == (403, "own_request")
    assert (await decider.decides(asked)).status_code == 200
    assert (await asked.consumed()).status_code == 200


async def test_in_an_organisation_who_asked_may_take_it_back(governance: Governance):
    organisation, asker, decider = await in_organisation(governance)
    asked = await governance.asks(organisation, principal=asker.subject)
    taken_back = await asker.decides(asked, "reject")
    assert (taken_back.status_code, taken_back.json()["status"]) == (200, "rejected")
    assert (await decider.decides(asked)).json()["code"] == "approval_decided"
    assert (await asked.consumed()).status_code == 409


@pytest.mark.parametrize(
    "claims",
    [
        {"sid": None, "client_id": "api-key"},
        {"sid": None},
        {"act": {"sub": "app_1"}},
        {"sub": "app_1", "client_id": "app_1"},
    ],
    ids=["an API key", "no login", "somebody who acts for the owner", "an application of the owner's"],
)
async def test_nobody_decides_but_a_person_with_a_login_of_their_own(governance: Governance, claims: JsonObject):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    other = governance.person(ada.subject, owner=ada.subject, **claims)
    assert (await other.sees(asked))["status"] == "pending"
    refused = await other.decides(asked)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_in_person")
    assert (await asked.state())["status"] == "pending"


async def test_a_service_decides_nothing_and_only_the_registry_carries_out(governance: Governance):
    asked = await governance.asks(governance.person().subject)
    for name in ("tools", "runtime", "auth"):
        headers = governance.issuer.service(name, "governance")
        path = f"/api/v1/approvals/{asked.id}/decide"
        assert (await governance.http.post(path, headers=headers, json={"decision": "approve"})).status_code == 403
    body = {"payload_hash": "a" * 64, "request_key": asked.question["request_key"]}
    assert (await governance.send("runtime", "POST", f"/{asked.id}/consume", json=body)).status_code == 403
    assert (await governance.send("runtime", "POST", "", json=asked.question)).status_code == 403
    assert (await governance.send("tools", "POST", "/cancel", json={"run_id": str(uuid4())})).status_code == 403
    person = governance.person()
    answer = await governance.http.post(f"/internal/approvals/{asked.id}/consume", headers=person.headers, json=body)
    assert answer.status_code == 404


async def test_without_the_right_nobody_decides(governance: Governance):
    organisation, asker, _ = await in_organisation(governance)
    reader = governance.person(organisations={"acme": organisation}, scopes=ALL_SCOPES - {"approvals:decide"})
    asked = await governance.asks(organisation, principal=asker.subject)
    refused = await reader.decides(asked)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


async def test_another_tenants_approval_is_like_none(governance: Governance):
    asked = await governance.asks(governance.person().subject)
    stranger = governance.person(organisations={"acme": str(uuid4())})
    nothing = str(uuid4())
    for method, path, body in (("GET", "", None), ("POST", "/decide", {"decision": "approve"})):
        theirs, none = [await stranger.ask(method, f"/{each}{path}", json=body) for each in (asked.id, nothing)]
        bodies = [{**answer.json(), "correlation_id": ""} for answer in (theirs, none)]
        assert (theirs.status_code, bodies[0]) == (404, bodies[1])
    assert (await asked.state())["status"] == "pending"


@pytest.mark.parametrize("lost", ["their role", "their place in the organisation", "their account"])
async def test_what_a_decider_who_may_no_longer_approved_is_void(governance: Governance, lost: str):
    organisation, asker, decider = await in_organisation(governance)
    asked = await governance.asks(organisation, principal=asker.subject)
    assert (await decider.decides(asked)).status_code == 200
    now = governance.auth.people[decider.subject]
    withdrawn: dict[str, JsonObject] = {
        "their role": {**now, "scopes": ["approvals:read"]},
        "their place in the organisation": {**now, "organisations": {}},
        "their account": {"active": False, "scopes": [], "organisations": {}},
    }
    governance.auth.people[decider.subject] = withdrawn[lost]
    refused = await asked.consumed()
    assert (refused.status_code, refused.json()["reason"]) == (409, "decider_lost_right")
    # For good, also when they get it back.
    governance.auth.people[decider.subject] = now
    assert (await asked.consumed()).json()["reason"] == "not_approved"
    assert await asked.history() == [("asked", "tools"), ("approved", decider.subject), ("voided", "auth")]
    assert (await asked.state())["status"] == "cancelled"
    assert [event["data"]["status"] for event in await asked.events()] == ["approved", "cancelled"]


async def test_where_nobody_can_say_whether_the_decider_may_nothing_is_carried_out(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject)
    await ada.decides(asked)
    governance.auth.is_away = True
    try:
        answer = await asked.consumed()
    finally:
        governance.auth.is_away = False
    assert answer.status_code == 503
    assert (await asked.state())["status"] == "approved"
    assert (await asked.consumed()).status_code == 200


async def test_a_run_that_ends_while_it_is_carried_out_is_decided_by_whoever_comes_first(governance: Governance):
    ada = governance.person()
    for _ in range(10):
        asked = await governance.asks(ada.subject)
        await ada.decides(asked)
        consumed, cancelled = await asyncio.gather(
            asked.consumed(),
            governance.send("runtime", "POST", "/cancel", json={"run_id": asked.question["run_id"]}),
        )
        status = (await asked.state())["status"]
        assert (consumed.status_code, cancelled.json()["cancelled"]) == (
            (200, 0) if status == "consumed" else (409, 1)
        ), status


HOSTILE: JsonObject = {
    "api_key": "kept-from-everybody",
    "headers": {"Authorization": "Bearer kept-from-everybody", "X-Note": "plain"},
    "text": "the key is sk-proj-0123456789abcdefghij0123",
    "argv": ["--token", "kept-from-everybody", "-v", {"password": "kept-from-everybody"}],
    "many": ["--token", "kept-from-everybody"] * 150,
    "nul": "a\x00b",
    "sk-proj-0123456789abcdefghij0123": 1,
    "sk-proj-0123456789abcdefghij0124": "wire it to X",
    "long": "x" * 50_000,
}


@pytest.mark.parametrize(
    "text",
    [
        "Pay to X, as ghp_0123456789abcdefghij0123 said.",
        "Pay to X, -----BEGIN PRIVATE KEY----- and to Y.",
        "token=abc Pay to X.",
        "https://X.example/?access_token=abc&pay=X",
    ],
)
async def test_what_looks_like_a_secret_hides_nothing_else_from_who_decides(governance: Governance, text: str):
    ada = governance.person()
    asked = await governance.asks(ada.subject, payload={"body": text, "list": ["a", text]}, summary=text)
    seen = await ada.sees(asked)
    for shown in (seen["payload"]["body"], seen["payload"]["list"][1], seen["summary"]):
        assert "***" in shown
        assert "X" in shown
        assert not any(secret in shown for secret in ("ghp_", "PRIVATE", "abc"))


async def test_people_read_all_of_a_payload_but_no_secret_in_it(governance: Governance):
    ada = governance.person()
    asked = await governance.asks(ada.subject, payload=HOSTILE, summary="send sk-proj-0123456789abcdefghij0123")
    seen = await ada.sees(asked)
    assert seen["payload"] == {
        "api_key": "***",
        "headers": {"Authorization": "***", "X-Note": "plain"},
        "text": "the key is ***",
        "argv": ["--token", "***", "-v", {"password": "***"}],
        "many": ["--token", "***"] * 150,
        "nul": "a\ufffdb",
        "***": 1,
        "*** (2)": "wire it to X",
        "long": "x" * 50_000,
    }
    assert seen["summary"] == "send ***"
    kept = await governance.rows("SELECT a::text AS row FROM governance.approvals a WHERE id = %s", asked.id)
    assert "kept-from-everybody" not in kept[0]["row"]
    assert "sk-proj" not in kept[0]["row"]


async def test_the_database_itself_refuses_what_no_statement_does(governance: Governance):
    ada = governance.person()
    pending, approved, done = [await governance.asks(ada.subject) for _ in range(3)]
    await ada.decides(approved)
    await ada.decides(done)
    await done.consumed()
    refused: list[tuple[str, Any]] = [
        ("UPDATE governance.approvals SET payload_hash = repeat('b', 64) WHERE id = %s", pending),
        ("UPDATE governance.approvals SET payload = '{}' WHERE id = %s", approved),
        ("UPDATE governance.approvals SET owner_id = 'me' WHERE id = %s", pending),
        ("UPDATE governance.approvals SET expires_at = now() + interval '1 year' WHERE id = %s", pending),
        ("UPDATE governance.approvals SET status = 'approved' WHERE id = %s", pending),
        ("UPDATE governance.approvals SET status = 'consumed', decided_by = 'me' WHERE id = %s", pending),
        ("UPDATE governance.approvals SET status = 'pending' WHERE id = %s", approved),
        ("UPDATE governance.approvals SET decided_by = 'me' WHERE id = %s", approved),
        ("UPDATE governance.approvals SET status = 'approved' WHERE id = %s", done),
        ("DELETE FROM governance.approvals WHERE id = %s", done),
        ("UPDATE governance.approval_records SET who = 'me' WHERE approval_id = %s", done),
        ("DELETE FROM governance.approval_records WHERE approval_id = %s", done),
    ]
    for statement, approval in refused:
        with pytest.raises((psycopg.errors.RaiseException, psycopg.errors.CheckViolation)):
            await governance.change(statement, approval.id)
    states = [(await each.state())["status"] for each in (pending, approved, done)]
    assert states == ["pending", "approved", "consumed"]
