"""The identity provider that the settings name. The library of another one is never imported."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib import import_module

from auth_service.people.identity_provider import IdentityProvider
from auth_service.people.local_provider import LocalIdentityProvider
from auth_service.people.password_hasher import PasswordHasher
from auth_service.people.repository import LocalAccounts
from auth_service.settings import AuthSettings
from kgents_shared.db import Database


@asynccontextmanager
async def identity_provider(
    settings: AuthSettings, database: Database, hasher: PasswordHasher
) -> AsyncGenerator[IdentityProvider]:
    """The provider while the block lasts. It asks nobody anything yet."""
    if settings.identity_provider == "local":
        yield LocalIdentityProvider(LocalAccounts(database), hasher)
        return
    url, anon_key, service_role_key = settings.supabase()
    await asyncio.to_thread(import_module, "auth_service.people.supabase_provider")
    from auth_service.people.supabase_provider import SupabaseIdentityProvider  # noqa: PLC0415 -- takes half a second

    provider = SupabaseIdentityProvider(url, anon_key, service_role_key)
    try:
        yield provider
    finally:
        await provider.close()
