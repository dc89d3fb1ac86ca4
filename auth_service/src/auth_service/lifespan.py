"""What lives as long as the service does."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager

from fastapi import FastAPI

from auth_service.api_keys.pepper import Pepper
from auth_service.api_keys.service import ApiKeys
from auth_service.attestations.service import Attestations
from auth_service.first_boot.seeding import FirstBoot
from auth_service.keys.key_file import load_key_file
from auth_service.keys.metadata import token_endpoint
from auth_service.keys.rotation import KeyRotation
from auth_service.keys.signing_keys import SigningKeys
from auth_service.limits.failures import Failures
from auth_service.limits.service import Limits
from auth_service.machines.service import Machines
from auth_service.mail.mailer import mailer_of
from auth_service.mail.post_office import PostOffice
from auth_service.oidc.service import OidcLogins
from auth_service.own_identity import OwnIdentity
from auth_service.parts import Parts
from auth_service.people.choosing import identity_provider
from auth_service.people.identity_provider import IdentityProvider
from auth_service.people.password_hasher import HashCost, PasswordHasher
from auth_service.people.passwords import Passwords
from auth_service.people.refreshing import Refreshing
from auth_service.people.service import People
from auth_service.personal_data.service import OWN, KeepsPersonalData, OwnData, PersonalDataService
from auth_service.personal_data.siblings import SiblingData
from auth_service.revocations.service import RevocationNews
from auth_service.schema import SCHEMA
from auth_service.settings import AuthSettings
from auth_service.storage import Storage
from auth_service.tokens.access_tokens import AccessTokens
from auth_service.tokens.exchange import Exchange
from auth_service.tokens.inspection import Inspection
from auth_service.tokens.service import Sessions
from auth_service.tokens.sweeping import Sweeping
from auth_service.users.administration import Administration
from auth_service.vault.control_plane.service import ControlPlane
from auth_service.vault.credentials.service import Credentials
from auth_service.vault.keeper import Cipher, MasterKeys
from auth_service.vault.opening import Vault
from auth_service.vault.rotation.service import Rewrapping, Rotation
from kgents_shared.contracts.path_table import load_path_table
from kgents_shared.db import Database
from kgents_shared.events import EventBus, OutboxRelay
from kgents_shared.http.background import BackgroundTasks
from kgents_shared.http.client import ServiceSession


def lifespan_of(
    settings: AuthSettings, keys: SigningKeys, own: OwnIdentity
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """The lifespan: it opens what this service owns, and waits for nobody."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        pepper = Pepper(settings.api_key_pepper_file or settings.signing_key_file.with_name("api-key-pepper"))
        key_file = await asyncio.to_thread(load_key_file, settings.signing_key_file)
        await asyncio.to_thread(pepper.load)
        url = settings.database_url.get_secret_value()
        nats_token = settings.nats_token.get_secret_value() if settings.nats_token is not None else None
        database = Database(url, pool_size=settings.database_pool_size)
        try:
            async with (
                AsyncExitStack() as stack,
                _hasher(settings) as hasher,
                EventBus(settings.nats_url, nats_token, name="auth") as bus,
                BackgroundTasks() as tasks,
            ):
                relay = OutboxRelay(url, SCHEMA, bus)
                provider = await stack.enter_async_context(identity_provider(settings, database, hasher))
                secret = settings.client_secret.get_secret_value()
                siblings = await stack.enter_async_context(ServiceSession(settings.auth_url, "auth", secret))
                storage = Storage(database, events_written=relay.wake, revoked=own.feed.wake)
                news = RevocationNews(storage, app.state.ending)
                parts = _wire(settings, keys, pepper, storage, provider, news, siblings)
                app.state.parts = own.parts = parts
                parts.key_rotation.give_file(key_file)
                stack.push_async_callback(parts.oidc.close)
                stack.push_async_callback(parts.vault.close)
                await parts.vault.open()
                app.state.database, app.state.password_hasher, app.state.event_bus = database, hasher, bus
                app.state.health_probes["database"] = database.answers
                app.state.health_probes["first_boot"] = parts.first_boot.answers
                app.state.health_probes["signing_keys"] = parts.key_rotation.answers
                app.state.health_probes["vault"] = parts.vault.answers
                tasks.start("auth first boot", parts.first_boot.run)
                tasks.start("auth signing keys", parts.key_rotation.run)
                tasks.start("auth outbox relay", relay.run)
                tasks.start("auth vault", parts.vault.run)
                tasks.start("auth mail", parts.post_office.run)
                tasks.start("auth uses of API keys", parts.api_keys.write_uses)
                tasks.start("auth failures", parts.failures.run)
                tasks.start("auth sweeping", Sweeping(parts.storage).run)
                tasks.start("auth erasing", parts.personal_data.run)
                yield
        finally:
            await database.close()

    return lifespan


