"""People's own applications: made, changed, rotated, deleted; never with more than their owner has."""

import asyncio
from typing import Any

import pytest

from kgents_shared.testing.polling import eventually
from tests.external.app_clients import CLIENTS, Caller, a_person, claims_of, machine, shows
from tests.external.running_auth import RunningAuth
from tests.external.subscriptions import listening

SOME_ID = "6f2d8c1e-5a0b-4c7d-9e3f-1a2b3c4d5e6f"


@pytest.fixture(scope="module")
async def ada(auth: RunningAuth) -> Caller:
    return await a_person(auth)


async def status_with(auth: RunningAuth, client_id: str, secret: str) -> int:
    form = {"client_id": client_id, "client_secret": secret}
    return (await auth.token(grant_type="client_credentials", **form)).status_code


async def refused_at_feed(auth: RunningAuth, token: str) -> None:
    """The token is refused where every service looks."""

    async def refused() -> bool:
        headers = {"Authorization": f"Bearer {token}"}
        return (await auth.client.get("/api/v1/auth/clients", headers=headers)).status_code == 401

    await eventually(refused, describe="the machine's token is refused")


async def test_an_application_is_made_shown_and_changed_and_its_secret_is_shown_once(auth: RunningAuth, ada: Caller):
    made = await ada.made(name="nightly report", scopes=["runs:read", "agents:read", "runs:read"])
    assert made["client_secret"].startswith("kgs_")
    assert (made["scopes"], made["owner"], made["may_exchange"]) == (["agents:read", "runs:read"], ada.id, False)
    found = (await ada.asks("GET", f"{CLIENTS}/{made['client_id']}")).json()
    assert found == {name: value for name, value in made.items() if name != "client_secret"}
    changed = await ada.asks(
        "PATCH", f"{CLIENTS}/{made['client_id']}", json={"name": "weekly", "scopes": ["agents:read"]}
    )
    assert (changed.json()["name"], changed.json()["scopes"]) == ("weekly", ["agents:read"])
    bot = await machine(auth, made)
    assert claims_of(bot.token)["owner"] == ada.id
    assert claims_of(bot.token)["scope"] == "agents:read"


async def test_what_it_makes_belongs_to_its_owner(auth: RunningAuth, ada: Caller):
    bot = await machine(auth, await ada.made(scopes=["agents:read"]))
    principal = await auth.app.state.token_verifier.verify(bot.token)
    assert (principal.kind, principal.owner_id, principal.owner_ids) == ("machine", ada.id, frozenset({ada.id}))


async def test_applications_are_listed_in_pages_newest_first_and_only_to_their_owner(auth: RunningAuth):
    owner, stranger = await a_person(auth), await a_person(auth)
    made = [(await owner.made(name=f"app {number}"))["client_id"] for number in range(3)]
    first = (await owner.asks("GET", CLIENTS, params={"limit": 2})).json()
    rest = (await owner.asks("GET", CLIENTS, params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [row["client_id"] for row in first["items"] + rest["items"]] == made[::-1]
    assert rest["next_cursor"] is None
    assert (await stranger.asks("GET", CLIENTS)).json()["items"] == []


async def test_another_persons_application_is_like_none(auth: RunningAuth, ada: Caller):
    made = await ada.made()
    stranger = await a_person(auth)
    secret = made["secrets"][0]["id"]
    for client_id in (made["client_id"], "runtime", "app_nothing", "' OR 1=1 --"):
        place = f"{CLIENTS}/{client_id}"
        answers = [
            await stranger.asks("GET", place),
            await stranger.asks("PATCH", place, json={"name": "mine"}),
            await stranger.asks("POST", f"{place}/secrets", json={}),
            await stranger.asks("DELETE", f"{place}/secrets/{secret}"),
            await stranger.asks("DELETE", place),
        ]
        assert [(one.status_code, one.json()["code"]) for one in answers] == [(404, "no_such_client")] * 5
    assert await status_with(auth, made["client_id"], made["client_secret"]) == 200


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"scopes": ["users:write"]}, ["body", "scopes", 0]),
        ({"scopes": ["agents:read", "agents:wrote"]}, ["body", "scopes", 1]),
        ({"scopes": ["*"]}, ["body", "scopes", 0]),
        ({"scopes": "agents:read"}, ["body", "scopes"]),
        ({"name": ""}, ["body", "name"]), ({"name": "a\x00b"}, ["body", "name"]),
        ({"name": "a\u202eb"}, ["body", "name"]),
        ({"owner": SOME_ID}, ["body", "owner"]), ({"owner_id": SOME_ID}, ["body", "owner_id"]),
        ({"roles": ["admin"]}, ["body", "roles"]), ({"may_exchange": True}, ["body", "may_exchange"]),
        ({"kind": "service"}, ["body", "kind"]), ({"client_id": "runtime"}, ["body", "client_id"]),
        ({"client_secret": "chosen"}, ["body", "client_secret"]), ({"disabled": False}, ["body", "disabled"]),
    ],
    ids=str,
)  # fmt: skip
async def test_nobody_gives_an_application_more_than_they_have(ada: Caller, body: dict[str, Any], place: list[Any]):
    answer = await ada.asks("POST", CLIENTS, json={"name": "greedy", **body})
    assert (answer.status_code, answer.json()["errors"][0]["loc"]) == (422, place)


