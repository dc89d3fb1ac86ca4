"""Every client, for administrators: disabled, deleted, let act for people; services stay as the settings have them."""

import pytest

from kgents_shared.testing.polling import eventually
from tests.external.app_clients import CLIENTS, Caller, a_person, machine, shows, the_admin
from tests.external.running_auth import RunningAuth

ADMIN = "/api/v1/admin/clients"


@pytest.fixture(scope="module")
async def admin(auth: RunningAuth) -> Caller:
    return await the_admin(auth)


async def test_an_administrator_sees_everybodys_and_the_platforms_own(auth: RunningAuth, admin: Caller):
    owner = await a_person(auth)
    made = await owner.made()
    of_owner = (await admin.asks("GET", ADMIN, params={"owner_id": owner.id})).json()["items"]
    assert [(row["client_id"], row["kind"]) for row in of_owner] == [(made["client_id"], "app")]
    everything = (await admin.asks("GET", ADMIN, params={"limit": 1000})).json()["items"]
    kinds = {row["client_id"]: row["kind"] for row in everything}
    assert (kinds[made["client_id"]], kinds["runtime"]) == ("app", "service")
    assert (await admin.asks("GET", f"{ADMIN}/{made['client_id']}")).json()["owner"] == owner.id
    assert (await admin.asks("GET", f"{ADMIN}/nothing")).status_code == 404


async def test_a_disabled_application_is_refused_until_it_is_enabled(auth: RunningAuth, admin: Caller):
    owner = await a_person(auth)
    made = await owner.made(scopes=["clients:read"])
    bot = await machine(auth, made)
    place = f"{ADMIN}/{made['client_id']}"
    assert (await admin.asks("PATCH", place, json={"disabled": True})).json()["disabled"] is True

    async def refused() -> bool:
        return (await bot.asks("GET", CLIENTS)).status_code == 401

    await eventually(refused)
    assert (await auth.token(grant_type="client_credentials", **shows(made))).status_code == 401
    # Its owner can't undo what an administrator did.
    undo = await owner.asks("PATCH", f"{CLIENTS}/{made['client_id']}", json={"disabled": False})
    assert undo.status_code == 422
    await admin.asks("PATCH", place, json={"disabled": False})
    assert (await auth.token(grant_type="client_credentials", **shows(made))).status_code == 200
    assert (await admin.asks("DELETE", place)).status_code == 204
    assert (await admin.asks("DELETE", place)).status_code == 404


async def test_a_service_is_not_kept_here(admin: Caller):
    changed = await admin.asks("PATCH", f"{ADMIN}/runtime", json={"disabled": True})
    deleted = await admin.asks("DELETE", f"{ADMIN}/runtime")
    assert [(one.status_code, one.json()["code"]) for one in (changed, deleted)] == [(409, "client_is_service")] * 2


async def test_who_may_less_than_a_client_does_not_administer_it(auth: RunningAuth, admin: Caller):
    made = await (await a_person(auth)).made(scopes=["agents:write"])
    narrow = await auth.log_in(admin.email, "the first of all admins", scope="clients:write users:write agents:read")
    answer = await Caller(auth, narrow["access_token"]).asks(
        "PATCH", f"{ADMIN}/{made['client_id']}", json={"may_exchange": True}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "outranked")


async def test_a_developer_administers_nobodys(auth: RunningAuth):
    developer = await a_person(auth)
    made = await developer.made()
    for answer in (
        await developer.asks("GET", ADMIN),
        await developer.asks("GET", f"{ADMIN}/{made['client_id']}"),
        await developer.asks("PATCH", f"{ADMIN}/{made['client_id']}", json={"may_exchange": True}),
        await developer.asks("DELETE", f"{ADMIN}/{made['client_id']}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")
