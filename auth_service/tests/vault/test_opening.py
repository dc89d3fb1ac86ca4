"""The vault's start: with its keys, without them, and before the database answers."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from auth_service.main import create_app
from auth_service.vault.master_keys.provider import MasterKeyError
from auth_service.vault.master_keys.ring import KeyRing, MasterKey
from kgents_shared.testing.polling import eventually
from platform_host.faults import exit_code, sentences
from platform_host.lifespans import RunningService, ServiceStartError
from tests.external.running_auth import RunningAuth, is_healthy, running

from .conftest import Keeper, in_force, rewrapped, ring_of


async def refused_start(auth: RunningAuth, **changes: Any) -> str:
    with pytest.raises(MasterKeyError) as refused:
        async with running(auth.settings.model_copy(update=changes)):
            pytest.fail("it started")
    assert "\n" not in str(refused.value)
    return str(refused.value)


async def test_without_the_master_key_of_what_is_kept_there_is_no_start(
    auth: RunningAuth, keeper: Keeper, tmp_path: Path
):
    await keeper.keep("x")
    await rewrapped(auth)
    missing = tmp_path / "vault-keys"
    sentence = await refused_start(auth, vault_key_file=missing)
    assert f"{await in_force(auth)} is missing from {missing}" in sentence
    assert "back from its backup and start again" in sentence
    assert not missing.exists()
    service = RunningService("auth", create_app(auth.settings.model_copy(update={"vault_key_file": missing})))
    with pytest.raises(ServiceStartError) as told:
        await service.start()
    assert (sentences(told.value), exit_code(told.value)) == ((f"auth didn't start: {sentence}",), 1)
    missing.write_text(KeyRing((MasterKey.generate(),)).as_text())
    missing.chmod(0o600)
    assert await in_force(auth) in await refused_start(auth, vault_key_file=missing)
    missing.write_text("garbage")
    assert "AUTH_VAULT_KEY_FILE" in await refused_start(auth, vault_key_file=missing)
    assert "AUTH_VAULT_HASHICORP_URL" in await refused_start(auth, vault_key_provider="vault")


async def test_with_the_database_away_no_key_is_made_and_the_vault_opens_later(auth: RunningAuth, tmp_path: Path):
    file = tmp_path / "vault-keys"
    nowhere = SecretStr("postgresql://nobody:x@127.0.0.1:1/nowhere")
    async with running(auth.settings.model_copy(update={"database_url": nowhere, "vault_key_file": file})) as service:
        assert (await service.client.get("/health")).json()["parts"]["vault"] is False
        assert not file.exists()


async def test_where_nothing_is_kept_a_lost_key_is_replaced(auth: RunningAuth, tmp_path: Path):
    old = await in_force(auth)
    await auth.run("DELETE FROM identity.credentials")
    file = tmp_path / "vault-keys"
    try:
        async with running(auth.settings.model_copy(update={"vault_key_file": file})) as service:
            await eventually(lambda: is_healthy(service))
            assert await in_force(auth) == ring_of(file).newest.id != old
    finally:
        await auth.run("INSERT INTO identity.vault_keys (key_id, made_current_by) VALUES (:old, 'a test')", old=old)
