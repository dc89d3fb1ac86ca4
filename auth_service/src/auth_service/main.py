"""The app of this service, and what it is to whoever runs it."""

from fastapi import FastAPI

from auth_service.api_keys.endpoints import internal_router as resolve_api_key_router
from auth_service.api_keys.endpoints import router as api_keys_router
from auth_service.applications.admin_endpoints import router as clients_admin_router
from auth_service.applications.endpoints import router as clients_router
from auth_service.attestations.endpoints import internal_router as attestations_router
from auth_service.keys.endpoints import router as keys_router
from auth_service.keys.signing_keys import SigningKeys
from auth_service.lifespan import lifespan_of
from auth_service.oidc.endpoints import router as oidc_router
from auth_service.organisations.endpoints import admin_router as organisations_admin_router
from auth_service.organisations.endpoints import router as organisations_router
from auth_service.own_identity import OwnIdentity
from auth_service.people.account_endpoints import router as accounts_router
from auth_service.people.endpoints import router as people_router
from auth_service.personal_data.endpoints import router as personal_data_router
from auth_service.revocations.endpoints import internal_router as revocations_router
from auth_service.roles.endpoints import router as roles_router
from auth_service.schema import SCHEMA
from auth_service.settings import AuthSettings
from auth_service.tokens.endpoints import router as tokens_router
from auth_service.tokens.inspection_endpoints import router as inspection_router
from auth_service.tokens.oauth_errors import OAuthError, on_oauth_error
from auth_service.users.admin_endpoints import router as people_admin_router
from auth_service.users.endpoints import internal_router as people_standing_router
from auth_service.users.endpoints import router as users_router
from auth_service.vault.control_plane.endpoints import router as control_plane_router
from auth_service.vault.credentials.endpoints import internal_router as resolve_router
from auth_service.vault.credentials.endpoints import router as credentials_router
from auth_service.vault.rotation.endpoints import router as vault_router
from kgents_shared.auth import IdentitySource
from kgents_shared.http.app import ServiceFrame, build_service_app
from kgents_shared.http.service import ServiceDefinition

NAME = "auth"
# The largest body is a registration.
_MAX_BODY_BYTES = 64 * 1024


def create_app(settings: AuthSettings | None = None) -> FastAPI:
    """The service's app. It verifies tokens by its own keys and tables."""
    # The values come from the environment, which the type checker can't see.
    used = settings or AuthSettings()  # pyright: ignore[reportCallIssue]
    signing_keys, own = SigningKeys(), OwnIdentity()
    app = build_service_app(
        ServiceFrame(
            name=NAME,
            title="Kgents auth",
            settings=used,
            lifespan=lifespan_of(used, signing_keys, own),
            routers=[
                people_router,
                accounts_router,
                oidc_router,
                tokens_router,
                inspection_router,
                clients_router,
                clients_admin_router,
                users_router,
                people_standing_router,
                roles_router,
                people_admin_router,
                organisations_router,
                organisations_admin_router,
                api_keys_router,
                resolve_api_key_router,
                revocations_router,
                keys_router,
                attestations_router,
                credentials_router,
                resolve_router,
                control_plane_router,
                vault_router,
                personal_data_router,
            ],
            identity=IdentitySource(own, own.feed, own),
            max_body_bytes=_MAX_BODY_BYTES,
        )
    )
    app.add_exception_handler(OAuthError, on_oauth_error)
    return app


SERVICE = ServiceDefinition(
    name=NAME, package="auth_service", schema=SCHEMA, settings_type=AuthSettings, create_app=create_app
)
