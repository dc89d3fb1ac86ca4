"""What every kind does alike: each test runs for ghosts, models, shells, bots and teams."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest

from kgents_shared.testing.tokens import TokenIssuer

from .conftest import KINDS, Make, made, minimal, path_of

Clients = Callable[[dict[str, str]], Awaitable[httpx.AsyncClient]]
# A field of each kind with another value than the least body gives it.
OTHER: dict[str, dict[str, Any]] = {
    "ghost": {"system_prompt": "You help otherwise."},
    "model": {"temperature": 0.5},
    "shell": {"config": {"capabilities": ["search"]}},
    "bot": {},
    "team": {"mode": "route"},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


async def body_of(caller: httpx.AsyncClient, thing: dict[str, Any], kind: str, **fields: Any) -> dict[str, Any]:
    """What is put to leave a thing as it is, but for `fields`."""
    listed = (await caller.get(path_of(kind), params={"name": thing["name"]})).json()["items"]
    (row,) = [row for row in listed if row["id"] == thing["id"]]
    given = {"id", "owner_id", "organisation", "created_at", "updated_at"}
    return {name: value for name, value in row.items() if name not in given} | fields


@every_kind
async def test_one_is_made_and_found_by_id_and_by_name(caller: httpx.AsyncClient, kind: str) -> None:
    body = await minimal(caller, kind, "mine")
    answer = await caller.post(path_of(kind), json=body)
    assert answer.status_code == 201
    thing = answer.json()
    assert answer.headers["location"] == path_of(kind, thing["id"])
    for name in body.keys() - {"members"}:
        assert thing[name] == body[name]
    assert thing["created_at"] == thing["updated_at"]
    assert thing["organisation"] is None
    by_id, by_name = [(await caller.get(path_of(kind, reference))).json() for reference in (thing["id"], "mine")]
    assert by_id == by_name
    for name in thing.keys() - {"members"}:
        assert by_id[name] == thing[name]


@every_kind
async def test_a_put_replaces_the_content_and_leaves_identity(caller: httpx.AsyncClient, make: Make, kind: str) -> None:
    thing = await make(kind, "edited")
    answer = await caller.put(path_of(kind, "edited"), json=await body_of(caller, thing, kind, **OTHER[kind]))
    assert answer.status_code == 200, answer.text
    changed = answer.json()
    assert (changed["id"], changed["created_at"]) == (thing["id"], thing["created_at"])
    assert changed["updated_at"] > thing["updated_at"]
    if kind == "shell":
        assert changed["config"]["capabilities"] == ["search"]
    else:
        assert changed == thing | OTHER[kind] | {"updated_at": changed["updated_at"]}


@every_kind
async def test_a_put_may_give_another_name(caller: httpx.AsyncClient, make: Make, kind: str) -> None:
    thing = await make(kind, "before")
    answer = await caller.put(path_of(kind, thing["id"]), json=await body_of(caller, thing, kind, name="after"))
    assert (answer.status_code, answer.json()["name"]) == (200, "after")
    assert (await caller.get(path_of(kind, "after"))).json()["id"] == thing["id"]
    assert (await caller.get(path_of(kind, "before"))).status_code == 404


@every_kind
async def test_a_taken_name_is_a_conflict_for_its_owner_alone(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make: Make, kind: str
) -> None:
    first, second = await make(kind, "taken"), await make(kind, "other")
    body = await body_of(caller, second, kind, name="taken")
    for answer in (
        await caller.post(path_of(kind), json=body),
        await caller.put(path_of(kind, "other"), json=body),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")
        assert f'{kind} named "taken"' in answer.json()["detail"]
    assert (await caller.get(path_of(kind, "other"))).json()["updated_at"] == second["updated_at"]
    theirs = await made(stranger, kind, "taken")
    assert theirs["id"] != first["id"]


@every_kind
async def test_what_is_deleted_is_gone_and_its_name_is_free(caller: httpx.AsyncClient, make: Make, kind: str) -> None:
    thing = await make(kind, "going")
    body = await body_of(caller, thing, kind)
    gone = await caller.delete(path_of(kind, "going"))
    assert (gone.status_code, gone.content) == (204, b"")
    for answer in (
        await caller.get(path_of(kind, thing["id"])),
        await caller.put(path_of(kind, thing["id"]), json=body),
        await caller.delete(path_of(kind, thing["id"])),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "kind_not_found")
    again = await caller.post(path_of(kind), json=body)
    assert again.status_code == 201
    assert again.json()["id"] != thing["id"]


@every_kind
async def test_another_owners_is_the_same_404_as_none_and_stays_as_it_is(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make: Make, kind: str
) -> None:
    thing = await make(kind, "private")
    mine = (await caller.get(path_of(kind, "private"))).json()
    body = await minimal(stranger, kind, "private")

    async def told(method: str, reference: str) -> tuple[int, dict[str, Any]]:
        given = body if method == "PUT" else None
        answer = await stranger.request(method, path_of(kind, reference), json=given)
        return answer.status_code, answer.json() | {"correlation_id": ""}

    for method in ("GET", "PUT", "DELETE"):
        unknown = await told(method, str(uuid4()))
        assert unknown[0] == 404
        for reference in (thing["id"], "private", thing["id"].upper(), "Not A Name", "x" * 300, "~private"):
            assert await told(method, reference) == unknown
    assert (await caller.get(path_of(kind, "private"))).json() == mine


@every_kind
async def test_pages_join_up_in_every_order_and_hold_ones_own_alone(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make: Make, kind: str
) -> None:
    for name in ("c-1", "a-2", "b-1"):
        await make(kind, name)
    await made(stranger, kind, "a-theirs")
    for sort, expected in (
        ("name", ["a-2", "b-1", "c-1"]),
        ("-name", ["c-1", "b-1", "a-2"]),
        ("created_at", ["c-1", "a-2", "b-1"]),
        ("-created_at", ["b-1", "a-2", "c-1"]),
    ):
        seen: list[str] = []
        cursor: str | None = None
        for _ in expected:
            query = {"sort": sort, "limit": "1", **({"cursor": cursor} if cursor else {})}
            page = (await caller.get(path_of(kind), params=query)).json()
            seen += [row["name"] for row in page["items"]]
            cursor = page["next_cursor"]
        assert (seen, cursor) == (expected, None), sort
    items = (await caller.get(path_of(kind), params={"name": "a"})).json()["items"]
    assert [row["name"] for row in items] == ["a-2"]


@every_kind
@pytest.mark.parametrize(
    "query",
    [
        {"limit": "0"}, {"limit": "1001"}, {"cursor": "!"}, {"cursor": "WyJhIl0"}, {"sort": "owner_id"},
        {"name": "%"}, {"cursor": "WyIyMDI2LTAxLTAxIiwgIjAxOWEwMDAwLTAwMDAtNzAwMC04MDAwLTAwMDAwMDAwMDAwMCJd"},
    ],
    ids=["no-limit", "limit", "nonsense", "short", "sort", "name", "time"],
)  # fmt: skip
async def test_a_bad_query_of_a_list_is_told(caller: httpx.AsyncClient, kind: str, query: dict[str, str]) -> None:
    answer = await caller.get(path_of(kind), params=query)
    assert answer.status_code == 422
    assert answer.json()["errors"]


@every_kind
async def test_the_same_post_under_one_key_makes_one(caller: httpx.AsyncClient, kind: str) -> None:
    body, key = await minimal(caller, kind, "once"), {"Idempotency-Key": "k1"}
    answers = await asyncio.gather(*(caller.post(path_of(kind), json=body, headers=key) for _ in range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum(answer.headers.get("idempotency-replayed") == "true" for answer in answers) == 3
    other = await caller.post(path_of(kind), json={**body, "name": "twice"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@every_kind
async def test_of_racers_for_one_name_one_gets_it(caller: httpx.AsyncClient, kind: str) -> None:
    body = await minimal(caller, kind, "wanted")
    answers = await asyncio.gather(*(caller.post(path_of(kind), json=body) for _ in range(5)))
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 4}


@every_kind
async def test_an_organisations_thing_is_its_members(
    client_with: Clients, issuer: TokenIssuer, stranger: httpx.AsyncClient, kind: str
) -> None:
    organisation = {"acme": str(uuid4())}
    one, other = [
        await client_with(issuer.person(f"member-{uuid4().hex}", organisations=organisation)) for _ in range(2)
    ]
    query = {"organisation": "acme"}
    mine = await minimal(one, kind, "shared", "acme")
    if kind in {"bot", "team"}:
        # What it refers to must be its owner's: the organisation's, not a member's, and the other way round.
        assert (await one.post(path_of(kind), json=mine)).status_code == 422
    answer = await one.post(path_of(kind), json=mine, params=query)
    assert (answer.json()["owner_id"], answer.json()["organisation"]) == (organisation["acme"], "acme")
    assert (await other.get(path_of(kind, "acme~shared"))).json()["id"] == answer.json()["id"]
    assert [row["id"] for row in (await other.get(path_of(kind), params=query)).json()["items"]] == [
        answer.json()["id"]
    ]
    assert (await other.get(path_of(kind, "shared"))).status_code == 404
    for outside in (
        await stranger.get(path_of(kind, "acme~shared")),
        await stranger.get(path_of(kind), params=query),
        await stranger.post(path_of(kind), json=mine, params=query),
    ):
        assert outside.status_code == 404
