"""What bots and teams refer to exists, belongs to their owner, and stays as long as they refer to it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest

from .conftest import Make, made, path_of

PARTS = ("ghost", "model", "shell")


@pytest.mark.parametrize("whose", ["nobodys", "a strangers", "of another kind"])
@pytest.mark.parametrize("part", PARTS)
async def test_a_bot_of_what_is_not_its_owners_is_refused(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make: Make, part: str, whose: str
) -> None:
    bot = await make("bot", "whole")
    other = next(kind for kind in PARTS if kind != part)
    wrong = {
        "nobodys": str(uuid4()),
        "a strangers": (await made(stranger, part, "theirs"))["id"],
        "of another kind": bot[f"{other}_id"],
    }[whose]
    body = {"name": "half", **{f"{kind}_id": bot[f"{kind}_id"] for kind in PARTS}, f"{part}_id": wrong}
    for answer in (
        await caller.post(path_of("bot"), json=body),
        await caller.put(path_of("bot", "whole"), json=body | {"name": "whole"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "reference_missing")
        (fault,) = answer.json()["errors"]
        assert (fault["loc"], fault["code"]) == ([f"{part}_id"], "reference_missing")
        assert fault["msg"] == f"there is no such {part} of this owner"
        assert f"/kinds/{part}s" in fault["hint"]
    assert (await caller.get(path_of("bot", "half"))).status_code == 404
    assert (await caller.get(path_of("bot", "whole"))).json()[f"{part}_id"] == bot[f"{part}_id"]


async def test_every_part_that_a_bot_misses_is_told_at_once(caller: httpx.AsyncClient) -> None:
    body = {"name": "none", **{f"{part}_id": str(uuid4()) for part in PARTS}}
    answer = await caller.post(path_of("bot"), json=body)
    assert [fault["loc"] for fault in answer.json()["errors"]] == [[f"{part}_id"] for part in PARTS]


async def test_a_bot_is_shown_with_what_it_refers_to(caller: httpx.AsyncClient, make: Make) -> None:
    parts = {
        "ghost": await make("ghost", "g", description="Who."),
        "model": await make("model", "m", provider="anthropic"),
        "shell": await make("shell", "s"),
    }
    bot = await make("bot", "whole", **{f"{part}_id": row["id"] for part, row in parts.items()})
    assert (await caller.get(path_of("bot", "whole"))).json() == bot | parts
    listed = (await caller.get(path_of("bot"))).json()["items"]
    assert listed == [bot]


async def test_a_changed_part_is_seen_in_its_bots(caller: httpx.AsyncClient, make: Make) -> None:
    bot = await make("bot", "whole")
    ghost = {"name": "renamed", "system_prompt": "Otherwise."}
    assert (await caller.put(path_of("ghost", bot["ghost_id"]), json=ghost)).status_code == 200
    shown = (await caller.get(path_of("bot", "whole"))).json()["ghost"]
    assert (shown["name"], shown["system_prompt"]) == ("renamed", "Otherwise.")


async def test_a_team_is_shown_with_its_members_bots_in_their_order(caller: httpx.AsyncClient, make: Make) -> None:
    bots = [await make("bot", name) for name in ("zoe", "abe", "mia")]
    members = [{"bot_id": bot["id"], "role": role} for bot, role in zip(bots, ("lead", None, "editor"), strict=True)]
    team = await make("team", "desk", mode="coordinate", members=members)
    assert (team["mode"], team["members"]) == ("coordinate", members)
    shown = (await caller.get(path_of("team", "desk"))).json()
    assert shown["members"] == [member | {"bot": bot} for member, bot in zip(members, bots, strict=True)]


@pytest.mark.parametrize("whose", ["nobodys", "a strangers", "of another kind"])
async def test_a_team_of_what_is_not_its_owners_is_refused(
    caller: httpx.AsyncClient, stranger: httpx.AsyncClient, make: Make, whose: str
) -> None:
    team = await make("team", "whole")
    bot_id = team["members"][0]["bot_id"]
    wrong = {
        "nobodys": str(uuid4()),
        "a strangers": (await made(stranger, "bot", "theirs"))["id"],
        "of another kind": team["id"],
    }[whose]
    body = {"members": [{"bot_id": bot_id}, {"bot_id": wrong}]}
    for answer in (
        await caller.post(path_of("team"), json=body | {"name": "half"}),
        await caller.put(path_of("team", "whole"), json=body | {"name": "whole"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (422, "reference_missing")
        assert [fault["loc"] for fault in answer.json()["errors"]] == [["members", 1, "bot_id"]]
    assert len((await caller.get(path_of("team", "whole"))).json()["members"]) == 1


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_in_use_stays_and_its_users_are_named(caller: httpx.AsyncClient, make: Make, part: str) -> None:
    first = await make("bot", "first")
    ids = {f"{kind}_id": first[f"{kind}_id"] for kind in PARTS}
    second = await make("bot", "second", **ids)
    answer = await caller.delete(path_of(part, ids[f"{part}_id"]))
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert answer.json()["used_by"] == [
        {"kind": "bot", "id": bot["id"], "name": bot["name"]} for bot in (first, second)
    ]
    assert 'is used by bot "first", bot "second"' in answer.json()["detail"]
    for bot in ("first", "second"):
        assert (await caller.delete(path_of("bot", bot))).status_code == 204
    assert (await caller.delete(path_of(part, ids[f"{part}_id"]))).status_code == 204


async def test_a_bot_in_a_team_stays_until_the_team_lets_it_go(caller: httpx.AsyncClient, make: Make) -> None:
    bot, other = await make("bot", "needed"), await make("bot", "spare")
    team = await make("team", "desk", members=[{"bot_id": bot["id"]}, {"bot_id": other["id"]}])
    answer = await caller.delete(path_of("bot", "needed"))
    assert (answer.status_code, answer.json()["code"]) == (409, "in_use")
    assert answer.json()["used_by"] == [{"kind": "team", "id": team["id"], "name": "desk"}]
    body = {"name": "desk", "members": [{"bot_id": other["id"]}]}
    assert (await caller.put(path_of("team", "desk"), json=body)).status_code == 200
    assert (await caller.delete(path_of("bot", "needed"))).status_code == 204
    assert (await caller.delete(path_of("team", "desk"))).status_code == 204
    assert (await caller.delete(path_of("bot", "spare"))).status_code == 204


async def test_of_many_users_a_few_are_named_in_the_sentence(caller: httpx.AsyncClient, make: Make) -> None:
    first = await make("bot", "user-0")
    ids = {f"{kind}_id": first[f"{kind}_id"] for kind in PARTS}
    for number in range(1, 8):
        await make("bot", f"user-{number}", **ids)
    problem = (await caller.delete(path_of("ghost", ids["ghost_id"]))).json()
    assert 'bot "user-4" and 3 more' in problem["detail"]
    assert len(problem["used_by"]) == 8


@pytest.mark.parametrize(("user", "field"), [("bot", "ghost_id"), ("bot", "model_id"), ("bot", "shell_id")])
async def test_bots_are_found_by_what_they_refer_to(
    caller: httpx.AsyncClient, make: Make, user: str, field: str
) -> None:
    wanted = await make(user, "wanted")
    await make(user, "other")
    listed = (await caller.get(path_of(user), params={field: wanted[field]})).json()["items"]
    assert [row["name"] for row in listed] == ["wanted"]
    assert (await caller.get(path_of(user), params={field: str(uuid4())})).json()["items"] == []
    assert (await caller.get(path_of(user), params={field: "x"})).status_code == 422


async def test_teams_are_found_by_a_member(caller: httpx.AsyncClient, make: Make) -> None:
    bots = [await make("bot", name) for name in ("one", "two")]
    await make("team", "both", members=[{"bot_id": bot["id"], "role": "r"} for bot in bots])
    await make("team", "second", members=[{"bot_id": bots[1]["id"]}])
    for bot, expected in zip(bots, (["both"], ["both", "second"]), strict=True):
        listed = (await caller.get(path_of("team"), params={"bot_id": bot["id"]})).json()["items"]
        assert [row["name"] for row in listed] == expected


async def test_of_a_bot_and_the_deletion_of_its_ghost_one_comes_first(caller: httpx.AsyncClient, make: Make) -> None:
    first = await make("bot", "first")
    ids = {f"{kind}_id": first[f"{kind}_id"] for kind in PARTS}

    async def race(number: int) -> tuple[httpx.Response, httpx.Response]:
        ghost = await make("ghost", f"racing-{number}")
        body = {"name": f"bot-{number}", **ids, "ghost_id": ghost["id"]}
        return await asyncio.gather(
            caller.post(path_of("bot"), json=body), caller.delete(path_of("ghost", ghost["id"]))
        )

    seen: Counter[tuple[int, ...]] = Counter()
    for answers in await asyncio.gather(*(race(number) for number in range(8))):
        seen[tuple(answer.status_code for answer in answers)] += 1
    assert set(seen) <= {(201, 409), (422, 204)}


async def test_of_a_team_and_the_deletion_of_its_bot_one_comes_first(caller: httpx.AsyncClient, make: Make) -> None:
    first = await make("bot", "first")
    ids = {f"{kind}_id": first[f"{kind}_id"] for kind in PARTS}

    async def race(number: int) -> tuple[httpx.Response, httpx.Response]:
        bot = await make("bot", f"racing-{number}", **ids)
        body: dict[str, Any] = {"name": f"team-{number}", "members": [{"bot_id": bot["id"]}]}
        return await asyncio.gather(caller.post(path_of("team"), json=body), caller.delete(path_of("bot", bot["id"])))

    for answers in await asyncio.gather(*(race(number) for number in range(8))):
        assert tuple(answer.status_code for answer in answers) in {(201, 409), (422, 204)}
