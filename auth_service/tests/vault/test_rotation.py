"""A new master key while everything goes on, whatever is cut off in between."""

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from auth_service.vault.keeper import MasterKeys
from auth_service.vault.master_keys.ring import KeyRing
from auth_service.vault.rotation.service import Rewrapping
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, RunningAuth, is_healthy, running

from .conftest import CREDENTIALS, Keeper, in_force, resolve, rewrapped, ring_of, service_headers

VAULT = "/api/v1/admin/vault"


def key_file(auth: RunningAuth) -> Path:
    return auth.settings.signing_key_file.with_name("vault-keys")


@pytest.fixture
async def admin(auth: RunningAuth) -> dict[str, str]:
    tokens = await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def status(auth: RunningAuth, admin: dict[str, str]) -> dict[str, Any]:
    answer = await auth.client.get(VAULT, headers=admin)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


async def key_of(auth: RunningAuth, ref: str) -> str:
    rows = await auth.rows("SELECT key_id FROM identity.credentials WHERE id = :id", id=uuid.UUID(ref[5:]))
    return str(rows[0][0])


async def rotate(auth: RunningAuth, admin: dict[str, str], **options: Any) -> dict[str, Any]:
    answer = await auth.client.post(f"{VAULT}/rotate", json=options, headers=admin)
    assert answer.status_code == 202, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_everything_can_be_read_and_written_while_the_master_key_changes_twice(
    auth: RunningAuth, keeper: Keeper, admin: dict[str, str]
):
    before = await in_force(auth)
    kept = {(await keeper.keep(f"secret {n}"))["credential_ref"]: f"secret {n}" for n in range(30)}
    headers = await service_headers(auth, "runtime")
    ended = asyncio.Event()
    reads = 0

    async def read() -> None:
        nonlocal reads
        while not ended.is_set():
            for ref, secret in list(kept.items()):
                body = {"credential_ref": ref, "owner_id": keeper.owner_id, "purpose": "during a rotation"}
                answer = await auth.client.post("/internal/credentials/resolve", json=body, headers=headers)
                assert (answer.status_code, answer.json().get("secret")) == (200, secret)
                reads += 1

    async def write() -> None:
        for n in range(10):
            made = await keeper.keep(f"new {n}")
            kept[made["credential_ref"]] = f"new {n}"

    async def change() -> None:
        for _ in range(2):
            assert (await rotate(auth, admin))["keys"]
        await eventually(all_under_the_new_one)

    async def all_under_the_new_one() -> bool:
        return (await status(auth, admin))["waiting"] == 0

    readers = [asyncio.create_task(read()) for _ in range(3)]
    await asyncio.gather(change(), write())
    ended.set()
    await asyncio.gather(*readers)
    assert reads >= 30
    after = await in_force(auth)
    assert after == ring_of(key_file(auth)).newest.id != before
    assert {await key_of(auth, ref) for ref in kept} == {after}
    assert next(row for row in (await status(auth, admin))["keys"] if row["in_force"])["key_id"] == after


async def test_once_nothing_waits_the_old_keys_are_of_no_use(
    auth: RunningAuth, keeper: Keeper, admin: dict[str, str], tmp_path: Path
):
    made = await keeper.keep("still here")
    await rotate(auth, admin)
    await rewrapped(auth)
    newest = tmp_path / "vault-keys"
    newest.write_text(KeyRing((ring_of(key_file(auth)).newest,)).as_text())
    newest.chmod(0o600)
    async with running(auth.settings.model_copy(update={"vault_key_file": newest})) as other:
        await eventually(lambda: is_healthy(other))
        assert (await resolve(other, made["credential_ref"], keeper.owner_id)).json()["secret"] == "still here"


async def test_a_rotation_that_died_after_its_key_was_kept_goes_on_with_that_key(
    auth: RunningAuth, admin: dict[str, str]
):
    keys = MasterKeys(auth.settings)
    kept = (await keys.add()).newest
    assert await in_force(auth) != kept.id
    await rotate(auth, admin)
    assert await in_force(auth) == kept.id
    assert ring_of(key_file(auth)).newest.id == kept.id
    assert (await rotate(auth, admin, make_key=False))["keys"]
    assert await in_force(auth) == kept.id


async def die_in_a_batch(auth: RunningAuth, rewrapping: Rewrapping, after: uuid.UUID | None) -> None:
    async with auth.parts.storage.transaction() as work:
        await rewrapping.one_batch(work, after)
        raise ConnectionError("killed")