def _hasher(settings: AuthSettings) -> PasswordHasher:
    cost = HashCost(settings.argon2_memory_kib, settings.argon2_rounds, settings.argon2_parallelism)
    return PasswordHasher(cost, threads=settings.argon2_threads, waiting=settings.argon2_waiting)


def _wire(
    settings: AuthSettings,
    keys: SigningKeys,
    pepper: Pepper,
    storage: Storage,
    provider: IdentityProvider,
    news: RevocationNews,
    siblings: ServiceSession,
) -> Parts:
    failures = Failures(storage)
    access_tokens = AccessTokens(keys, settings.issuer, settings.access_token_ttl_s)
    sessions = Sessions(access_tokens, settings.refresh_token_ttl_s)
    verifies = settings.email_verification == "required"
    people = People(provider, sessions, verifies=verifies)
    targets = frozenset(load_path_table().services) | frozenset(settings.service_clients)
    machines = Machines(access_tokens, targets, frozenset({settings.issuer, token_endpoint(settings.issuer)}))
    master_keys = MasterKeys(settings)
    rewrapping = Rewrapping(storage, master_keys)
    credentials = Credentials(Cipher(master_keys))
    return Parts(
        settings=settings,
        keys=keys,
        key_rotation=KeyRotation(
            storage,
            keys,
            every_s=settings.signing_key_rotation_days * 86_400,
            token_lifetime_s=settings.access_token_ttl_s,
        ),
        storage=storage,
        limits=Limits(storage, settings, failures),
        failures=failures,
        revocation_news=news,
        people=people,
        passwords=Passwords(storage, provider, people, sessions),
        post_office=PostOffice(storage, provider, mailer_of(settings), place=settings.issuer, verifies=verifies),
        oidc=OidcLogins(settings.oidc_issuers, storage, people, place=settings.issuer),
        sessions=sessions,
        refreshing=Refreshing(storage, provider, sessions),
        administration=Administration(storage, provider, people, sessions),
        machines=machines,
        exchange=Exchange(access_tokens, machines),
        inspection=Inspection(sessions, settings.issuer),
        api_keys=ApiKeys(storage, pepper),
        attestations=Attestations(keys, settings.issuer),
        first_boot=FirstBoot(settings, storage, people, provider),
        vault=Vault(storage, master_keys, rewrapping),
        credentials=credentials,
        control_plane=ControlPlane(credentials),
        vault_rotation=Rotation(master_keys, rewrapping),
        personal_data=PersonalDataService(
            storage, sessions, _keepers(settings, storage, provider, siblings), settings.erase_again_after_s
        ),
    )


def _keepers(
    settings: AuthSettings, storage: Storage, provider: IdentityProvider, siblings: ServiceSession
) -> dict[str, KeepsPersonalData]:
    """Who keeps something of people: this service last, which knows until then whose it is."""
    urls = {
        "management": settings.management_url,
        "runtime": settings.runtime_url,
        "tools": settings.tools_url,
        "nl": settings.nl_url,
        "governance": settings.governance_url,
        "deployment": settings.deployment_url,
    }
    others = {name: SiblingData(siblings.client(url, name, own_connections=4)) for name, url in urls.items()}
    return {**others, OWN: OwnData(settings.database_url.get_secret_value(), storage, provider)}
