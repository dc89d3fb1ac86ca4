"""The MCP specification's authorization flow, by the SDK's provider: discovery (RFC 9728, 8414), registration
(RFC 7591), PKCE, tokens for this server alone (RFC 8707).

The SDK's provider waits within one request for the person to come back. Here the flow stops where the person is sent
away, and what it knows by then is kept, so that the answer may come to another process, or after a restart. Every
request goes through the client that checks addresses, and none follows a redirect to another origin.
"""

from __future__ import annotations

import logging
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode, urlsplit

import httpx
from mcp.client.auth import (
    OAuthClientProvider,
    OAuthFlowError,
    OAuthRegistrationError,
    OAuthTokenError,
    PKCEParameters,
)
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.auth.utils import issuers_match
from mcp.client.streamable_http import MCP_PROTOCOL_VERSION
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from mcp.types import LATEST_PROTOCOL_VERSION
from pydantic import AnyUrl, ValidationError

from tool_registry_service.authorization.kept import KeptAuthorization, Pending
from tool_registry_service.authorization.state import state_hash
from tool_registry_service.errors import AuthorizationFault, AuthorizationRefused

if TYPE_CHECKING:
    from collections.abc import Callable

_METHODS = ("client_secret_post", "client_secret_basic", "none")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")
_STATUS = re.compile(r"\b[1-5]\d\d\b")
# It logs what a token endpoint answered, which may have in it what was sent.
logging.getLogger("mcp.client.auth").setLevel(logging.CRITICAL)
_PROBE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": LATEST_PROTOCOL_VERSION,
        "capabilities": {},
        "clientInfo": {"name": "kgents", "version": "0.1.0"},
    },
}


@dataclass(frozen=True, slots=True)
class GivenClient:
    """A client that the owner registered at the authorization server `issuer`."""

    issuer: str
    client_id: str
    client_secret: str | None


@dataclass(frozen=True, slots=True)
class FlowSetup:
    """What the flow is about. `may_be_plain` says whether an endpoint may do without TLS."""

    server_url: str
    redirect_uri: str
    may_be_plain: Callable[[str, int], bool]
    given: GivenClient | None = None
    scope: str | None = None


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the person, and what their answer is held against."""

    kept: KeptAuthorization
    authorization_url: str
    state: str


class _Memory:
    """The SDK's storage: nothing is stored before the flow is over."""

    def __init__(self, client: OAuthClientInformationFull | None = None, tokens: OAuthToken | None = None) -> None:
        self.client = client
        self.tokens = tokens

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class _PersonsFlow(OAuthClientProvider):
    """The flow until the person is sent away (`begun`), and from their answer on."""

    def __init__(self, setup: FlowSetup, memory: _Memory) -> None:
        wanted = OAuthClientMetadata(redirect_uris=[AnyUrl(setup.redirect_uri)], client_name="Kgents")
        super().__init__(setup.server_url, wanted, memory)
        self._setup = setup
        self.stop = httpx.Request("GET", setup.server_url)
        self.begun: Begun | None = None

    def _select_authorization_server(self, advertised: list[str]) -> str:
        given = self._setup.given
        if given is None:
            return super()._select_authorization_server(advertised)
        for server in advertised:
            if issuers_match(server, given.issuer):
                return server
        raise OAuthFlowError(f"The server names other authorization servers than {given.issuer}")

    def _expected_issuer(self) -> str:
        # Asked right before we register: by then it is known how the token endpoint wants to be shown who we are.
        found = self.context.oauth_metadata
        offered = (found and found.token_endpoint_auth_methods_supported) or ["client_secret_basic"]
        method = next((name for name in _METHODS if name in offered), None)
        self.context.client_metadata.token_endpoint_auth_method = cast("Any", method)
        return super()._expected_issuer()

    async def _perform_authorization(self) -> httpx.Request:
        client, metadata = self.context.client_info, self.context.oauth_metadata
        if client is None or not client.client_id or metadata is None:
            raise OAuthFlowError("The server's authorization server does not say where it is")
        if "S256" not in (metadata.code_challenge_methods_supported or ()):
            raise OAuthFlowError("The authorization server does not support PKCE with S256")
        if client.client_secret and client.token_endpoint_auth_method is None:
            client.token_endpoint_auth_method = self.context.client_metadata.token_endpoint_auth_method
        pkce, state = PKCEParameters.generate(), secrets.token_urlsafe(32)
        scope = self._setup.scope or self.context.client_metadata.scope
        asked = {
            "response_type": "code",
            "client_id": client.client_id,
            "redirect_uri": self._setup.redirect_uri,
            "state": state,
            "code_challenge": pkce.code_challenge,
            "code_challenge_method": "S256",
            "resource": self.context.get_resource_url(),
        } | ({"scope": scope} if scope else {})
        kept = KeptAuthorization(
            client=client, metadata=metadata, resource=self.context.protected_resource_metadata, scope=scope,
            pending=Pending(state_hash=state_hash(state), verifier=pkce.code_verifier),
        )  # fmt: skip
        endpoint = str(metadata.authorization_endpoint)
        url = f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(asked)}"
        self.begun = Begun(kept, url, state)
        return self.stop

    async def exchange(self, code: str, verifier: str) -> httpx.Request:
        """The request that turns a code into tokens."""
        return await self._exchange_token_authorization_code(code, verifier)

    async def refresh(self) -> httpx.Request:
        """The request that turns a refresh token into tokens."""
        return await self._refresh_token()

    @classmethod
    def from_kept(cls, setup: FlowSetup, kept: KeptAuthorization) -> _PersonsFlow:
        """The flow, as far as it was."""
        flow = cls(setup, _Memory())
        flow.context.client_info = kept.client
        flow.context.oauth_metadata = kept.metadata
        flow.context.protected_resource_metadata = kept.resource
        flow.context.current_tokens = kept.tokens
        flow.context.protocol_version = LATEST_PROTOCOL_VERSION
        return flow


