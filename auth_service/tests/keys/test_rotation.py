"""Signing keys change by themselves: published before they sign, kept until their last token has ended, for all
replicas alike; and nobody is refused for it.
"""

import asyncio
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from auth_service.keys.key_file import PrivateKey, load_key_file
from auth_service.keys.rotation import PUBLISHED_BEFORE_S, KeyRotation
from auth_service.keys.signing_keys import SigningKeys
from auth_service.settings import AuthSettings
from auth_service.storage import Storage
from auth_service.tokens.access_tokens import AccessTokens
from kgents_shared.auth import TokenVerifier
from kgents_shared.auth.keys import REFRESH_AFTER_S, load_keys
from kgents_shared.contracts.attestations import ATTESTATION_TYPE
from kgents_shared.db import Database
from kgents_shared.errors import Unauthenticated, Unavailable
from kgents_shared.testing.tokens import only_keys
from tests.external.running_auth import ISSUER, RunningAuth, running

DAY_S = 86_400.0
TOKEN_S = 900


class Replica:
    """One process of several on the same database."""

    def __init__(self, storage: Storage, file: Path, every_s: float = 30 * DAY_S) -> None:
        self.keys = SigningKeys()
        self.rotation = KeyRotation(storage, self.keys, every_s=every_s, token_lifetime_s=TOKEN_S)
        self.rotation.give_file(load_key_file(file))

    def kids(self) -> list[str]:
        """What it publishes."""
        return [key["kid"] for key in self.keys.jwks()["keys"]]

    def token(self) -> str:
        """A token that it signs."""
        tokens = AccessTokens(self.keys, ISSUER, TOKEN_S)
        return tokens.issue(subject="s", audience="kgents", client_id="c", scopes=(), roles=(), epoch=0)

    async def takes(self, token: str) -> bool:
        """Whether it verifies the token."""
        try:
            await TokenVerifier(ISSUER, only_keys(self.keys), "auth").verify(token)
        except Unauthenticated:
            return False
        return True


@pytest.fixture
async def database(auth_settings: AuthSettings) -> AsyncGenerator[Database]:
    """A database whose signing keys are this test's: what was there is put back."""
    opened = Database(auth_settings.database_url.get_secret_value(), pool_size=8)
    async with opened.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("CREATE TABLE identity.kept_keys AS TABLE identity.signing_keys")
        await connection.exec_driver_sql("DELETE FROM identity.signing_keys")
    try:
        yield opened
    finally:
        async with opened.transaction() as session:
            connection = await session.connection()
            await connection.exec_driver_sql("DELETE FROM identity.signing_keys")
            await connection.exec_driver_sql("INSERT INTO identity.signing_keys TABLE identity.kept_keys")
            await connection.exec_driver_sql("DROP TABLE identity.kept_keys")
        await opened.close()


@pytest.fixture
def storage(database: Database) -> Storage:
    return Storage(database, lambda: None)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "key.pem"


async def time_passes(database: Database, seconds: float) -> None:
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql(
            "UPDATE identity.signing_keys SET signs_from = signs_from - make_interval(secs => %(s)s)", {"s": seconds}
        )


async def test_a_key_is_published_before_it_signs_and_until_its_last_token_has_ended(
    database: Database, storage: Storage, file: Path
):
    replica = Replica(storage, file)
    await replica.rotation.follow()
    (first,) = replica.kids()
    old = replica.token()
    await time_passes(database, 30 * DAY_S - PUBLISHED_BEFORE_S + 1)
    await replica.rotation.follow()
    second, _ = replica.kids()
    assert second != first
    # Known to whoever verifies, and not signing yet.
    assert kid_of(replica.token()) == first
    await time_passes(database, PUBLISHED_BEFORE_S)
    await replica.rotation.follow()
    assert kid_of(replica.token()) == second
    assert await replica.takes(old)
    await time_passes(database, TOKEN_S)
    await replica.rotation.follow()
    assert await replica.takes(old), "a token lives as long as it says"
    await time_passes(database, 120)
    await replica.rotation.follow()
    assert replica.kids() == [second]
    assert not await replica.takes(old)
    assert kid_of(replica.token()) == second


def kid_of(token: str) -> str:
    return str(jwt.get_unverified_header(token)["kid"])


async def test_many_rotations_leave_two_keys_at_most_and_no_old_one_in_the_database(
    database: Database, storage: Storage, file: Path
):
    replica = Replica(storage, file)
    for _ in range(5):
        await replica.rotation.follow()
        await time_passes(database, 30 * DAY_S - PUBLISHED_BEFORE_S + 1)
        await replica.rotation.follow()
        assert len(replica.kids()) == 2
        await time_passes(database, PUBLISHED_BEFORE_S + TOKEN_S + 120)
    await replica.rotation.follow()
    async with storage.transaction() as work:
        stored = await work.signing_keys.all()
    # The file's own stays known, so that it doesn't come back as a new one.
    assert [key.sealed is None for key in stored] == [False, True]
    assert replica.kids() == [stored[0].kid]