async def test_a_narrowed_token_gives_only_what_it_has_and_what_was_given_may_stay(auth: RunningAuth):
    owner = await a_person(auth)
    made = await owner.made(scopes=["runs:read"])
    narrow = await auth.log_in(owner.email, scope="clients:write agents:read")
    lesser = Caller(auth, narrow["access_token"])
    assert (await lesser.asks("POST", CLIENTS, json={"name": "x", "scopes": ["tools:read"]})).status_code == 422
    kept = await lesser.asks("PATCH", f"{CLIENTS}/{made['client_id']}", json={"scopes": ["runs:read", "agents:read"]})
    assert kept.json()["scopes"] == ["agents:read", "runs:read"]


async def test_an_api_key_and_a_machine_make_no_application(auth: RunningAuth, ada: Caller):
    body = {"name": "ci", "scopes": ["clients:write", "clients:read"]}
    key = (await ada.asks("POST", "/api/v1/users/me/api-keys", json=body)).json()["key"]
    bot = await machine(auth, await ada.made(scopes=["clients:write", "clients:read"]))
    made = await ada.made()
    place = f"{CLIENTS}/{made['client_id']}"
    for path, sent in ((CLIENTS, {"name": "x"}), (f"{place}/secrets", {})):
        by_key = await Caller(auth, key).asks("POST", path, json=sent)
        assert (by_key.status_code, by_key.json()["code"]) == (403, "not_in_person")
        assert (await bot.asks("POST", path, json=sent)).status_code == 404
    assert (await Caller(auth, key).asks("GET", place)).status_code == 200
    assert (await bot.asks("GET", CLIENTS)).status_code == 404


async def test_after_a_rotation_both_secrets_work_and_a_third_pushes_the_oldest_out(auth: RunningAuth, ada: Caller):
    made = await ada.made()
    place = f"{CLIENTS}/{made['client_id']}"
    first = made["client_secret"]
    second = (await ada.asks("POST", f"{place}/secrets", json={"overlap": 3600})).json()["client_secret"]
    works = [await status_with(auth, made["client_id"], secret) for secret in (first, second)]
    assert works == [200, 200]
    third = (await ada.asks("POST", f"{place}/secrets", json={})).json()["client_secret"]
    works = [await status_with(auth, made["client_id"], secret) for secret in (first, second, third)]
    assert works == [401, 200, 200]
    shown = (await ada.asks("GET", place)).json()["secrets"]
    assert [secret["expires_at"] is None for secret in shown] == [True, False]


async def test_an_overlap_ends_and_is_never_made_longer(auth: RunningAuth, ada: Caller):
    made = await ada.made()
    place = f"{CLIENTS}/{made['client_id']}"
    await ada.asks("POST", f"{place}/secrets", json={"overlap": 60})
    ends = (await ada.asks("GET", place)).json()["secrets"][1]["expires_at"]
    assert ends is not None
    await auth.run(
        "UPDATE identity.app_client_secrets SET expires_at = now() WHERE client_id = :id AND expires_at IS NOT NULL",
        id=made["client_id"],
    )
    assert await status_with(auth, made["client_id"], made["client_secret"]) == 401
    for overlap in (-1, 7 * 86_400 + 1, "a day", None):
        assert (await ada.asks("POST", f"{place}/secrets", json={"overlap": overlap})).status_code == 422


async def test_a_rotation_without_overlap_ends_the_old_secret_and_what_it_got(auth: RunningAuth, ada: Caller):
    made = await ada.made(scopes=["clients:read"])
    bot = await machine(auth, made)
    answer = await ada.asks("POST", f"{CLIENTS}/{made['client_id']}/secrets", json={"overlap": 0})
    assert await status_with(auth, made["client_id"], made["client_secret"]) == 401
    assert await status_with(auth, made["client_id"], answer.json()["client_secret"]) == 200
    await refused_at_feed(auth, bot.token)


