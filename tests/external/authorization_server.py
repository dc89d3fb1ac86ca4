"""An OAuth 2.1 authorization server as the MCP specification wants one, and the MCP server that it guards.

It keeps what a client must keep to: registered redirect URIs, client authentication, PKCE with S256, codes and refresh
tokens that work once, a resource (RFC 8707) that tokens are for. It lets in whoever comes. Tests make it lie by
`metadata`, `resource` and `token_status`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlencode

import httpx
from aiohttp import web

from kgents_shared.testing.plain_http import PLAIN
from tests.external.wayward_mcp import WaywardServer, wayward_server

JsonObject = dict[str, Any]


@dataclass
class Grants:
    """What the server has given. Tokens are known by what they are for: `resource` and `client_id`."""

    clients: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    codes: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    tokens: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    refresh: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    used_refresh: set[str] = field(default_factory=set[str])
    asked: list[JsonObject] = field(default_factory=list[JsonObject])


@dataclass
class AuthorizationServer:
    """The running server and the MCP server that it guards."""

    issuer: str = ""
    mcp: WaywardServer = field(default_factory=WaywardServer)
    grants: Grants = field(default_factory=Grants)
    metadata: JsonObject = field(default_factory=dict[str, Any])
    resource: JsonObject = field(default_factory=dict[str, Any])
    expires_in: int = 3600
    token_status: int = 200

    def forget(self) -> None:
        """Be as at the start; the MCP server lets in who has a token for it."""
        self.grants, self.metadata, self.resource = Grants(), {}, {}
        self.expires_in, self.token_status = 3600, 200
        self.mcp.forget()
        self.mcp.let_in = self._guard

    def give_client(self, client_id: str, client_secret: str) -> None:
        """A client that somebody registered by hand."""
        self.grants.clients[client_id] = {"client_secret": client_secret, "redirect_uris": None}

    def expire(self) -> None:
        """No access token is good any more."""
        self.grants.tokens.clear()

    def _guard(self, request: web.Request) -> web.Response | None:
        held = self.grants.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if held is not None and held["resource"] == self.mcp.url:
            return None
        metadata = self.mcp.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")
        return web.Response(status=401, headers={"WWW-Authenticate": f'Bearer resource_metadata="{metadata}"'})

    async def protected_resource(self, _: web.Request) -> web.Response:
        """RFC 9728, told by the MCP server."""
        told = {"resource": self.mcp.url, "authorization_servers": [self.issuer], "scopes_supported": ["notes"]}
        return web.json_response(told | self.resource)

    async def about(self, _: web.Request) -> web.Response:
        """RFC 8414."""
        told = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "registration_endpoint": f"{self.issuer}/register",
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        }
        return web.json_response(told | self.metadata)

    async def register(self, request: web.Request) -> web.Response:
        """RFC 7591."""
        wanted = await request.json()
        client = {**wanted, "client_id": secrets.token_hex(8), "client_secret": secrets.token_hex(16)}
        self.grants.clients[client["client_id"]] = client
        return web.json_response(client, status=201)

    async def authorize(self, request: web.Request) -> web.Response:
        """Whoever comes agrees at once."""
        asked = dict(request.query)
        client = self.grants.clients.get(asked["client_id"])
        if client is None or asked["redirect_uri"] not in (client["redirect_uris"] or [asked["redirect_uri"]]):
            return web.Response(status=400)
        self.grants.asked.append(asked)
        code = secrets.token_hex(16)
        self.grants.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.issuer}
        return web.Response(status=302, headers={"Location": f"{asked['redirect_uri']}?{urlencode(back)}"})

    async def token(self, request: web.Request) -> web.Response:
        """RFC 6749."""
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.grants.asked.append(form)
        if self.token_status != 200:
            # A careless one repeats what it was sent.
            said = {"error": "temporarily_unavailable", "error_description": str(form) + str(dict(request.headers))}
            return web.json_response(said, status=self.token_status)
        client_id = self._client(request, form)
        if client_id is None:
            return web.json_response({"error": "invalid_client"}, status=401)
        resource = self._granted(form, client_id)
        if resource is None:
            return web.json_response({"error": "invalid_grant"}, status=400)
        given: JsonObject = {"access_token": secrets.token_hex(16), "token_type": "bearer"}
        given["expires_in"] = self.expires_in
        self.grants.tokens[given["access_token"]] = {"resource": resource, "client_id": client_id}
        if form["grant_type"] != "client_credentials":
            given["refresh_token"] = secrets.token_hex(16)
            self.grants.refresh[given["refresh_token"]] = {"resource": resource, "client_id": client_id}
        return web.json_response(given)

    def _client(self, request: web.Request, form: dict[str, str]) -> str | None:
        client_id, secret = form.get("client_id", ""), form.get("client_secret")
        basic = request.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            client_id, _, secret = base64.b64decode(basic.removeprefix("Basic ")).decode().partition(":")
            client_id, secret = unquote(client_id), unquote(secret)
        client = self.grants.clients.get(client_id)
        return client_id if client is not None and client["client_secret"] == secret else None

    def _granted(self, form: dict[str, str], client_id: str) -> str | None:
        """The resource that tokens are given for."""
        if form["grant_type"] == "client_credentials":
            return form.get("resource")
        if form["grant_type"] == "refresh_token":
            token = form["refresh_token"]
            if token in self.grants.used_refresh:
                self.grants.refresh.clear()
            held = self.grants.refresh.pop(token, None)
            self.grants.used_refresh.add(token)
            return held["resource"] if held is not None and held["client_id"] == client_id else None
        asked = self.grants.codes.pop(form["code"], None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if asked is None or base64.urlsafe_b64encode(digest).decode().rstrip("=") != asked["code_challenge"]:
            return None
        same = all(form.get(name) == asked.get(name) for name in ("client_id", "redirect_uri", "resource"))
        return asked["resource"] if same else None


async def agree(authorization_url: str) -> dict[str, str]:
    """Open an authorization's address as a browser does; what comes back to the platform."""
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as browser:
        answer = await browser.get(authorization_url)
    assert answer.status_code == 302, answer.text
    return dict(httpx.URL(answer.headers["Location"]).params)


@asynccontextmanager
async def authorization_server() -> AsyncGenerator[AuthorizationServer]:
    """Both servers, on the loopback."""
    server = AuthorizationServer()
    app = web.Application()
    app.router.add_routes(
        [
            web.get("/.well-known/oauth-authorization-server", server.about),
            web.post("/register", server.register),
            web.get("/authorize", server.authorize),
            web.post("/token", server.token),
        ]
    )
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    guarded = [web.get("/.well-known/oauth-protected-resource/mcp", server.protected_resource)]
    try:
        async with wayward_server(guarded) as server.mcp:
            server.forget()
            yield server
    finally:
        await runner.cleanup()
