"""Clients that others wrote, over HTTP: authlib's OAuth2 client, and PyJWT with nothing of ours."""

import asyncio
import warnings
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import jwt
import pytest
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import RSAAlgorithm

from kgents_shared.auth import JwksKeySource, TokenVerifier
from kgents_shared.auth import keys as key_source
from kgents_shared.testing.tokens import only_keys
from tests.external.app_clients import ACCESS_TOKEN, EXCHANGE, Caller, a_person, claims_of, let_exchange, the_admin
from tests.external.running_auth import ISSUER, RUNTIME_SECRET, RunningAuth
from tests.external.running_runtime import serving


@pytest.fixture(scope="module")
async def url(auth: RunningAuth) -> AsyncGenerator[str]:
    async with serving(auth.app, host="127.0.0.1", port=0, lifespan="off") as server:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


@pytest.fixture(scope="module")
async def ada(auth: RunningAuth) -> Caller:
    return await a_person(auth)


@asynccontextmanager
async def oauth_client(client_id: str, secret: Any, method: str) -> AsyncGenerator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the library says of its own parts is not ours
        client: Any = AsyncOAuth2Client(client_id, secret, token_endpoint_auth_method=method)
        async with client:
            yield client


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
async def test_authlib_gets_a_machines_token(url: str, ada: Caller, method: str):
    made = await ada.made(scopes=["agents:read"])
    async with oauth_client(made["client_id"], made["client_secret"], method) as client:
        token = await client.fetch_token(f"{url}/api/v1/auth/token", grant_type="client_credentials")
        assert (token["token_type"], token["scope"]) == ("Bearer", "agents:read")
        seen = await client.introspect_token(f"{url}/api/v1/auth/introspect", token=token["access_token"])
        assert seen.json()["active"] is True
        ended = await client.revoke_token(f"{url}/api/v1/auth/revoke", token=token["access_token"])
        assert (ended.status_code, ended.content) == (200, b"")
        seen = await client.introspect_token(f"{url}/api/v1/auth/introspect", token=token["access_token"])
        assert seen.json() == {"active": False}


async def test_authlib_gets_a_services_token_for_another_service(url: str):
    async with oauth_client("runtime", RUNTIME_SECRET, "client_secret_basic") as client:
        token = await client.fetch_token(f"{url}/api/v1/auth/token", grant_type="client_credentials", audience="tools")
    assert claims_of(token["access_token"])["aud"] == "tools"


async def test_authlib_signs_instead_of_showing_a_secret(url: str, ada: Caller):
    key = rsa.generate_private_key(65537, 2048)
    made = await ada.made(scopes=["agents:read"], jwks={"keys": [RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)]})
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    async with oauth_client(made["client_id"], pem, "private_key_jwt") as client:
        # The server stands at another address here than the one that it has by its settings.
        client.register_client_auth_method(PrivateKeyJWT(f"{ISSUER}/api/v1/auth/token"))
        token = await client.fetch_token(f"{url}/api/v1/auth/token", grant_type="client_credentials")
    assert claims_of(token["access_token"])["sub"] == made["client_id"]


async def test_authlib_refreshes_a_persons_session(auth: RunningAuth, url: str):
    ada = await a_person(auth)
    async with oauth_client("kgents-cli", None, "none") as client:
        token = await client.refresh_token(f"{url}/api/v1/auth/token", refresh_token=ada.refresh_token)
        assert token["refresh_token"] != ada.refresh_token
        assert claims_of(token["access_token"])["sub"] == ada.id
        ended = await client.revoke_token(f"{url}/api/v1/auth/revoke", token=token["refresh_token"])
        assert ended.status_code == 200
    again = await auth.token(grant_type="refresh_token", refresh_token=token["refresh_token"])
    assert again.json()["error"] == "invalid_grant"


async def test_authlib_acts_for_a_person(auth: RunningAuth, url: str, ada: Caller):
    made = await ada.made(scopes=["agents:read"])
    await let_exchange(await the_admin(auth), made["client_id"])
    async with oauth_client(made["client_id"], made["client_secret"], "client_secret_basic") as client:
        token = await client.fetch_token(
            f"{url}/api/v1/auth/token", grant_type=EXCHANGE, subject_token=ada.token, subject_token_type=ACCESS_TOKEN
        )
        assert token["issued_token_type"] == ACCESS_TOKEN
        me = await client.get(f"{url}/api/v1/users/me")
    assert me.json()["id"] == ada.id
    assert claims_of(token["access_token"])["act"] == {"sub": made["client_id"]}


async def test_pyjwt_verifies_our_tokens_by_the_published_keys(auth: RunningAuth, url: str, ada: Caller):
    metadata = (await auth.client.get("/.well-known/oauth-authorization-server")).json()
    keys = jwt.PyJWKClient(metadata["jwks_uri"].replace(ISSUER, url))
    bot = await auth.token(grant_type="client_credentials", client_id="runtime", client_secret=RUNTIME_SECRET,
                           audience="tools")  # fmt: skip
    for token, audience in ((ada.token, "kgents"), (bot.json()["access_token"], "tools")):
        key = await asyncio.to_thread(keys.get_signing_key_from_jwt, token)
        claims = jwt.decode(token, key, algorithms=["ES256"], audience=audience, issuer=metadata["issuer"])
        assert claims["iss"] == ISSUER
        with pytest.raises(jwt.InvalidAudienceError):
            jwt.decode(token, key, algorithms=["ES256"], audience="another", issuer=ISSUER)
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(token[:-8] + "AAAAAAAA", key, algorithms=["ES256"], audience=audience)


async def test_another_service_refuses_nobody_while_the_keys_change(
    auth: RunningAuth, url: str, monkeypatch: pytest.MonkeyPatch
):
    source = JwksKeySource(f"{url}/.well-known/jwks.json")
    email, rotation = await auth.register(), auth.parts.key_rotation

    async def works() -> str:
        """A token of this moment at the other service, which has cached nothing of it; the key that signed it."""
        token = (await auth.log_in(email))["access_token"]
        assert (await TokenVerifier(ISSUER, only_keys(source), "tools").verify(token)).subject
        return str(jwt.get_unverified_header(token)["kid"])

    try:
        first = await works()
        await rotation.rotate()
        assert await works() == first
        # Its cache is old, as it will be before the new key signs: it looks again, and knows both.
        monkeypatch.setattr(key_source, "UNKNOWN_KID_PAUSE_S", 0.0)
        monkeypatch.setattr(key_source, "REFRESH_AFTER_S", -1.0)
        assert await works() == first
        monkeypatch.setattr(key_source, "REFRESH_AFTER_S", 300.0)
        await auth.run("UPDATE identity.signing_keys SET signs_from = now() WHERE sealed IS NOT NULL")
        await rotation.follow()
        # It may ask for nothing more now: the new key is known before its first token comes.
        monkeypatch.setattr(key_source, "UNKNOWN_KID_PAUSE_S", 3600.0)
        second = await works()
        assert second != first
        # And one that comes without notice, as after an accident with a key, is asked for.
        monkeypatch.setattr(key_source, "UNKNOWN_KID_PAUSE_S", 0.0)
        await rotation.rotate(in_s=0)
        assert await works() not in {first, second}
    finally:
        async with auth.parts.storage.transaction() as work:
            made = [key.kid for key in await work.signing_keys.all() if key.sealed is not None]
            await work.signing_keys.delete(made)
        await rotation.follow()
