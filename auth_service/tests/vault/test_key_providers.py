"""One suite for every store of master keys, each over what it really talks to."""

import asyncio
import os
import secrets
import stat
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import SecretStr

from auth_service.settings import AuthSettings
from auth_service.vault.master_keys.choosing import key_provider
from auth_service.vault.master_keys.provider import KeyProvider, KeyStoreReadOnly, MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing, MasterKey
from tests.external.kv2_server import READER, TOKEN, Kv2State, kv2_server

REGION = "eu-central-1"
STORES = ("local", "aws_secrets_manager", "vault")
Changed = Callable[..., AuthSettings]


@pytest.fixture(scope="module")
def moto_url() -> Generator[str]:
    """AWS as moto plays it, over HTTP."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 -- a second of imports

    kept = {name: os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
    for name, value in kept.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value


@pytest.fixture(scope="module")
def kv2() -> Generator[Kv2State]:
    with kv2_server() as state:
        yield state


@pytest.fixture
def settings_for(tmp_path: Path, moto_url: str, kv2: Kv2State) -> Changed:
    """Settings of an empty store of a kind, with changes."""
    name = f"kgents/{secrets.token_hex(6)}"

    def made(kind: str, **changes: Any) -> AuthSettings:
        values: dict[str, Any] = {
            "database_url": "postgresql://nobody@127.0.0.1:1/x",
            "nats_url": "nats://127.0.0.1:1",
            "client_secret": "for-tests-only",
            "signing_key_file": tmp_path / "signing-key.pem",
            "vault_key_provider": kind,
            "vault_key_name": name,
            "vault_aws_region": REGION,
            "vault_aws_endpoint_url": moto_url,
            "vault_hashicorp_url": kv2.url,
            "vault_hashicorp_token": SecretStr(TOKEN),
        }
        return AuthSettings.model_validate(values | changes)

    return made


@pytest.fixture(params=STORES)
def kind(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


@asynccontextmanager
async def opened(settings: AuthSettings) -> AsyncGenerator[KeyProvider]:
    provider = await key_provider(settings)
    try:
        yield provider
    finally:
        await provider.close()


@pytest.fixture
async def store(kind: str, settings_for: Changed) -> AsyncGenerator[KeyProvider]:
    async with opened(settings_for(kind)) as provider:
        yield provider


async def test_a_store_that_never_had_a_key_says_so(store: KeyProvider):
    assert await store.load() is None


async def test_a_key_is_kept_and_a_later_one_comes_in_front_of_it(store: KeyProvider):
    first, second = MasterKey.generate(), MasterKey.generate()
    await store.add(first)
    assert await store.load() == KeyRing((first,))
    await store.add(second)
    ring = await store.load()
    assert ring is not None
    assert ring == KeyRing((second, first))
    assert (ring.newest, ring.get(first.id), ring.get("mk_unknown")) == (second, first, None)


async def test_another_process_reads_the_same_keys(store: KeyProvider, kind: str, settings_for: Changed):
    key = MasterKey.generate()
    await store.add(key)
    async with opened(settings_for(kind)) as other:
        assert await other.load() == KeyRing((key,))


async def test_several_readers_at_once_see_whole_rings_while_keys_are_added(store: KeyProvider):
    keys = [MasterKey.generate() for _ in range(4)]
    await store.add(keys[0])
    rings: list[KeyRing | None] = []

    async def read() -> None:
        rings.extend([await store.load() for _ in range(5)])

    async def add() -> None:
        for key in keys[1:]:
            await store.add(key)

    await asyncio.gather(read(), add(), read())
    assert await store.load() == KeyRing(tuple(reversed(keys)))
    assert all(ring is not None and ring.get(keys[0].id) == keys[0] for ring in rings)


DAMAGED = ("", "no key at all", "c2hvcnQ=", "# a comment alone")


async def test_what_is_no_key_is_refused_without_being_quoted(kind: str, settings_for: Changed, kv2: Kv2State):
    settings = settings_for(kind)
    async with opened(settings) as store:
        await store.add(MasterKey.generate())
        for text in DAMAGED:
            await asyncio.to_thread(put_text, settings, kv2, text)
            with pytest.raises(MasterKeyError) as refused:
                await store.load()
            with pytest.raises(MasterKeyError):
                await store.add(MasterKey.generate())
            assert store.place in str(refused.value)
            assert not text or text not in str(refused.value)


def put_text(settings: AuthSettings, kv2: Kv2State, text: str) -> None:
    """What somebody else left in the store."""
    if settings.vault_key_provider == "local":
        file = settings.signing_key_file.with_name("vault-keys")
        file.write_text(text)
        file.chmod(0o600)
    elif settings.vault_key_provider == "vault":
        kv2.versions[f"/v1/secret/data/{settings.vault_key_name}"].append({"keys": text})
    else:
        client = aws_client(settings)
        client.put_secret_value(SecretId=settings.vault_key_name, SecretString=text or " ")
        client.close()


def aws_client(settings: AuthSettings) -> Any:
    from boto3.session import Session  # noqa: PLC0415

    maker = cast("Any", Session())
    return maker.client("secretsmanager", region_name=REGION, endpoint_url=settings.vault_aws_endpoint_url)


async def test_a_store_that_is_away_is_one_sentence_that_names_its_settings(kind: str, settings_for: Changed):
    nowhere = {"vault_aws_endpoint_url": "http://127.0.0.1:1", "vault_hashicorp_url": "http://127.0.0.1:1"}
    settings = settings_for(kind, **nowhere, vault_key_file=Path("/proc/self/mem"))
    async with opened(settings) as store:
        with pytest.raises(MasterKeyError, match="AUTH_VAULT_") as refused:
            await store.load()
    assert "\n" not in str(refused.value)
    assert TOKEN not in str(refused.value)


async def test_a_key_and_a_ring_show_their_ids_alone():
    key = MasterKey.generate()
    shown = f"{key} {key!r} {KeyRing((key,))!r}"
    assert shown.count(key.id) == 3
    assert repr(key.material) not in shown
    assert key.material.hex() not in shown
    assert KeyRing.parse(KeyRing((key,)).as_text()) == KeyRing((key,))


def test_the_id_of_a_key_is_made_of_the_key():
    material = secrets.token_bytes(32)
    assert MasterKey.of(material) == MasterKey.of(material)
    assert MasterKey.of(material).id != MasterKey.generate().id
    with pytest.raises(ValueError, match="32 bytes"):
        MasterKey.of(material[1:])


async def test_the_local_file_is_its_owners_alone_and_nothing_is_left_beside_it(settings_for: Changed):
    settings = settings_for("local")
    file = settings.signing_key_file.with_name("vault-keys")
    async with opened(settings) as store:
        await store.add(MasterKey.generate())
        await store.add(MasterKey.generate())
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert await asyncio.to_thread(os.listdir, file.parent) == ["vault-keys"]
        file.chmod(0o604)
        with pytest.raises(MasterKeyError, match="chmod 600"):
            await store.load()


async def test_processes_that_add_to_one_file_at_once_lose_no_key(settings_for: Changed):
    keys = [MasterKey.generate() for _ in range(8)]
    async with opened(settings_for("local")) as one, opened(settings_for("local")) as two:
        await asyncio.gather(*((one if place % 2 else two).add(key) for place, key in enumerate(keys)))
        ring = await one.load()
    assert ring is not None
    assert {key.id for key in ring.keys} == {key.id for key in keys}


async def test_a_file_that_an_operator_wrote_by_hand_is_read(settings_for: Changed):
    settings = settings_for("local")
    newer, older = MasterKey.generate(), MasterKey.generate()
    text = f"# newest first\n\n{KeyRing((newer,)).as_text()}  {KeyRing((older,)).as_text()}"
    settings.signing_key_file.with_name("vault-keys").write_text(text)
    settings.signing_key_file.with_name("vault-keys").chmod(0o440)
    async with opened(settings) as store:
        assert await store.load() == KeyRing((newer, older))


async def test_a_folder_that_can_not_be_written_asks_the_operator(settings_for: Changed):
    async with opened(settings_for("local", vault_key_file=Path("/proc/vault-keys"))) as store:
        assert await store.load() is None
        with pytest.raises(KeyStoreReadOnly, match="openssl rand -base64 32"):
            await store.add(MasterKey.generate())


async def test_a_vault_token_that_may_only_read_reads_and_asks_the_operator(settings_for: Changed):
    async with opened(settings_for("vault")) as store:
        await store.add(MasterKey.generate())
    async with opened(settings_for("vault", vault_hashicorp_token=SecretStr(READER))) as reader:
        assert await reader.load() is not None
        with pytest.raises(KeyStoreReadOnly, match="create and update"):
            await reader.add(MasterKey.generate())


async def test_a_wrong_vault_token_and_a_sealed_vault_are_sentences(settings_for: Changed, kv2: Kv2State):
    async with opened(settings_for("vault", vault_hashicorp_token=SecretStr("another"))) as stranger:
        with pytest.raises(MasterKeyError, match="AUTH_VAULT_HASHICORP_TOKEN"):
            await stranger.load()
    kv2.sealed = True
    try:
        async with opened(settings_for("vault")) as store:
            with pytest.raises(MasterKeyError, match="unsealed"):
                await store.load()
    finally:
        kv2.sealed = False


async def test_a_deleted_version_is_none_and_the_next_key_follows_it(settings_for: Changed, kv2: Kv2State):
    settings = settings_for("vault")
    key = MasterKey.generate()
    async with opened(settings) as store:
        await store.add(MasterKey.generate())
        kv2.delete_newest(f"/v1/secret/data/{settings.vault_key_name}")
        assert await store.load() is None
        await store.add(key)
        assert await store.load() == KeyRing((key,))


async def test_a_secret_that_is_marked_for_deletion_at_aws_is_no_empty_store(settings_for: Changed):
    settings = settings_for("aws_secrets_manager")
    async with opened(settings) as store:
        await store.add(MasterKey.generate())
        client = aws_client(settings)
        client.delete_secret(SecretId=settings.vault_key_name)
        client.close()
        with pytest.raises(MasterKeyError, match="marked for deletion"):
            await store.load()


async def test_without_its_address_the_vault_provider_says_what_is_missing(settings_for: Changed):
    with pytest.raises(MasterKeyError, match="AUTH_VAULT_HASHICORP_URL and AUTH_VAULT_HASHICORP_TOKEN"):
        await key_provider(settings_for("vault", vault_hashicorp_url=None))
