"""The conformance suite of `IdentityProvider`: what every provider must do. Add a provider's factory to run it."""

import secrets
from collections.abc import AsyncGenerator

import pytest

from auth_service.people.identity_provider import IdentityProvider
from auth_service.people.local_provider import LocalIdentityProvider
from auth_service.people.password_hasher import HashCost, PasswordHasher
from auth_service.people.repository import LocalAccounts
from auth_service.settings import AuthSettings
from kgents_shared.db import Database

PASSWORD = "four words nobody joins"


def an_address() -> str:
    return f"{secrets.token_hex(8)}@example.org"


@pytest.fixture(scope="module")
async def database(auth_settings: AuthSettings) -> AsyncGenerator[Database]:
    opened = Database(auth_settings.database_url.get_secret_value())
    yield opened
    await opened.close()


@pytest.fixture(scope="module", params=["local"])
async def provider(request: pytest.FixtureRequest, database: Database) -> AsyncGenerator[IdentityProvider]:
    """Each provider in turn."""
    assert request.param == "local"
    async with PasswordHasher(HashCost(64, 1, 1)) as hasher:
        yield LocalIdentityProvider(LocalAccounts(database), hasher)


async def test_somebody_who_registered_is_authenticated_as_the_same_identity(provider: IdentityProvider):
    email = an_address()
    registered, is_new = await provider.register(email, PASSWORD, "Ada")
    assert is_new
    assert (registered.email, registered.name) == (email, "Ada")
    assert await provider.authenticate(email, PASSWORD) == registered


async def test_two_people_are_two_subjects(provider: IdentityProvider):
    one, _ = await provider.register(an_address(), PASSWORD, "Ada")
    other, _ = await provider.register(an_address(), PASSWORD, "Ada")
    assert one.subject != other.subject


async def test_registering_a_known_address_changes_nothing(provider: IdentityProvider):
    email = an_address()
    first, _ = await provider.register(email, PASSWORD, "Ada")
    again, is_new = await provider.register(email, "a password of somebody else", "Mallory")
    assert not is_new
    assert again.subject == first.subject
    assert await provider.authenticate(email, "a password of somebody else") is None
    assert await provider.authenticate(email, PASSWORD) == first


async def test_an_unknown_address_and_a_wrong_password_are_nobody(provider: IdentityProvider):
    email = an_address()
    await provider.register(email, PASSWORD, "Ada")
    assert await provider.authenticate(email, PASSWORD + " ") is None
    assert await provider.authenticate(an_address(), PASSWORD) is None


@pytest.mark.parametrize("tail", ["\0", "é", "😀", "x" * 200])
async def test_no_part_of_a_password_is_left_out(provider: IdentityProvider, tail: str):
    email = an_address()
    identity, _ = await provider.register(email, PASSWORD + tail, "Ada")
    assert await provider.authenticate(email, PASSWORD + tail) == identity
    assert await provider.authenticate(email, PASSWORD) is None


async def test_a_login_replaces_a_hash_of_yesterdays_cost(database: Database):
    accounts, email = LocalAccounts(database), an_address()
    async with PasswordHasher(HashCost(64, 1, 1)) as yesterday:
        await LocalIdentityProvider(accounts, yesterday).register(email, PASSWORD, "Ada")
    async with PasswordHasher(HashCost(128, 1, 1)) as today:
        provider = LocalIdentityProvider(accounts, today)
        assert await provider.authenticate(email, PASSWORD) is not None
        account = await accounts.find(email)
        assert account is not None
        assert "m=128" in account.password_hash
        assert await provider.authenticate(email, PASSWORD) is not None