async def begin(setup: FlowSetup, known: OAuthClientInformationFull | None, http: httpx.AsyncClient) -> Begun:
    """Find out where to send a person, as `known` if we are registered there already. Raises `AuthorizationFault`."""
    flow = _PersonsFlow(setup, _Memory(_client_of(setup, known)))
    await _drive(flow, setup, http, until=lambda: flow.begun is not None)
    if flow.begun is None:
        raise AuthorizationRefused("The server asks for no authorization.")
    _check_endpoints(setup, flow.begun.kept)
    if setup.given is not None and flow.begun.kept.client.client_id != setup.given.client_id:
        raise AuthorizationRefused(f"The server is not one of the authorization server {setup.given.issuer}.")
    return flow.begun


async def finish(setup: FlowSetup, kept: KeptAuthorization, code: str, http: httpx.AsyncClient) -> KeptAuthorization:
    """Turn the code that a person came back with into tokens. Raises `AuthorizationFault`."""
    assert kept.pending is not None  # noqa: S101 -- the answer was held against it
    request = await _PersonsFlow.from_kept(setup, kept).exchange(code, kept.pending.verifier)
    return kept.with_tokens(await _tokens(request, http))


async def refresh(setup: FlowSetup, kept: KeptAuthorization, http: httpx.AsyncClient) -> KeptAuthorization:
    """Other tokens for those that have run out. Raises `AuthorizationFault`."""
    if kept.tokens is None or kept.tokens.refresh_token is None:
        raise AuthorizationRefused("The authorization has run out.")
    return kept.with_tokens(await _tokens(await _PersonsFlow.from_kept(setup, kept).refresh(), http))


async def by_client_credentials(setup: FlowSetup, http: httpx.AsyncClient) -> KeptAuthorization:
    """Tokens of the owner's own client. Raises `AuthorizationFault`."""
    given = setup.given
    if given is None or given.client_secret is None:
        raise AuthorizationRefused("The credential of the server's client needs client_id and client_secret.")
    memory = _Memory()
    flow = ClientCredentialsOAuthProvider(
        setup.server_url, memory, given.client_id, given.client_secret, scopes=setup.scope, issuer=given.issuer
    )
    await _drive(flow, setup, http, until=lambda: memory.tokens is not None)
    context = flow.context
    if memory.tokens is None or context.client_info is None or context.oauth_metadata is None:
        raise AuthorizationRefused("The server asks for no authorization.")
    kept = KeptAuthorization(
        client=context.client_info, metadata=context.oauth_metadata, resource=context.protected_resource_metadata
    )
    return kept.with_tokens(memory.tokens)