async def test_rotations_at_the_same_time_leave_at_most_two_secrets(auth: RunningAuth, ada: Caller):
    made = await ada.made()
    place = f"{CLIENTS}/{made['client_id']}"
    answers = await asyncio.gather(*(ada.asks("POST", f"{place}/secrets", json={}) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len((await ada.asks("GET", place)).json()["secrets"]) == 2
    works = [await status_with(auth, made["client_id"], answer.json()["client_secret"]) for answer in answers]
    assert works.count(200) == 2


async def test_a_deleted_secret_and_a_deleted_application_come_in_no_more(auth: RunningAuth, ada: Caller):
    made = await ada.made(scopes=["clients:read"])
    place = f"{CLIENTS}/{made['client_id']}"
    bot = await machine(auth, made)
    gone = await ada.asks("DELETE", f"{place}/secrets/{made['secrets'][0]['id']}")
    again = await ada.asks("DELETE", f"{place}/secrets/{made['secrets'][0]['id']}")
    assert (gone.status_code, again.status_code, again.json()["code"]) == (204, 404, "no_such_secret")
    assert await status_with(auth, made["client_id"], made["client_secret"]) == 401
    await refused_at_feed(auth, bot.token)
    made["client_secret"] = (await ada.asks("POST", f"{place}/secrets", json={})).json()["client_secret"]
    bot = await machine(auth, made)
    assert (await ada.asks("DELETE", place)).status_code == 204
    await refused_at_feed(auth, bot.token)
    assert await status_with(auth, made["client_id"], made["client_secret"]) == 401
    assert (await ada.asks("DELETE", place)).status_code == 404


async def test_fewer_scopes_reach_the_tokens_that_are_out_already(auth: RunningAuth, ada: Caller):
    made = await ada.made(scopes=["clients:read", "agents:write"])
    bot = await machine(auth, made)
    await ada.asks("PATCH", f"{CLIENTS}/{made['client_id']}", json={"scopes": ["agents:write"]})
    await refused_at_feed(auth, bot.token)
    assert claims_of((await machine(auth, made)).token)["scope"] == "agents:write"


async def test_what_an_owner_loses_their_application_loses_too(auth: RunningAuth):
    owner = await a_person(auth)
    made = await owner.made(scopes=["clients:read", "agents:write", "agents:read"])
    bot = await machine(auth, made)
    await auth.run("UPDATE identity.user_roles SET role = 'approver' WHERE user_id = CAST(:id AS uuid)", id=owner.id)
    async with auth.parts.storage.transaction() as work:
        await work.revocations.subject(owner.id)
    await refused_at_feed(auth, bot.token)
    assert claims_of((await machine(auth, made)).token)["scope"] == "agents:read"
    more = await auth.token(grant_type="client_credentials", **shows(made), scope="agents:write")
    assert more.json()["error"] == "invalid_scope"


async def test_a_role_beyond_the_owners_brings_nothing_and_is_not_named(auth: RunningAuth, ada: Caller):
    made = await ada.made()
    for role in ("admin", "viewer"):
        await auth.run("INSERT INTO identity.app_client_roles VALUES (:id, :role)", id=made["client_id"], role=role)
    claims = claims_of((await machine(auth, made)).token)
    assert claims["roles"] == ["viewer"]
    assert "users:write" not in claims["scope"].split()


async def test_one_person_has_a_bounded_number_of_applications(auth: RunningAuth):
    owner = await a_person(auth)
    await auth.run(
        "INSERT INTO identity.app_clients (client_id, kind, name, owner_id)"
        " SELECT 'app_many_' || :id || n, 'app', 'x', CAST(:id AS uuid) FROM generate_series(1, 100) n",
        id=owner.id,
    )
    answer = await owner.asks("POST", CLIENTS, json={"name": "one more"})
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_clients")


async def test_events_of_applications_carry_ids_alone(auth: RunningAuth):
    jetstream = await auth.app.state.event_bus.jetstream()
    subscription = await listening(jetstream, "kgents.identity.client.*")
    owner = await a_person(auth)
    made = await owner.made(name="a name nobody should read")
    place = f"{CLIENTS}/{made['client_id']}"
    await owner.asks("PATCH", place, json={"name": "another such name"})
    rotated = (await owner.asks("POST", f"{place}/secrets", json={})).json()
    await owner.asks("DELETE", f"{place}/secrets/{rotated['id']}")
    await owner.asks("DELETE", place)
    told: list[tuple[str, str]] = []

    async def all_were_told() -> bool:
        for message in await subscription.fetch(200, timeout=1):
            if made["client_id"] in message.data.decode():
                told.append((message.subject.partition("client.")[2], message.data.decode()))
            await message.ack()
        return len(told) >= 5

    await eventually(all_were_told, retry_on=(TimeoutError,))
    assert [kind for kind, _ in told] == ["made", "changed", "secret_rotated", "secret_deleted", "deleted"]
    everything = "".join(body for _, body in told)
    for hidden in ("name nobody", "such name", made["client_secret"], rotated["client_secret"], owner.email):
        assert hidden not in everything
