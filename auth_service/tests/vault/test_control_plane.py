"""Platform credentials and the exchange setup, as document 004 has them."""

import asyncio
from typing import Any

import pytest

from tests.external.running_auth import RunningAuth

from .conftest import CREDENTIALS, Keeper, a_canary, keeper_of, resolve

PLATFORMS = "/api/v1/cp/platform-credentials"
EXCHANGE = "/api/v1/cp/exchange-setup"


def setup_body(**changes: Any) -> dict[str, Any]:
    body = {
        "exchange_provider": "delta_exchange_india",
        "api_key": "key",
        "api_secret": "secret",
        "default_coin": "BTC",
        "allowed_coins": ["BTC", "ETH"],
        "risk_limits": {"max_units_per_order": "1.5", "max_notional_inr": "50000.00"},
    }
    return {name: value for name, value in (body | changes).items() if value is not None}


async def test_a_platform_is_connected_by_reference_and_again_under_the_same_one(auth: RunningAuth, keeper: Keeper):
    canary = a_canary()
    body = {"platform": "youtube", "credentials": {"access_token": canary, "refresh_token": "r"}}
    first = await keeper.ask("PUT", PLATFORMS, {**body, "posting_identity": " @ada "})
    assert first.status_code == 200
    made = first.json()
    assert (made["platform"], made["posting_identity"]) == ("youtube", "@ada")
    assert (await keeper.ask("PUT", PLATFORMS, {**body, "posting_identity": "@ada"})).json() == made
    listed = await keeper.ask("GET", PLATFORMS)
    assert listed.json() == {"items": [made], "next_cursor": None}
    assert canary not in first.text + listed.text
    found = (await resolve(auth, made["credential_ref"], keeper.owner_id, by="tools")).json()
    assert (found["type"], found["provider"], found["version"]) == ("platform", "youtube", 1)
    assert found["secret"] == body["credentials"]
    changed = await keeper.ask("PUT", PLATFORMS, {"platform": "youtube", "credentials": {"access_token": "new"}})
    assert (changed.json()["credential_ref"], changed.json()["posting_identity"]) == (made["credential_ref"], None)
    assert (await resolve(auth, made["credential_ref"], keeper.owner_id, by="tools")).json()["version"] == 2


async def test_the_same_put_at_once_makes_one_credential(keeper: Keeper):
    body = {"platform": "x", "credentials": {"access_token": "t"}}
    answers = await asyncio.gather(*(keeper.ask("PUT", PLATFORMS, body) for _ in range(6)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["credential_ref"] for answer in answers}) == 1
    assert [row["version"] for row in (await keeper.ask("GET", CREDENTIALS)).json()["items"]] == [1]


async def test_platforms_come_in_pages_and_by_name_and_go_with_their_credential(keeper: Keeper):
    for platform in ("instagram", "linkedin", "youtube"):
        await keeper.ask("PUT", PLATFORMS, {"platform": platform, "credentials": {"access_token": platform}})
    first = (await keeper.ask("GET", f"{PLATFORMS}?limit=2")).json()
    second = (await keeper.ask("GET", f"{PLATFORMS}?limit=2&cursor={first['next_cursor']}")).json()
    assert [row["platform"] for row in first["items"] + second["items"]] == ["youtube", "linkedin", "instagram"]
    (row,) = (await keeper.ask("GET", f"{PLATFORMS}?platform=linkedin")).json()["items"]
    assert (await keeper.ask("DELETE", f"{CREDENTIALS}/{row['credential_ref']}")).status_code == 204
    left = (await keeper.ask("GET", PLATFORMS)).json()["items"]
    assert [row["platform"] for row in left] == ["youtube", "instagram"]