async def _drive(
    flow: OAuthClientProvider, setup: FlowSetup, http: httpx.AsyncClient, until: Callable[[], bool]
) -> None:
    """Send what the provider's flow asks for, as httpx would, until it has come far enough."""
    headers = {"Accept": "application/json, text/event-stream", MCP_PROTOCOL_VERSION: LATEST_PROTOCOL_VERSION}
    probe = httpx.Request("POST", setup.server_url, json=_PROBE, headers=headers)
    asked = flow.async_auth_flow(probe)
    try:
        request = await anext(asked)
        while not until():
            request = await asked.asend(await _answer(request, http, setup, is_read=request is not probe))
    except StopAsyncIteration:
        return
    except OAuthFlowError as error:
        raise AuthorizationRefused(_told(error)) from None
    finally:
        await asked.aclose()


async def _answer(
    request: httpx.Request, http: httpx.AsyncClient, setup: FlowSetup, *, is_read: bool
) -> httpx.Response:
    if not _is_safe(str(request.url), setup):
        raise AuthorizationRefused(f"{request.url.host} would be asked without TLS.")
    try:
        response = await http.send(request, stream=True, follow_redirects=False)
        try:
            # What the server says to a probe that it lets in may have no end.
            if is_read or response.status_code >= 400:
                await response.aread()
        finally:
            await response.aclose()
    except httpx.HTTPError as error:
        raise AuthorizationFault(f"{request.url.host} can't be asked: {type(error).__name__}.") from error
    return response


async def _tokens(request: httpx.Request, http: httpx.AsyncClient) -> OAuthToken:
    try:
        response = await http.send(request, follow_redirects=False)
    except httpx.HTTPError as error:
        raise AuthorizationFault(f"{request.url.host} can't be asked: {type(error).__name__}.") from error
    if response.status_code >= 500 or response.status_code == 429:
        raise AuthorizationFault(f"{request.url.host} answered {response.status_code}.")
    if response.status_code != 200:
        raise AuthorizationRefused(f"{request.url.host} gave no tokens: {_error_code(response)}.")
    try:
        return OAuthToken.model_validate_json(response.content)
    except ValidationError:
        raise AuthorizationRefused(f"{request.url.host} answered with something that isn't a token.") from None


def _client_of(setup: FlowSetup, known: OAuthClientInformationFull | None) -> OAuthClientInformationFull | None:
    given = setup.given
    if given is None:
        return known
    return OAuthClientInformationFull(
        redirect_uris=[AnyUrl(setup.redirect_uri)], client_id=given.client_id, client_secret=given.client_secret,
        issuer=given.issuer, token_endpoint_auth_method="client_secret_basic" if given.client_secret else "none",
    )  # fmt: skip


def _check_endpoints(setup: FlowSetup, kept: KeptAuthorization) -> None:
    for endpoint in (kept.metadata.authorization_endpoint, kept.metadata.token_endpoint):
        if not _is_safe(str(endpoint), setup):
            raise AuthorizationRefused(f"{endpoint.host} would be reached without TLS.")


def _is_safe(url: str, setup: FlowSetup) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "https" or setup.may_be_plain(parts.hostname or "", parts.port or 80)


def _error_code(response: httpx.Response) -> str:
    """The `error` of RFC 6749 where there is one; nothing else of the answer is shown."""
    try:
        code = str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        code = ""
    return code if _ERROR_CODE.fullmatch(code) else f"it answered {response.status_code}"


def _told(error: OAuthFlowError) -> str:
    text = str(error)
    if isinstance(error, OAuthTokenError | OAuthRegistrationError):
        # What was answered is quoted there, and may have in it what was sent.
        status = _STATUS.search(text)
        what = "no tokens" if isinstance(error, OAuthTokenError) else "no registration"
        return f"The authorization server gave {what}{f': it answered {status[0]}' if status else ''}."
    return f"{text.partition(chr(10))[0][:200]}."