async def test_replicas_that_find_a_key_due_at_once_make_one(database: Database, storage: Storage, file: Path):
    replicas = [Replica(storage, file) for _ in range(6)]
    await asyncio.gather(*(replica.rotation.follow() for replica in replicas))
    assert {tuple(replica.kids()) for replica in replicas} == {(load_key_file(file)[0].kid,)}
    await time_passes(database, 30 * DAY_S)
    await asyncio.gather(*(replica.rotation.follow() for replica in replicas))
    assert {len(replica.kids()) for replica in replicas} == {2}
    assert len({tuple(replica.kids()) for replica in replicas}) == 1


async def test_a_service_that_slept_past_the_change_still_publishes_first(
    database: Database, storage: Storage, file: Path
):
    replica = Replica(storage, file)
    await replica.rotation.follow()
    await time_passes(database, 400 * DAY_S)
    await replica.rotation.follow()
    assert kid_of(replica.token()) == replica.kids()[1]
    async with storage.transaction() as work:
        newest = (await work.signing_keys.all())[0]
    assert 0 < newest.signs_in_s <= PUBLISHED_BEFORE_S


def put_first(file: Path, key: PrivateKey) -> None:
    file.write_text(key.pem() + file.read_text())


async def test_a_key_put_first_in_the_file_signs_at_once_and_every_replica_takes_it(
    database: Database, storage: Storage, file: Path
):
    behind = Replica(storage, file)
    await behind.rotation.follow()
    old = behind.token()
    put_first(file, PrivateKey.new())
    restarted = Replica(storage, file)
    await restarted.rotation.follow()
    new = restarted.token()
    assert kid_of(new) == load_key_file(file)[0].kid != kid_of(old)
    assert await restarted.takes(old)
    await behind.rotation.follow()
    assert await behind.takes(new)
    assert await restarted.takes(behind.token())


async def test_a_file_that_is_replaced_while_the_next_key_waits_signs_by_its_own(
    database: Database, storage: Storage, file: Path, tmp_path: Path
):
    """An accident: the old file is thrown away, and what it sealed with it."""
    replica = Replica(storage, file)
    await replica.rotation.follow()
    await replica.rotation.rotate()
    waiting = replica.kids()[0]
    after = Replica(storage, tmp_path / "another.pem")
    await after.rotation.follow()
    assert waiting not in after.kids()
    await time_passes(database, PUBLISHED_BEFORE_S + TOKEN_S + 120)
    await after.rotation.follow()
    assert [kid_of(after.token())] == after.kids() == [load_key_file(tmp_path / "another.pem")[0].kid]


async def test_replicas_with_two_files_both_sign_and_take_each_others_tokens(
    database: Database, storage: Storage, file: Path, tmp_path: Path
):
    one, other = Replica(storage, file), Replica(storage, tmp_path / "another.pem")
    for _ in range(3):
        await one.rotation.follow()
        await other.rotation.follow()
        await time_passes(database, TOKEN_S + 120)
        await one.rotation.follow()
        await other.rotation.follow()
        await one.rotation.follow()
        assert await one.takes(other.token())
        assert await other.takes(one.token())


async def test_the_database_holds_no_private_key_that_opens_without_the_file(
    database: Database, storage: Storage, file: Path, tmp_path: Path
):
    replica = Replica(storage, file)
    await replica.rotation.follow()
    await replica.rotation.rotate(in_s=0)
    async with storage.transaction() as work:
        stored = (await work.signing_keys.all())[0]
    assert stored.sealed is not None
    assert kid_of(replica.token()) == stored.kid
    (right,) = load_key_file(file)
    opened = right.open(stored.sealed, stored.kid)
    assert opened is not None
    assert opened.public == stored.public_key
    assert opened.der() not in stored.sealed
    assert right.open(stored.sealed, "another name") is None
    assert right.open(b"", stored.kid) is None
    assert PrivateKey.new().open(stored.sealed, stored.kid) is None
    # A process with another file verifies by it all the same, and signs by its own.
    stranger = Replica(storage, tmp_path / "another.pem")
    await stranger.rotation.follow()
    assert await stranger.takes(replica.token())
    assert kid_of(stranger.token()) == load_key_file(tmp_path / "another.pem")[0].kid


async def attest(replica: Replica, storage: Storage, days: int) -> str:
    """An attestation that this replica signs: its JWS. Its key is to be published until it ends."""
    signed = replica.keys.sign_as(ATTESTATION_TYPE, {"iss": ISSUER, "sub": "s"})
    async with storage.transaction() as work:
        assert await work.signing_keys.keep_for_attestations(signed.kid, datetime.now(UTC) + timedelta(days=days))
    return signed.jws