async def test_a_rewrapping_that_was_cut_off_is_taken_up_where_it_was(
    auth: RunningAuth, keeper: Keeper, admin: dict[str, str]
):
    await auth.run("DELETE FROM identity.credentials")
    old = await in_force(auth)
    refs = [(await keeper.keep(f"s{n}"))["credential_ref"] for n in range(6)]
    new = (await MasterKeys(auth.settings).add()).newest.id
    await auth.run("INSERT INTO identity.vault_keys (key_id, made_current_by) VALUES (:new, 'a test')", new=new)
    keys = MasterKeys(auth.settings)
    await keys.read()
    short = Rewrapping(auth.parts.storage, keys, batch=2)
    # The process dies within the second batch: its transaction is never committed.
    async with auth.parts.storage.transaction() as work:
        _, after, _ = await short.one_batch(work, None)
    with pytest.raises(ConnectionError):
        await die_in_a_batch(auth, short, after)
    under = [await key_of(auth, ref) for ref in refs]
    assert (under.count(old), under.count(new)) == (4, 2)
    for number, ref in enumerate(refs):
        assert (await resolve(auth, ref, keeper.owner_id)).json()["secret"] == f"s{number}"
    await asyncio.gather(*(Rewrapping(auth.parts.storage, keys, batch=2).work_off() for _ in range(2)))
    await short.work_off()
    assert {await key_of(auth, ref) for ref in refs} == {new}
    for number, ref in enumerate(refs):
        assert (await resolve(auth, ref, keeper.owner_id)).json()["secret"] == f"s{number}"


async def test_a_data_key_that_was_damaged_keeps_none_of_the_others_waiting(
    auth: RunningAuth, keeper: Keeper, admin: dict[str, str]
):
    bad, good = (await keeper.keep("bad"))["credential_ref"], (await keeper.keep("good"))["credential_ref"]
    await auth.run("UPDATE identity.credentials SET wrapped_key = 'x' WHERE id = :id", id=uuid.UUID(bad[5:]))
    await rotate(auth, admin)
    await rewrapped(auth, left=1)
    assert await key_of(auth, good) == await in_force(auth)
    assert (await status(auth, admin))["waiting"] == 1
    assert (await keeper.ask("DELETE", f"{CREDENTIALS}/{bad}")).status_code == 204


async def test_another_replica_writes_and_reads_under_the_new_key_at_once(
    auth: RunningAuth, keeper: Keeper, admin: dict[str, str]
):
    async with running(auth.settings) as replica:
        await eventually(lambda: is_healthy(replica))
        await rotate(auth, admin)
        body = {"name": "by the replica", "type": "generic", "secret": "x"}
        made = await replica.client.post(CREDENTIALS, json=body, headers=keeper.headers)
        assert made.status_code == 201, made.text
        ref = made.json()["credential_ref"]
        assert await key_of(auth, ref) == await in_force(auth)
        for each in (auth, replica):
            assert (await resolve(each, ref, keeper.owner_id)).json()["secret"] == "x"


async def test_rotations_at_once_leave_one_order_of_keys(auth: RunningAuth, admin: dict[str, str]):
    before = len(ring_of(key_file(auth)).keys)
    await asyncio.gather(*(rotate(auth, admin) for _ in range(4)))
    ring = ring_of(key_file(auth))
    assert len(ring.keys) == before + 4
    assert ring.newest.id == await in_force(auth)


async def test_only_an_administrator_rotates_and_sees_how_far_it_is(auth: RunningAuth, keeper: Keeper):
    before = await in_force(auth)
    for method, path in (("GET", VAULT), ("POST", f"{VAULT}/rotate")):
        assert (await keeper.ask(method, path, {})).status_code == 403
        runtime = await service_headers(auth, "runtime")
        assert (await auth.client.request(method, path, json={}, headers=runtime)).status_code == 403
    assert await in_force(auth) == before


async def test_a_store_that_can_not_be_written_asks_the_operator_and_changes_nothing(
    auth: RunningAuth, admin: dict[str, str], tmp_path: Path
):
    before = await in_force(auth)
    kept = key_file(auth).read_text()
    async with running(auth.settings) as service:
        await eventually(lambda: is_healthy(service))
        key_file(auth).unlink()
        try:
            away = await service.client.post(f"{VAULT}/rotate", json={}, headers=admin)
        finally:
            key_file(auth).write_text(kept)
            key_file(auth).chmod(0o600)
    assert (away.status_code, away.json()["code"]) == (503, "master_key_missing")
    assert await in_force(auth) == before
