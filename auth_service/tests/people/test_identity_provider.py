"""The conformance suite of `IdentityProvider`: what every provider must do. Add a provider's factory to run it."""

import secrets
from collections.abc import AsyncGenerator

import bcrypt
import pytest
from pydantic import SecretStr

from auth_service.people.identity_provider import Identity, IdentityProvider
from auth_service.people.local_provider import LocalIdentityProvider
from auth_service.people.password_hasher import HashCost, PasswordHasher
from auth_service.people.repository import LocalAccounts
from auth_service.people.supabase_provider import SupabaseIdentityProvider
from auth_service.settings import AuthSettings
from kgents_shared.db import Database
from tests.external.gotrue_server import ANON_KEY, SERVICE_ROLE_KEY, gotrue_server

PASSWORD = "four words nobody joins"


def an_address() -> str:
    # `_` and `%` stand for anything where somebody looks for an address with SQL's LIKE.
    return f"{secrets.token_hex(8)}_%@example.org"


async def registered(provider: IdentityProvider, email: str, password: str = PASSWORD) -> Identity:
    """Somebody whom the provider lets in."""
    identity, _ = await provider.register(email, password, "Ada")
    await provider.mark_verified(identity)
    return identity


@pytest.fixture(scope="module")
async def database(auth_settings: AuthSettings) -> AsyncGenerator[Database]:
    opened = Database(auth_settings.database_url.get_secret_value())
    yield opened
    await opened.close()


@pytest.fixture(scope="module", params=["local", "supabase that confirms by itself", "supabase that sends mails"])
async def provider(request: pytest.FixtureRequest, database: Database) -> AsyncGenerator[IdentityProvider]:
    """Each provider in turn."""
    if request.param == "local":
        async with PasswordHasher(HashCost(64, 1, 1)) as hasher:
            yield LocalIdentityProvider(LocalAccounts(database), hasher)
        return
    with gotrue_server() as gotrue:
        gotrue.autoconfirm = request.param == "supabase that confirms by itself"
        keys = SecretStr(ANON_KEY), SecretStr(SERVICE_ROLE_KEY)
        supabase = SupabaseIdentityProvider(gotrue.url, *keys, no_sooner_s=0)
        yield supabase
        await supabase.close()
        assert gotrue.sessions == {}


async def test_somebody_who_registered_is_authenticated_as_the_same_identity(provider: IdentityProvider):
    email = an_address()
    identity, is_new = await provider.register(email, PASSWORD, "Ada")
    assert is_new
    assert (identity.email, identity.name) == (email, "Ada")
    await provider.mark_verified(identity)
    assert await provider.authenticate(email, PASSWORD) == identity


async def test_two_people_are_two_subjects(provider: IdentityProvider):
    one, _ = await provider.register(an_address(), PASSWORD, "Ada")
    other, _ = await provider.register(an_address(), PASSWORD, "Ada")
    assert one.subject != other.subject


@pytest.mark.parametrize("is_verified", [True, False])
async def test_registering_a_known_address_changes_nothing(provider: IdentityProvider, *, is_verified: bool):
    email = an_address()
    first, _ = await provider.register(email, PASSWORD, "Ada")
    if is_verified:
        await provider.mark_verified(first)
    again, is_new = await provider.register(email, "a password of somebody else", "Mallory")
    assert (again, is_new) == (first, False)
    await provider.mark_verified(first)
    assert await provider.authenticate(email, "a password of somebody else") is None
    assert await provider.authenticate(email, PASSWORD) == first


async def test_an_unknown_address_and_a_wrong_password_are_nobody(provider: IdentityProvider):
    email = an_address()
    await registered(provider, email)
    assert await provider.authenticate(email, PASSWORD + " ") is None
    assert await provider.authenticate(an_address(), PASSWORD) is None


async def test_an_address_that_another_one_begins_or_ends_with_is_another(provider: IdentityProvider):
    email = an_address()
    longer = await registered(provider, f"x{email}")
    like = await registered(provider, email.replace("_", "y"))
    assert await provider.find(email) is None
    one = await registered(provider, email)
    assert await provider.find(email) == one
    assert len({one.subject, longer.subject, like.subject}) == 3