async def test_an_exchange_is_set_up_once_and_keeps_its_account_id(auth: RunningAuth, keeper: Keeper):
    first = await keeper.ask("PUT", EXCHANGE, setup_body())
    assert first.status_code == 200, first.text
    made = first.json()
    assert made["risk_limits"] == {"max_units_per_order": "1.5", "max_notional_inr": "50000"}
    assert (made["default_coin"], made["allowed_coins"]) == ("BTC", ["BTC", "ETH"])
    again = (await keeper.ask("PUT", EXCHANGE, setup_body())).json()
    assert again == {**made, "updated_at": again["updated_at"]}
    new = setup_body(api_key="other", default_coin="eth", risk_limits={"max_units_per_order": "0.000000000000000001"})
    changed = (await keeper.ask("PUT", EXCHANGE, new)).json()
    assert changed["risk_limits"] == {"max_units_per_order": "0.000000000000000001", "max_notional_inr": None}
    assert changed["default_coin"] == "ETH"
    for name in ("exchange_account_id", "credential_ref", "created_at"):
        assert changed[name] == made[name]
    assert (await keeper.ask("GET", EXCHANGE)).json() == {"items": [changed], "next_cursor": None}
    found = (await resolve(auth, made["credential_ref"], keeper.owner_id, by="tools")).json()
    assert found["secret"] == {"api_key": "other", "api_secret": "secret"}
    assert (found["type"], found["provider"], found["version"]) == ("exchange", "delta_exchange_india", 2)


async def test_limits_change_without_the_keys_where_there_are_some(auth: RunningAuth, keeper: Keeper):
    without = setup_body(api_key=None, api_secret=None, allowed_coins=None)
    refused = await keeper.ask("PUT", EXCHANGE, without)
    assert refused.status_code == 422
    assert [fault["loc"] for fault in refused.json()["errors"]] == [["body", "api_key"], ["body", "api_secret"]]
    made = (await keeper.ask("PUT", EXCHANGE, setup_body())).json()
    changed = (await keeper.ask("PUT", EXCHANGE, without)).json()
    assert (changed["credential_ref"], changed["allowed_coins"]) == (made["credential_ref"], ["BTC"])
    assert (await keeper.ask("DELETE", f"{CREDENTIALS}/{made['credential_ref']}")).status_code == 204
    (row,) = (await keeper.ask("GET", EXCHANGE)).json()["items"]
    assert (row["exchange_account_id"], row["credential_ref"]) == (made["exchange_account_id"], None)
    assert (await keeper.ask("PUT", EXCHANGE, without)).status_code == 422
    back = (await keeper.ask("PUT", EXCHANGE, setup_body())).json()
    assert back["exchange_account_id"] == made["exchange_account_id"]
    assert (await resolve(auth, back["credential_ref"], keeper.owner_id, by="tools")).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"exchange_provider": "mt_gox"},
        {"api_key": ""},
        {"api_secret": {"a": "b"}},
        {"default_coin": "DOGE"},
        {"default_coin": "B T C"},
        {"allowed_coins": []},
        {"risk_limits": {}},
        {"risk_limits": {"max_units_per_order": 1.5}},
        {"risk_limits": {"max_units_per_order": 1}},
        {"risk_limits": {"max_units_per_order": "0"}},
        {"risk_limits": {"max_units_per_order": "-1"}},
        {"risk_limits": {"max_units_per_order": "1e5"}},
        {"risk_limits": {"max_units_per_order": "NaN"}},
        {"risk_limits": {"max_units_per_order": "1", "max_notional_inr": "0.001"}},
        {"risk_limits": {"max_units_per_order": "1", "leverage": "100"}},
        {"exchange_account_id": "mine"},
        {"owner_id": "somebody"},
    ],
)
async def test_what_can_not_be_a_setup_is_refused(keeper: Keeper, change: dict[str, Any]):
    answer = await keeper.ask("PUT", EXCHANGE, setup_body(**change))
    assert answer.status_code == 422
    assert answer.json()["errors"]
    half = await keeper.ask("PUT", EXCHANGE, setup_body(api_secret=None))
    assert half.status_code == 422
    assert (await keeper.ask("GET", EXCHANGE)).json()["items"] == []


async def test_another_owner_sees_and_changes_nothing_of_it(auth: RunningAuth, keeper: Keeper):
    mine = (await keeper.ask("PUT", EXCHANGE, setup_body())).json()
    await keeper.ask("PUT", PLATFORMS, {"platform": "youtube", "credentials": {"access_token": "mine"}})
    other = await keeper_of(auth)
    for path in (EXCHANGE, PLATFORMS):
        assert (await other.ask("GET", path)).json()["items"] == []
    theirs = (await other.ask("PUT", EXCHANGE, setup_body(api_key="theirs"))).json()
    assert theirs["exchange_account_id"] != mine["exchange_account_id"]
    assert theirs["credential_ref"] != mine["credential_ref"]
    assert (await keeper.ask("GET", EXCHANGE)).json()["items"] == [mine]
