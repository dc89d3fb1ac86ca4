"""What is asked of one issuer over HTTP: what it is (discovery), its keys, tokens for a code, and who somebody is.

Imported when the first person comes, so that no start waits for the HTTP library.
"""

import asyncio
import json
import time
from http import HTTPStatus
from typing import Annotated, Any, cast
from urllib.parse import quote_plus

import httpx
import structlog
from pydantic import BaseModel, Field, ValidationError

from auth_service.oidc.issuers import OidcIssuer, is_loopback
from kgents_shared.errors import Unavailable

_TIMEOUT_S = 10.0
_LARGEST_ANSWER = 1024 * 1024
_KEPT_S = 3600.0
# After a discovery that failed: strangers who knock don't make us knock as often.
_FAILED_S = 2.0
_MOST_KEYS = 100
_log = structlog.get_logger("auth.oidc")
_Address = Annotated[str, Field(max_length=2000)]


class IssuerMetadata(BaseModel):
    """What of the discovery document is used (OpenID Connect Discovery §3, RFC 9207 §3)."""

    issuer: str
    authorization_endpoint: _Address
    token_endpoint: _Address
    jwks_uri: _Address
    userinfo_endpoint: _Address | None = None
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]
    authorization_response_iss_parameter_supported: bool = False


class IssuedTokens(BaseModel):
    """What a code was exchanged for."""

    id_token: Annotated[str, Field(max_length=100_000)]
    access_token: Annotated[str, Field(max_length=100_000)]


class _Keys(BaseModel):
    keys: Annotated[list[dict[str, Any]], Field(max_length=_MOST_KEYS)]


class CodeRefused(Exception):
    """The issuer gives nothing for a code."""


class IssuerClient:
    """One issuer. What it says of itself is kept for an hour."""

    def __init__(self, name: str, issuer: OidcIssuer) -> None:
        self._name = name
        self._issuer = issuer
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)
        self._metadata: tuple[float, IssuerMetadata] | None = None
        self._keys: tuple[float, list[dict[str, Any]]] | None = None
        self._failed_at: float | None = None
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def metadata(self) -> IssuerMetadata:
        """What the issuer says of itself. Raises `Unavailable`."""
        async with self._lock:
            if self._metadata is None or self._metadata[0] < time.monotonic() - _KEPT_S:
                if self._failed_at is not None and self._failed_at > time.monotonic() - _FAILED_S:
                    raise self._away("its discovery failed a moment ago")
                try:
                    self._metadata = time.monotonic(), await self._discover()
                except Unavailable:
                    self._failed_at = time.monotonic()
                    raise
            return self._metadata[1]

    async def keys(self, *, newer: bool = False) -> list[dict[str, Any]]:
        """The issuer's public keys; with `newer` they are asked for again. Raises `Unavailable`."""
        metadata = await self.metadata()
        async with self._lock:
            if newer or self._keys is None or self._keys[0] < time.monotonic() - _KEPT_S:
                body = await self._ok("GET", metadata.jwks_uri)
                try:
                    self._keys = time.monotonic(), _Keys.model_validate(body).keys
                except ValidationError as error:
                    raise self._away("its keys can't be read") from error
            return self._keys[1]

    async def exchange(self, code: str, *, verifier: str, redirect_uri: str) -> IssuedTokens:
        """The tokens for a code (RFC 6749 §4.1.3, RFC 7636 §4.5). Raises `CodeRefused`, `Unavailable`."""
        metadata = await self.metadata()
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form["code_verifier"] = verifier
        auth: httpx.BasicAuth | None = None
        secret = self._issuer.client_secret
        if secret is not None and "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            auth = _basic(self._issuer.client_id, secret.get_secret_value())
        else:
            form["client_id"] = self._issuer.client_id
            if secret is not None:
                form["client_secret"] = secret.get_secret_value()
        status, body = await self._ask("POST", metadata.token_endpoint, data=form, auth=auth)
        if status in {400, 401, 403}:
            error = body.get("error")
            if error == "invalid_client" or status == HTTPStatus.UNAUTHORIZED:
                raise self._away("it refuses us: client_id or client_secret in AUTH_OIDC_ISSUERS is wrong")
            raise CodeRefused(str(error)[:100])
        if status != HTTPStatus.OK:
            raise self._away(f"its token endpoint answered {status}")
        try:
            return IssuedTokens.model_validate(body)
        except ValidationError as error:
            raise self._away("what it gives for a code has no ID token in it") from error

    async def userinfo(self, access_token: str) -> dict[str, Any] | None:
        """What the issuer says of the person at its userinfo endpoint; None where it has none. Raises `Unavailable`."""
        address = (await self.metadata()).userinfo_endpoint
        if address is None:
            return None
        return await self._ok("GET", address, headers={"Authorization": f"Bearer {access_token}"})

    async def _discover(self) -> IssuerMetadata:
        body = await self._ok("GET", self._issuer.issuer.removesuffix("/") + "/.well-known/openid-configuration")
        try:
            found = IssuerMetadata.model_validate(body)
        except ValidationError as error:
            raise self._away("its discovery document can't be read") from error
        if found.issuer != self._issuer.issuer:
            raise self._away("its discovery document names another issuer than AUTH_OIDC_ISSUERS")
        addresses = [found.authorization_endpoint, found.token_endpoint, found.jwks_uri, found.userinfo_endpoint]
        for address in addresses:
            is_fine = address is None or address.startswith("https://")
            if not is_fine and not (is_loopback(self._issuer.issuer) and is_loopback(address or "")):
                raise self._away("its discovery document names an address without TLS")
        return found

    async def _ok(self, method: str, address: str, **request: Any) -> dict[str, Any]:
        status, body = await self._ask(method, address, **request)
        if status != HTTPStatus.OK:
            raise self._away(f"{httpx.URL(address).path} answered {status}")
        return body

    async def _ask(self, method: str, address: str, **request: Any) -> tuple[int, dict[str, Any]]:
        """The status, and the JSON object that came with it. No redirect is followed: our secret goes along."""
        try:
            async with asyncio.timeout(_TIMEOUT_S), self._http.stream(method, address, **request) as answer:
                content = b""
                async for part in answer.aiter_bytes():
                    content += part
                    if len(content) > _LARGEST_ANSWER:
                        raise self._away("its answer is too large")
                body: Any = json.loads(content)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            raise self._away(type(error).__name__) from error
        if not isinstance(body, dict):
            raise self._away("its answer is no JSON object")
        return answer.status_code, cast("dict[str, Any]", body)

    def _away(self, reason: str) -> Unavailable:
        _log.warning("oidc_issuer_away", issuer_name=self._name, reason=reason)
        return Unavailable("The issuer can't be asked right now; begin this login again.", code="issuer_away")


def _basic(client_id: str, secret: str) -> httpx.BasicAuth:
    """RFC 6749 §2.3.1: both are form-encoded first."""
    return httpx.BasicAuth(quote_plus(client_id), quote_plus(secret))
