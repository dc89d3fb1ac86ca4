"""Policies by the API, their versions, and the feed that enforcement points read."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from governance_service.policies.service import PolicyService
from tests.external.running_governance import Governance, JsonObject, Person

POLICIES = "/api/v1/governance/policies"
NO_MAIL = '@id("mail") @reason("People send mail.")\nforbid (principal, action, resource in Server::"mail");'
DEVELOPER = ["policies:read", "policies:write"]


def developer(governance: Governance, **more: Any) -> Person:
    return governance.person(scopes=DEVELOPER, **more)


def administrator(governance: Governance) -> Person:
    return governance.person(scopes=[*DEVELOPER, "platform:govern"])


async def ask(who: Person, method: str, path: str = "", **more: Any) -> httpx.Response:
    return await who.governance.http.request(method, f"{POLICIES}{path}", headers=who.headers, **more)


async def made(who: Person, name: str = "no-mail", text: str = NO_MAIL, query: str = "", **more: Any) -> JsonObject:
    answer = await ask(who, "POST", query, json={"name": name, "text": text, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def fed(governance: Governance, after: int, wait_s: float = 0) -> JsonObject:
    headers = governance.issuer.service("tools", "governance")
    params = {"after": after, "wait_s": wait_s}
    answer = await governance.http.get("/internal/policies", params=params, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def newest(governance: Governance) -> int:
    position = 0
    while True:
        page = await fed(governance, position)
        position = page["position"]
        if not page["more"]:
            return position


LONG_S = 30.0


async def test_a_change_is_waited_for_here_and_at_other_replicas(governance: Governance) -> None:
    replica = PolicyService(governance.app.state.database, lambda: None, asyncio.Event())
    at = await newest(governance)
    waiting = [asyncio.create_task(fed(governance, at, LONG_S)), asyncio.create_task(_fed_by(replica, at))]
    policy = await made(developer(governance))
    for page in await asyncio.wait_for(asyncio.gather(*waiting), LONG_S / 2):
        assert [item["id"] for item in page["items"]] == [policy["id"]]


async def test_nobody_waits_longer_than_asked_or_for_a_service_that_ends(governance: Governance) -> None:
    at = await newest(governance)
    assert (await fed(governance, at, 0.01))["items"] == []
    waiting = asyncio.create_task(fed(governance, at, LONG_S))
    governance.app.state.ending.set()
    try:
        assert (await asyncio.wait_for(waiting, LONG_S / 2))["items"] == []
    finally:
        governance.app.state.ending.clear()  # the next test's service is another


async def _fed_by(replica: PolicyService, after: int) -> JsonObject:
    return (await replica.after(after, LONG_S)).model_dump(mode="json")


async def test_a_policy_is_made_changed_and_ended_and_what_it_was_stays_known(governance: Governance) -> None:
    who = developer(governance)
    policy = await made(who, description="mail")
    assert (policy["version"], policy["level"], policy["owner_id"]) == (1, "owner", who.subject)
    change = {"text": NO_MAIL.replace("mail", "post"), "enabled": False, "version": 1}
    changed = await ask(who, "PUT", f"/{policy['id']}", json=change)
    assert (changed.status_code, changed.json()["version"], changed.json()["enabled"]) == (200, 2, False)
    stale = await ask(who, "PUT", f"/{policy['id']}", json=change)
    assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (409, "policy_changed", 2)
    versions = (await ask(who, "GET", f"/{policy['id']}/versions")).json()["items"]
    assert [(row["version"], row["text"]) for row in versions] == [(2, change["text"]), (1, NO_MAIL)]
    assert (await ask(who, "DELETE", f"/{policy['id']}")).status_code == 204
    assert (await ask(who, "GET", f"/{policy['id']}")).json()["code"] == "policy_not_found"
    query = "SELECT version, text, changed_by FROM governance.policy_versions WHERE policy_id = %s ORDER BY version"
    rows = await governance.rows(query, policy["id"])
    assert [(row["version"], row["changed_by"]) for row in rows] == [(n, who.subject) for n in (1, 2, 3)]
    assert rows[-1]["text"] is None
    await made(who)  # the name is free again


async def test_a_text_that_is_no_policy_is_refused_with_every_fault_by_line_and_column(governance: Governance) -> None:
    who = developer(governance)
    text = "permit (principal, action, resource) when { resource.nme == 3 };\nforbid (principal, action);"
    for method, path in (("POST", ""), ("PUT", f"/{(await made(who))['id']}")):
        body = {"text": text} | ({"name": "broken"} if method == "POST" else {})
        refused = await ask(who, method, path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "policy_refused")
        faults = refused.json()["errors"]
        assert (faults[0]["line"], faults[0]["code"]) == (1, "policy_invalid")
        assert faults[-1]["line"] == 2
        assert 'did you mean "name"?' in {fault["hint"] for fault in faults}


async def test_policies_of_others_are_nothing_and_those_of_an_organisation_are_its_members(
    governance: Governance,
) -> None:
    organisation = uuid4().hex
    member = developer(governance, organisations={"acme": organisation})
    colleague = developer(governance, organisations={"acme": organisation})
    stranger = developer(governance)
    theirs = await made(member, query="?organisation=acme")
    assert theirs["owner_id"] == organisation
    assert (await ask(colleague, "GET", f"/{theirs['id']}")).status_code == 200
    for method, path, body in (
        ("GET", "", None),
        ("GET", "/versions", None),
        ("PUT", "", {"text": NO_MAIL}),
        ("DELETE", "", None),
    ):
        answer = await ask(stranger, method, f"/{theirs['id']}{path}", json=body)
        assert (answer.status_code, answer.json()["code"]) == (404, "policy_not_found")
    assert (await ask(stranger, "POST", "?organisation=acme", json={"name": "x", "text": NO_MAIL})).status_code == 404
    listed = (await ask(stranger, "GET")).json()["items"]
    assert all(policy["level"] == "platform" for policy in listed)


async def test_the_platforms_policies_are_seen_by_all_and_kept_by_administrators(governance: Governance) -> None:
    admin, who = administrator(governance), developer(governance)
    name = f"p-{uuid4().hex[:8]}"
    body = {"name": name, "text": NO_MAIL, "level": "platform", "enabled": False}
    assert (await ask(who, "POST", json=body)).json()["code"] == "scope_missing"
    policy = (await ask(admin, "POST", json=body)).json()
    assert (policy["level"], policy["owner_id"]) == ("platform", None)
    seen = (await ask(who, "GET", f"?level=platform&name={name}")).json()["items"]
    assert [row["id"] for row in seen] == [policy["id"]]
    assert (await ask(who, "PUT", f"/{policy['id']}", json={"text": NO_MAIL})).status_code == 404
    assert (await ask(who, "DELETE", f"/{policy['id']}")).status_code == 404
    assert (await ask(admin, "DELETE", f"/{policy['id']}")).status_code == 204


async def test_what_would_be_decided_can_be_tried_before_it_holds(governance: Governance) -> None:
    who = developer(governance)
    call = {"tool": "mail.send", "arguments": {"to": "ada"}}

    async def check(**more: Any) -> JsonObject:
        answer = await ask(who, "POST", "/check", json={"call": call, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    assert (await check()) == {"allowed": True, "reason": "", "rules": []}
    tried = await check(text=NO_MAIL, name="no-mail")
    assert not tried["allowed"]
    rule = {"level": "owner", "policy_id": None, "policy": "no-mail", "rule": "mail", "reason": "People send mail."}
    assert tried["rules"] == [rule]
    policy = await made(who)
    in_force = await check()
    assert in_force["rules"] == [rule | {"policy_id": policy["id"]}]
    assert "`kgents policies update no-mail`" in in_force["reason"]
    assert (await check(name="no-mail", text=NO_MAIL.replace('"mail"', '"post"')))["allowed"]
    assert (await check(text="permit (principal, action, resource);"))["allowed"] is False
    faulty = await ask(who, "POST", "/check", json={"call": call, "text": "nope"})
    assert faulty.json()["code"] == "policy_refused"
    at_night = (
        'forbid (principal is Agent, action, resource) when { principal.name == "clerk" && context.time.hour < 6 };'
    )
    call |= {"agent_name": "clerk", "at": "2026-01-02T03:04:05Z", "tool": "x.y"}
    assert not (await check(text=at_night))["allowed"]
    call["at"] = "2026-01-02T09:04:05Z"
    assert (await check(text=at_night))["allowed"]


async def test_the_feed_tells_of_each_change_and_of_its_end(governance: Governance) -> None:
    who = developer(governance)
    begin = await newest(governance)
    policy = await made(who)
    page = await fed(governance, begin)
    (item,) = page["items"]
    assert (item["id"], item["owner_id"], item["text"], item["in_force"]) == (policy["id"], who.subject, NO_MAIL, True)
    assert await fed(governance, page["position"]) == {"position": page["position"], "more": False, "items": []}
    await ask(who, "PUT", f"/{policy['id']}", json={"text": NO_MAIL, "enabled": False})
    (item,) = (await fed(governance, page["position"]))["items"]
    assert (item["version"], item["text"], item["in_force"]) == (2, "", False)
    await ask(who, "DELETE", f"/{policy['id']}")
    (item,) = (await fed(governance, page["position"]))["items"]
    assert (item["version"], item["in_force"]) == (3, False)
    assert (await fed(governance, 10**9))["position"] == await newest(governance)
    query = "SELECT body->'data' AS data FROM governance.outbox WHERE body->>'subject' = %s ORDER BY id"
    told = [row["data"] for row in await governance.rows(query, policy["id"])]
    assert [event["version"] for event in told] == [1, 2, 3]
    headers = governance.issuer.service("runtime", "governance")
    assert (await governance.http.get("/internal/policies", headers=headers)).status_code == 403


async def test_changes_at_once_are_all_in_the_feed_in_the_order_of_their_positions(governance: Governance) -> None:
    begin = await newest(governance)
    people = [developer(governance) for _ in range(12)]
    policies = await asyncio.gather(*(made(who) for who in people))
    seen: list[str] = []
    position = begin
    while len(seen) < len(policies):
        page = await fed(governance, position)
        seen += [item["id"] for item in page["items"]]
        position = page["position"]
    assert sorted(seen) == sorted(policy["id"] for policy in policies)
    same = await asyncio.gather(
        *(ask(people[0], "POST", json={"name": "twice", "text": NO_MAIL}) for _ in range(6)),
    )
    assert sorted(answer.status_code for answer in same) == [201] + [409] * 5


async def test_an_owners_policies_are_bounded_together_since_each_call_is_held_against_all(
    governance: Governance,
) -> None:
    who = developer(governance)
    long = f"{NO_MAIL} // {'x' * 16_000}"
    for number in range(4):
        await made(who, f"long-{number}", long)
    refused = await ask(who, "POST", json={"name": "long-4", "text": long})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_rules")
    small = await made(who, "small")
    refused = await ask(who, "PUT", f"/{small['id']}", json={"text": long})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_rules")
    assert (await ask(who, "GET", f"/{small['id']}")).json()["version"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "text": NO_MAIL, "owner_id": "somebody"},
        {"name": "X!", "text": NO_MAIL},
        {"name": "x"},
        {"name": "x", "text": NO_MAIL, "level": "system"},
        {"name": "x", "text": "a\x00b"},
    ],
)
async def test_what_is_no_policy_is_refused(governance: Governance, body: JsonObject) -> None:
    assert (await ask(developer(governance), "POST", json=body)).status_code == 422


async def test_what_policies_can_speak_of_is_told(governance: Governance) -> None:
    answer = await ask(developer(governance), "GET", "/schema")
    assert answer.status_code == 200
    assert "action call_tool appliesTo" in answer.text