async def test_a_key_that_signed_an_attestation_verifies_it_until_it_ends_and_no_token_any_more(
    database: Database, storage: Storage, file: Path
):
    replica = Replica(storage, file)
    await replica.rotation.follow()
    await replica.rotation.rotate(in_s=0)
    attestation, token = await attest(replica, storage, days=300), replica.token()
    signed_by = kid_of(attestation)
    await replica.rotation.rotate(in_s=0)
    await time_passes(database, TOKEN_S + 120)
    await replica.rotation.follow()
    # The private half is gone, the public half stands for what it signed.
    async with storage.transaction() as work:
        assert signed_by not in [key.kid for key in await work.signing_keys.all()]
    published = jwt.PyJWKSet.from_dict(replica.keys.jwks())
    assert jwt.decode(attestation, published[signed_by], algorithms=["ES256"])["sub"] == "s"
    assert not await replica.takes(token)
    assert signed_by not in load_keys(replica.keys.jwks()["keys"]), "what other services take tokens by"
    async with database.transaction() as session:
        connection = await session.connection()
        await connection.exec_driver_sql("UPDATE identity.attestation_keys SET needed_until = now()")
    await replica.rotation.follow()
    assert signed_by not in replica.kids()


async def test_a_key_file_without_the_key_that_was_lost_vouches_for_no_attestation_of_it(
    database: Database, storage: Storage, file: Path, tmp_path: Path
):
    before = Replica(storage, file)
    await before.rotation.follow()
    await before.rotation.rotate(in_s=0)
    signed_by = kid_of(await attest(before, storage, days=300))
    after = Replica(storage, tmp_path / "another.pem")
    await after.rotation.follow()
    await time_passes(database, TOKEN_S + 120)
    await after.rotation.follow()
    assert signed_by not in after.kids()


async def test_the_longest_attestation_says_how_long_a_key_is_kept(database: Database, storage: Storage, file: Path):
    replica = Replica(storage, file)
    await replica.rotation.follow()
    for days in (10, 200, 1):
        await attest(replica, storage, days)
    async with database.transaction() as session:
        connection = await session.connection()
        kept = await connection.exec_driver_sql(
            "SELECT extract(day FROM needed_until - now()) FROM identity.attestation_keys WHERE kid = %(kid)s",
            {"kid": replica.kids()[0]},
        )
        assert kept.scalar_one() in {199, 200}


async def test_with_the_database_away_what_was_read_stays_and_nothing_is_made_up(file: Path):
    nowhere = Database("postgresql://nobody:x@127.0.0.1:1/nowhere", pool_size=1)
    replica = Replica(Storage(nowhere, lambda: None), file)
    try:
        for ask in (replica.rotation.follow, replica.rotation.follow_closely):
            with pytest.raises(OperationalError):
                await ask()
        with pytest.raises(Unavailable):
            replica.token()
        assert not await replica.rotation.answers()
    finally:
        await nowhere.close()


async def test_the_set_is_read_again_for_whoever_asks_and_stays_while_the_database_is_away(
    database: Database, storage: Storage, file: Path, monkeypatch: pytest.MonkeyPatch
):
    asked, other = Replica(storage, file), Replica(storage, file)
    await asked.rotation.follow()
    await other.rotation.rotate(in_s=0)
    monkeypatch.setattr("auth_service.keys.rotation._FRESH_S", -1.0)
    await asked.rotation.follow_closely()
    assert asked.kids() == other.kids()
    await database.close()
    monkeypatch.setattr(storage, "transaction", _away)
    await asked.rotation.follow_closely()
    assert asked.kids() == other.kids()


def _away() -> Any:
    raise psycopg.OperationalError("the database is away")


def test_a_key_is_known_everywhere_before_it_signs():
    assert PUBLISHED_BEFORE_S > 300 + REFRESH_AFTER_S


@pytest.fixture
async def changing(auth: RunningAuth) -> AsyncGenerator[KeyRotation]:
    """The keys of the running service; what a test makes of them goes away again."""
    rotation = auth.parts.key_rotation
    yield rotation
    async with auth.parts.storage.transaction() as work:
        made = [key.kid for key in await work.signing_keys.all() if key.sealed is not None]
        await work.signing_keys.delete(made)
    await rotation.follow()


async def test_nobody_is_refused_while_keys_change_under_traffic(auth: RunningAuth, changing: KeyRotation):
    """The whole service: people come in, and their tokens work at once, whichever key signs at the moment."""
    tokens = await auth.log_in()
    email = await auth.register()
    seen: set[str] = set()

    async def comes_in() -> str:
        token = (await auth.log_in(email))["access_token"]
        answer = await auth.client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200, answer.text
        return kid_of(token)

    for _ in range(3):
        seen.add(await comes_in())
        await asyncio.gather(changing.rotate(in_s=0), *(comes_in() for _ in range(4)))
    seen.add(await comes_in())
    assert len(seen) == 4
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert (await auth.client.get("/api/v1/users/me", headers=headers)).status_code == 200
    published = (await auth.client.get("/.well-known/jwks.json")).json()["keys"]
    assert seen <= {key["kid"] for key in published}


async def test_a_second_replica_takes_what_the_first_signs_with_a_key_of_this_moment(
    auth: RunningAuth, changing: KeyRotation, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("auth_service.keys.rotation._FRESH_S", -1.0)
    async with running(auth.settings) as second:
        await changing.rotate(in_s=0)
        token = (await auth.log_in())["access_token"]
        answer = await second.client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 200
