"""The rules of logging in through an issuer.

A login belongs to the browser that began it: its cookie holds a secret of which the database has the hash, and of which
nonce and PKCE verifier are made, so that neither a row nor a leaked address ends a login. Somebody is who they are by
(issuer, subject); an address joins nobody to anybody.
"""

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import structlog
from pydantic import TypeAdapter, ValidationError

from auth_service.oidc.id_tokens import Expected, IdTokenRefused, KeyUnknown, read_id_token
from auth_service.oidc.issuers import OidcIssuer
from auth_service.oidc.schemas import CameBack
from auth_service.people.identity_provider import Identity
from auth_service.people.schemas import NewAddress
from auth_service.people.service import People
from auth_service.storage import Storage
from auth_service.tokens.service import TokenGrant
from auth_service.users.schemas import shown_name
from kgents_shared.errors import Conflict, Forbidden, NotFound, Unauthenticated

if TYPE_CHECKING:
    from auth_service.oidc.issuer_client import IssuerClient

LIFETIME_S = 600
_SECRET_BYTES = 32
_ADDRESS = TypeAdapter[str](NewAddress)
_log = structlog.get_logger("auth.oidc")


class LoginRefused(Unauthenticated):
    """401, alike for whatever is wrong with what came back; the log has the reason."""

    def __init__(self, reason: str, *, code: str = "oidc_refused") -> None:
        super().__init__("This login can't be finished; begin it again.", code=code)
        _log.info("oidc_login_refused", reason=reason)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and the secret that it keeps meanwhile."""

    location: str
    browser_secret: str


class OidcLogins:
    """Logins through the issuers of the settings. `place` is the public address of this server."""

    def __init__(self, issuers: Mapping[str, OidcIssuer], storage: Storage, people: People, *, place: str) -> None:
        self._issuers = issuers
        self._storage = storage
        self._people = people
        self._place = place.rstrip("/")
        self._clients: dict[str, IssuerClient] = {}

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.close()

    async def begin(self, name: str) -> Begun:
        """A login at the issuer of that name. Raises NotFound, Unavailable."""
        issuer = self._issuer(name)
        metadata = await (await self._client(name)).metadata()
        state, browser_secret = secrets.token_urlsafe(_SECRET_BYTES), secrets.token_urlsafe(_SECRET_BYTES)
        async with self._storage.transaction() as work:
            hashes = _digest(state), _digest(browser_secret)
            await work.oidc_attempts.add(name, *hashes, lifetime_s=LIFETIME_S)
        challenge = hashlib.sha256(_made_of(browser_secret, "verifier", state).encode()).digest()
        query = {
            "response_type": "code",
            "client_id": issuer.client_id,
            "redirect_uri": self._redirect_uri(name),
            "scope": " ".join(issuer.scopes),
            "state": state,
            "nonce": _made_of(browser_secret, "nonce", state),
            "code_challenge": _base64url(challenge),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return Begun(f"{metadata.authorization_endpoint}{joint}{urlencode(query)}", browser_secret)

    async def finish(self, name: str, browser_secret: str | None, came: CameBack) -> TokenGrant:
        """Tokens of ours for whoever the issuer says it is.

        Raises NotFound, LoginRefused, Forbidden, Conflict, Unavailable.
        """
        issuer = self._issuer(name)
        if browser_secret is None or came.state is None:
            raise LoginRefused("no cookie or no state")
        async with self._storage.transaction() as work:
            if not await work.oidc_attempts.use(name, _digest(came.state), _digest(browser_secret)):
                raise LoginRefused("the state is unknown, used, too old, or of another browser or issuer")
        client = await self._client(name)
        must_name_itself = (await client.metadata()).authorization_response_iss_parameter_supported
        if came.iss != issuer.issuer and (must_name_itself or came.iss is not None):
            raise LoginRefused("another issuer answered")
        if came.error is not None or came.code is None:
            raise LoginRefused("the issuer let nobody in", code="oidc_denied")
        return await self._let_in(name, *await self._claims(name, client, browser_secret, came.state, came.code))

    async def _claims(
        self, name: str, client: "IssuerClient", browser_secret: str, state: str, code: str
    ) -> tuple[dict[str, Any], str]:
        """What the ID token says, and the access token that came with it."""
        from auth_service.oidc.issuer_client import CodeRefused  # noqa: PLC0415 -- imported by now

        issuer = self._issuers[name]
        verifier = _made_of(browser_secret, "verifier", state)
        expected = Expected(issuer.issuer, issuer.client_id, _made_of(browser_secret, "nonce", state))
        try:
            issued = await client.exchange(code, verifier=verifier, redirect_uri=self._redirect_uri(name))
            try:
                claims = read_id_token(issued.id_token, await client.keys(), expected)
            except KeyUnknown:
                claims = read_id_token(issued.id_token, await client.keys(newer=True), expected)
        except (CodeRefused, KeyUnknown, IdTokenRefused) as error:
            raise LoginRefused(f"{type(error).__name__}: {error}") from error
        return claims, issued.access_token

    async def _let_in(self, name: str, claims: Mapping[str, Any], access_token: str) -> TokenGrant:
        provider, subject = f"oidc:{name}", str(claims["sub"])
        async with self._storage.transaction() as work:
            user_id = await work.users.id_of(provider, subject)
            user = None if user_id is None else await work.users.find(user_id)
            if user is not None:
                return await self._people.let_in(work, user, scope=None)
        identity = await self._newcomer(name, claims, access_token)
        async with self._storage.transaction() as work:
            await work.users.lock_address(identity.email)
            is_known = await work.users.id_of(provider, subject) is not None
            if not is_known and await work.users.ids_of({identity.email}):
                raise Conflict(
                    "There is somebody with this address already: log in as you did before, or ask an administrator.",
                    code="address_taken",
                )
            user = await self._people.known(work, identity, provider=provider)
            return await self._people.let_in(work, user, scope=None)

    async def _newcomer(self, name: str, claims: Mapping[str, Any], access_token: str) -> Identity:
        """Somebody's address and name, from the ID token, else from the userinfo endpoint."""
        said = claims
        if "email" not in claims:
            told = await (await self._client(name)).userinfo(access_token)
            # OpenID Connect Core §5.3.2: else it is somebody else's.
            if told is not None and told.get("sub") == claims["sub"]:
                said = told
        try:
            email = _ADDRESS.validate_python(said.get("email"), strict=True)
        except ValidationError as error:
            raise Forbidden("The issuer doesn't say which address is yours.", code="address_missing") from error
        # Some issuers send the word, not the value.
        verified = said.get("email_verified")
        if verified is not True and verified != "true" and not self._issuers[name].trusts_addresses:
            raise Forbidden("The issuer hasn't verified that this address is yours.", code="email_not_verified")
        given = said.get("name") or said.get("preferred_username")
        return Identity(str(claims["sub"]), email, shown_name(given, email))

    def _issuer(self, name: str) -> OidcIssuer:
        issuer = self._issuers.get(name)
        if issuer is None:
            raise NotFound("There is no such issuer here.", code="no_such_issuer")
        return issuer

    async def _client(self, name: str) -> "IssuerClient":
        if name not in self._clients:
            await asyncio.to_thread(import_module, "auth_service.oidc.issuer_client")
            from auth_service.oidc.issuer_client import IssuerClient  # noqa: PLC0415 -- see the module's text

            if name not in self._clients:
                self._clients[name] = IssuerClient(name, self._issuers[name])
        return self._clients[name]

    def _redirect_uri(self, name: str) -> str:
        return f"{self._place}/api/v1/auth/oidc/{name}/callback"


def _made_of(browser_secret: str, what: str, state: str) -> str:
    """43 characters that only who has the browser's secret can make."""
    key = browser_secret.encode("utf-8", "surrogatepass")
    return _base64url(hmac.digest(key, f"{what} {state}".encode("utf-8", "surrogatepass"), "sha256"))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _digest(secret: str) -> bytes:
    """What is stored. Both are 256 random bits, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