@pytest.mark.parametrize("tail", ["\0", "\0" + PASSWORD, "é", "😀", "x" * 49, "x" * 50, "x" * 200])
async def test_a_password_is_kept_whole_or_refused_before_it_is_kept(provider: IdentityProvider, tail: str):
    email = an_address()
    if provider.password_fault(PASSWORD + tail, "password") is not None:
        identity = await registered(provider, email)
        assert await provider.authenticate(email, PASSWORD + tail) is None
        assert await provider.authenticate(email, PASSWORD) == identity
        return
    identity = await registered(provider, email, PASSWORD + tail)
    assert await provider.authenticate(email, PASSWORD + tail) == identity
    assert await provider.authenticate(email, PASSWORD) is None
    assert await provider.authenticate(email, PASSWORD + tail + "x") is None


@pytest.mark.parametrize("password", [PASSWORD, "Ä" * 36, "x" * 72])
async def test_every_provider_keeps_passwords_of_72_bytes(provider: IdentityProvider, password: str):
    assert provider.password_fault(password, "password") is None
    email = an_address()
    identity = await registered(provider, email, password)
    assert await provider.authenticate(email, password) == identity
    assert await provider.authenticate(email, password[:-1]) is None
    assert await provider.authenticate(email, password + "x") is None


async def test_another_password_takes_the_place_of_the_old_one(provider: IdentityProvider):
    email = an_address()
    identity = await registered(provider, email)
    await provider.set_password(identity.subject, "another four words together")
    assert await provider.authenticate(email, PASSWORD) is None
    assert await provider.authenticate(email, "another four words together") == identity


async def test_an_address_is_found_with_its_identity(provider: IdentityProvider):
    email = an_address()
    assert await provider.find(email) is None
    identity, _ = await provider.register(email, PASSWORD, "Ada")
    assert await provider.find(email) == identity


async def test_nobody_is_verified_before_the_address_was_shown_to_be_theirs(provider: IdentityProvider):
    identity, _ = await provider.register(an_address(), PASSWORD, "Ada")
    assert not await provider.is_verified(identity.subject)
    await provider.mark_verified(identity)
    assert await provider.is_verified(identity.subject)
    await provider.mark_verified(identity)
    assert await provider.is_verified(identity.subject)


async def test_whom_an_administrator_makes_is_verified_and_comes_in(provider: IdentityProvider):
    email = an_address()
    identity, is_new = await provider.create(email, PASSWORD, "Ada")
    assert is_new
    assert await provider.is_verified(identity.subject)
    assert await provider.authenticate(email, PASSWORD) == identity
    assert await provider.create(email, "a password of somebody else", "Mallory") == (identity, False)
    assert await provider.authenticate(email, "a password of somebody else") is None


async def test_making_somebody_who_registered_verifies_no_address(provider: IdentityProvider):
    email = an_address()
    identity, _ = await provider.register(email, PASSWORD, "Ada")
    assert await provider.create(email, PASSWORD, "Ada") == (identity, False)
    assert not await provider.is_verified(identity.subject)


async def test_a_hash_of_another_system_lets_its_person_in(provider: IdentityProvider):
    email = an_address()
    known_hash = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    identity, is_new = await provider.take_over(email, "Ada", known_hash)
    assert is_new
    assert await provider.is_verified(identity.subject)
    assert await provider.authenticate(email, PASSWORD) == identity
    assert await provider.authenticate(email, PASSWORD + "x") is None


async def test_no_other_kind_of_hash_is_taken(provider: IdentityProvider):
    email = an_address()
    with pytest.raises(ValueError, match="neither"):
        await provider.take_over(email, "Ada", "5f4dcc3b5aa765d61d8327deb882cf99")
    assert await provider.find(email) is None


async def test_who_was_let_in_is_let_in_again_and_nobody_else(provider: IdentityProvider):
    identity = await registered(provider, an_address())
    assert await provider.lets_in(identity.subject)
    assert not await provider.lets_in("00000000-0000-4000-8000-000000000000")


async def test_a_subject_of_nobody_is_not_verified_and_nothing_happens_to_it(provider: IdentityProvider):
    nobody = "00000000-0000-4000-8000-000000000000"
    await provider.set_password(nobody, "another four words together")
    await provider.mark_verified(Identity(nobody, "nobody@example.org", "Nobody"))
    assert not await provider.is_verified(nobody)


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
