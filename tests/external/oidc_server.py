"""A server that is an OpenID Connect issuer over HTTP: discovery, keys, authorization, token and userinfo endpoints.

It lets in whoever comes, as the person in `claims`, and keeps what a client must keep to: registered redirect URIs,
client authentication, PKCE with S256, codes that work once. Tests make it lie by `sign`, `claims` and `metadata`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

CLIENT_ID = "kgents at acme"
CLIENT_SECRET = "a secret with: + and %"


class Key:
    """A key pair of the issuer's."""

    def __init__(self, kid: str) -> None:
        self.kid = kid
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> dict[str, Any]:
        """As it stands in the JWKS."""
        algorithm = ECAlgorithm(ECAlgorithm.SHA256)
        shown = algorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**shown, "kid": self.kid, "alg": "ES256", "use": "sig"}

    def sign(self, claims: dict[str, Any], **header: Any) -> str:
        """An ID token."""
        return jwt.encode(claims, self.private, "ES256", headers={"kid": self.kid, **header})


@dataclass
class OidcState:
    """What the server holds, and how it lies. `claims` go into ID tokens (None leaves one out)."""

    redirect_uris: set[str] = field(default_factory=set[str])
    key: Key = field(default_factory=lambda: Key("first"))
    keys: list[dict[str, Any]] | None = None
    claims: dict[str, Any] = field(default_factory=dict[str, Any])
    userinfo: dict[str, Any] = field(default_factory=dict[str, Any])
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    sign: Callable[[dict[str, Any]], str] | None = None
    # What a path is answered instead.
    instead: dict[str, tuple[int, bytes]] = field(default_factory=dict[str, tuple[int, bytes]])
    codes: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    calls: list[str] = field(default_factory=list[str])
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def somebody(self, **claims: Any) -> dict[str, Any]:
        """Somebody new logs in from now on; the claims of theirs that were set."""
        subject = secrets.token_hex(8)
        self.claims = {"sub": subject, "email": f"{subject}@example.org", "email_verified": True, "name": "Ada"}
        self.claims |= claims
        return self.claims


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one piece: else the second waits for the first to be acknowledged.
    wbufsize = 65_536
    state: OidcState

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        split = urlsplit(self.path)
        with self.state.lock:
            self.state.calls.append(split.path)
            if split.path in self.state.instead:
                self._answer(*self.state.instead[split.path])
                return
            query = {name: values[0] for name, values in parse_qs(split.query).items()}
            form = {name: values[0] for name, values in parse_qs(body).items()}
            match split.path:
                case "/.well-known/openid-configuration":
                    self._json(200, self._metadata())
                case "/jwks":
                    self._json(200, {"keys": self.state.keys or [self.state.key.public]})
                case "/authorize":
                    self._authorize(query)
                case "/token":
                    self._json(*self._token(form))
                case "/userinfo":
                    is_known = self.headers.get("authorization", "").startswith("Bearer access-")
                    self._json(200 if is_known else 401, self.state.userinfo)
                case _:
                    self._json(404, {})

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's own name
        """Say nothing."""

    def _metadata(self) -> dict[str, Any]:
        url = self.state.url
        document = {
            "issuer": url,
            "authorization_endpoint": f"{url}/authorize?tenant=a",
            "token_endpoint": f"{url}/token",
            "jwks_uri": f"{url}/jwks",
            "userinfo_endpoint": f"{url}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": True,
        }
        return {**document, **self.state.metadata}

    def _authorize(self, query: dict[str, str]) -> None:
        wanted = {"response_type": "code", "client_id": CLIENT_ID, "code_challenge_method": "S256", "tenant": "a"}
        is_right = wanted.items() <= query.items() and "openid" in query["scope"].split()
        if not is_right or query["redirect_uri"] not in self.state.redirect_uris:
            self._json(400, {"error": "invalid_request"})
            return
        code = secrets.token_urlsafe(16)
        self.state.codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "iss": self.state.url})
        self.send_response(302)
        self.send_header("Location", f"{query['redirect_uri']}?{back}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _token(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        if not self._is_client(form):
            return 401, {"error": "invalid_client"}
        asked = self.state.codes.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if (
            asked is None
            or form.get("grant_type") != "authorization_code"
            or form.get("redirect_uri") != asked["redirect_uri"]
            or base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() != asked["code_challenge"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {"iss": self.state.url, "aud": CLIENT_ID, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        claims = {name: value for name, value in {**claims, **self.state.claims}.items() if value is not None}
        id_token = (self.state.sign or self.state.key.sign)(claims)
        return 200, {"access_token": "access-1", "token_type": "Bearer", "expires_in": 300, "id_token": id_token}

    def _is_client(self, form: dict[str, str]) -> bool:
        methods = self._metadata().get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        if "client_secret_basic" in methods:
            given = base64.b64decode(self.headers.get("authorization", "Basic ").removeprefix("Basic ")).decode()
            return [unquote_plus(part) for part in given.split(":")] == [CLIENT_ID, CLIENT_SECRET]
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    def _json(self, status: int, body: dict[str, Any]) -> None:
        self._answer(status, json.dumps(body).encode())

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def oidc_server() -> AbstractContextManager[OidcState]:
    """The server on a free port of this machine, while the block lasts."""

    @contextmanager
    def run() -> Generator[OidcState]:
        state = OidcState()
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="oidc")
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return run()
