"""What holds for the service as a whole."""

import asyncio

from auth_service.main import SERVICE
from kgents_shared.auth import internal_routes_without_service, public_routes, route_scopes
from kgents_shared.db import migrations
from kgents_shared.http.service import installed_services
from kgents_shared.testing.polling import eventually
from tests.external.running_auth import RunningAuth
from tests.external.subscriptions import listening


def test_the_public_routes_are_these(auth: RunningAuth):
    assert public_routes(auth.app) == [
        "GET /.well-known/jwks.json",
        "GET /.well-known/oauth-authorization-server",
        "GET /api/v1/auth/oidc/{name}/callback",
        "GET /api/v1/auth/oidc/{name}/start",
        "GET /health",
        "POST /api/v1/auth/email/verify",
        "POST /api/v1/auth/email/verify/resend",
        "POST /api/v1/auth/introspect",
        "POST /api/v1/auth/login",
        "POST /api/v1/auth/password/reset",
        "POST /api/v1/auth/password/reset/confirm",
        "POST /api/v1/auth/refresh",
        "POST /api/v1/auth/register",
        "POST /api/v1/auth/revoke",
        "POST /api/v1/auth/token",
    ]


def test_the_other_routes_ask_for_a_token(auth: RunningAuth):
    assert set(route_scopes(auth.app)) == {
        "GET /api/v1/admin/erasures",
        "GET /api/v1/users/me/data",
        "POST /api/v1/users/me/erasure",
        "DELETE /api/v1/admin/assignments",
        "DELETE /api/v1/admin/roles/{role}",
        "GET /api/v1/admin/assignments",
        "GET /api/v1/admin/permissions",
        "GET /api/v1/admin/roles",
        "GET /api/v1/admin/roles/{role}",
        "GET /api/v1/admin/users",
        "GET /api/v1/admin/users/{user_id}",
        "PATCH /api/v1/admin/users/{user_id}",
        "POST /api/v1/admin/assignments",
        "POST /api/v1/admin/roles",
        "POST /api/v1/admin/users",
        "PUT /api/v1/admin/roles/{role}",
        "DELETE /api/v1/admin/clients/{client_id}",
        "DELETE /api/v1/auth/clients/{client_id}",
        "DELETE /api/v1/auth/clients/{client_id}/secrets/{secret_id}",
        "GET /api/v1/admin/clients",
        "GET /api/v1/admin/clients/{client_id}",
        "GET /api/v1/auth/clients",
        "GET /api/v1/auth/clients/{client_id}",
        "PATCH /api/v1/admin/clients/{client_id}",
        "PATCH /api/v1/auth/clients/{client_id}",
        "POST /api/v1/auth/clients",
        "POST /api/v1/auth/clients/{client_id}/secrets",
        "DELETE /api/v1/organisations/{organisation}/members/{user_id}",
        "GET /api/v1/organisations",
        "GET /api/v1/organisations/{organisation}",
        "GET /api/v1/organisations/{organisation}/members",
        "PATCH /api/v1/organisations/{organisation}",
        "POST /api/v1/organisations",
        "POST /api/v1/organisations/{organisation}/join",
        "POST /api/v1/organisations/{organisation}/leave",
        "PUT /api/v1/admin/organisations/{organisation}/members/{user_id}",
        "PUT /api/v1/organisations/{organisation}/members/{user_id}",
        "POST /api/v1/auth/logout",
        "POST /api/v1/auth/password",
        "GET /api/v1/users/me",
        "GET /api/v1/users/me/api-keys",
        "POST /api/v1/users/me/api-keys",
        "DELETE /api/v1/users/me/api-keys/{key_id}",
        "PUT /api/v1/users/me",
        "DELETE /api/v1/credentials/{credential_ref}",
        "GET /api/v1/admin/vault",
        "GET /api/v1/cp/exchange-setup",
        "GET /api/v1/cp/platform-credentials",
        "GET /api/v1/credentials",
        "GET /api/v1/credentials/{credential_ref}",
        "GET /api/v1/credentials/{credential_ref}/uses",
        "POST /api/v1/admin/vault/rotate",
        "POST /api/v1/credentials",
        "POST /api/v1/credentials/{credential_ref}/rotate",
        "PUT /api/v1/cp/exchange-setup",
        "PUT /api/v1/cp/platform-credentials",
    }
    assert internal_routes_without_service(auth.app) == []


async def test_the_migrations_and_the_models_agree(auth: RunningAuth):
    url = auth.settings.database_url.get_secret_value()
    await asyncio.to_thread(migrations.check, SERVICE, url)
    assert await asyncio.to_thread(migrations.is_current, SERVICE, url)


def test_the_host_finds_the_service_by_its_entry_point():
    assert installed_services()["auth"] is SERVICE


async def test_the_openapi_document_tells_of_the_forms_fields_and_of_no_secret_default(auth: RunningAuth):
    document = (await auth.client.get("/openapi.json")).json()
    form = document["paths"]["/api/v1/auth/token"]["post"]["requestBody"]["content"]
    assert "audience" in form["application/x-www-form-urlencoded"]["schema"]["properties"]
    assert document["components"]["schemas"]["Login"]["additionalProperties"] is False


async def test_who_came_and_who_logged_in_is_told_without_addresses(auth: RunningAuth):
    jetstream = await auth.app.state.event_bus.jetstream()
    subscription = await listening(jetstream, "kgents.identity.user.*")
    email = await auth.register()
    await auth.register(email)
    await auth.log_in(email)
    user_id = str((await auth.rows("SELECT id FROM identity.users WHERE email = :email", email=email))[0][0])
    told: list[tuple[str, str]] = []

    async def all_were_told() -> bool:
        for message in await subscription.fetch(100, timeout=1):
            told.append((message.subject.rsplit(".", 1)[1], message.data.decode()))
            await message.ack()
        return len([body for _, body in told if user_id in body]) >= 3

    await eventually(all_were_told, retry_on=(TimeoutError,))
    mine = [kind for kind, body in told if user_id in body]
    assert mine == ["registered", "registration_repeated", "logged_in"]
    assert email not in "".join(body for _, body in told)
