"""A server that speaks GoTrue, the auth part of Supabase, over HTTP, written from its public API documents.

Sign-up with and without confirmation, the password and refresh grants, `/user`, `/logout`, and users by the admin API;
behind the gateway's check of the API key, and with the error bodies of API version 2024-01-01. Like the real one it
reads 72 bytes of a password at a login, and answers a sign-up of a known address with a made-up user.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import uuid
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import bcrypt

ANON_KEY = "anon-key-of-the-project"
SERVICE_ROLE_KEY = "service-role-key-of-the-project"


class Refusal(Exception):
    """An answer of 400 and more."""

    def __init__(self, status: int, code: str, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, **more}


@dataclass
class GoTrueUser:
    """A row of `auth.users`."""

    id: str
    email: str
    password_hash: str
    user_metadata: dict[str, Any]
    app_metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    email_confirmed_at: str | None = None
    confirmation_sent_at: str | None = None
    banned_until: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The user as every endpoint shows it."""
        now = _now()
        identity = {"id": self.id, "identity_id": self.id, "user_id": self.id, "provider": "email"}
        shown: dict[str, Any] = {
            "id": self.id,
            "aud": "authenticated",
            "role": "authenticated",
            "email": self.email,
            "phone": "",
            "app_metadata": {"provider": "email", "providers": ["email"], **self.app_metadata},
            "user_metadata": self.user_metadata,
            "identities": [{**identity, "identity_data": {}, "created_at": now, "updated_at": now}],
            "created_at": now,
            "updated_at": now,
            "is_anonymous": False,
        }
        for name in ("email_confirmed_at", "confirmation_sent_at", "banned_until"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
        return shown


@dataclass
class GoTrueState:
    """What the server holds. `sessions` are the open ones, by their access token: (user id, refresh token)."""

    users: dict[str, GoTrueUser] = field(default_factory=dict[str, GoTrueUser])
    sessions: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    issued: list[str] = field(default_factory=list[str])
    calls: list[str] = field(default_factory=list[str])
    autoconfirm: bool = True
    signup_disabled: bool = False
    least_length: int = 6
    # What every call is answered instead, where it isn't None: a status and a body.
    instead: tuple[int, bytes] | None = None
    keeps_sessions: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    def of(self, email: str) -> GoTrueUser:
        """The user of an address."""
        return next(user for user in self.users.values() if user.email == email)


class _Api:
    """The endpoints, each a method: (body, query, bearer) → status and body."""

    def __init__(self, state: GoTrueState) -> None:
        self._state = state

    def signup(self, body: dict[str, Any], _: dict[str, str], __: str) -> tuple[int, Any]:
        if self._state.signup_disabled:
            raise Refusal(422, "signup_disabled", "Signups not allowed for this instance")
        self._check(body["password"])
        known = self._by_email(body["email"])
        if known is not None and known.email_confirmed_at is not None:
            if self._state.autoconfirm:
                raise Refusal(422, "user_already_exists", "User already registered")
            return 200, {**known.as_json(), "id": str(uuid.uuid4()), "identities": [], "user_metadata": body["data"]}
        user = known or self._add(body["email"], _hashed(body["password"]), body["data"])
        if self._state.autoconfirm:
            user.email_confirmed_at = _now()
            return 200, self._session(user)
        user.confirmation_sent_at = _now()
        return 200, user.as_json()

    def token(self, body: dict[str, Any], query: dict[str, str], _: str) -> tuple[int, Any]:
        if query.get("grant_type") == "refresh_token":
            for access, (user_id, refresh) in list(self._state.sessions.items()):
                if refresh == body["refresh_token"]:
                    del self._state.sessions[access]
                    return 200, self._session(self._state.users[user_id])
            raise Refusal(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
        user = self._by_email(body["email"])
        if user is not None and user.banned_until is not None:
            raise Refusal(400, "user_banned", "User is banned")
        if user is None or not _is_right(body["password"], user.password_hash):
            raise Refusal(400, "invalid_credentials", "Invalid login credentials")
        if user.email_confirmed_at is None:
            raise Refusal(400, "email_not_confirmed", "Email not confirmed")
        return 200, self._session(user)

    def user(self, _: dict[str, Any], __: dict[str, str], bearer: str) -> tuple[int, Any]:
        return 200, self._state.users[self._of_session(bearer)].as_json()

    def logout(self, _: dict[str, Any], query: dict[str, str], bearer: str) -> tuple[int, Any]:
        user_id = self._of_session(bearer)
        if self._state.keeps_sessions:
            raise Refusal(500, "unexpected_failure", "Error logging out user")
        for access, (whose, _token) in list(self._state.sessions.items()):
            is_it = access == bearer
            if whose == user_id and {"local": is_it, "others": not is_it}.get(query.get("scope", ""), True):
                del self._state.sessions[access]
        return 204, None

    def create(self, body: dict[str, Any], _: dict[str, str], __: str) -> tuple[int, Any]:
        if self._by_email(body["email"]) is not None:
            raise Refusal(422, "email_exists", "A user with this email address has already been registered")
        if "password_hash" in body:
            user = self._add(body["email"], body["password_hash"], body.get("user_metadata", {}))
        else:
            if len(body["password"].encode()) > 72:
                raise Refusal(400, "validation_failed", "bcrypt: password length exceeds 72 bytes")
            user = self._add(body["email"], _hashed(body["password"]), body.get("user_metadata", {}))
        self._change(user, body)
        return 200, user.as_json()

    def users(self, _: dict[str, Any], query: dict[str, str], __: str) -> tuple[int, Any]:
        pattern = re.sub(r"(\\?)(.)", _as_in_like, query.get("filter", ""))
        found = [user for user in reversed(self._state.users.values()) if re.search(pattern, user.email)]
        page, per_page = int(query.get("page", "1")), int(query.get("per_page", "50"))
        shown = found[(page - 1) * per_page : page * per_page]
        return 200, {"users": [user.as_json() for user in shown], "aud": "authenticated"}

    def one(self, method: str, user_id: str, body: dict[str, Any]) -> tuple[int, Any]:
        user = self._state.users.get(user_id)
        if user is None:
            raise Refusal(404, "user_not_found", "User not found")
        if method == "DELETE":
            del self._state.users[user_id]
            return 200, {}
        if method == "PUT":
            if "password" in body:
                self._check(body["password"])
                user.password_hash = _hashed(body["password"])
            self._change(user, body)
        return 200, user.as_json()

    def _change(self, user: GoTrueUser, body: dict[str, Any]) -> None:
        if body.get("email_confirm") is True:
            user.email_confirmed_at = _now()
        user.app_metadata |= body.get("app_metadata", {})

    def _check(self, password: str) -> None:
        if len(password.encode()) > 72:
            raise Refusal(400, "validation_failed", "Password cannot be longer than 72 characters")
        if len(password) < self._state.least_length:
            message = f"Password should be at least {self._state.least_length} characters."
            raise Refusal(422, "weak_password", message, weak_password={"reasons": ["length"]})

    def _add(self, email: str, password_hash: str, data: dict[str, Any]) -> GoTrueUser:
        user = GoTrueUser(str(uuid.uuid4()), email.lower(), password_hash, data)
        self._state.users[user.id] = user
        return user

    def _by_email(self, email: str) -> GoTrueUser | None:
        return next((user for user in self._state.users.values() if user.email == email.lower()), None)

    def _session(self, user: GoTrueUser) -> dict[str, Any]:
        access, refresh = f"gotrue-access-{secrets.token_hex(16)}", f"gotrue-refresh-{secrets.token_hex(16)}"
        self._state.sessions[access] = (user.id, refresh)
        self._state.issued += [access, refresh]
        tokens = {"access_token": access, "refresh_token": refresh, "token_type": "bearer"}
        return {**tokens, "expires_in": 3600, "expires_at": int(datetime.now(UTC).timestamp()) + 3600} | {
            "user": user.as_json()
        }

    def _of_session(self, bearer: str) -> str:
        if bearer not in self._state.sessions:
            raise Refusal(403, "bad_jwt", "invalid JWT: unable to parse or verify signature")
        return self._state.sessions[bearer][0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one piece: else the second waits for the first to be acknowledged.
    wbufsize = 65_536
    state: GoTrueState

    def do_GET(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", "0"))) or b"{}")
        with self.state.lock:
            self.state.calls.append(f"{self.command} {self.path}")
            if self.state.instead is not None:
                self._answer(*self.state.instead)
                return
            try:
                status, answer = self._dispatch(body)
            except Refusal as refused:
                status, answer = refused.status, refused.body
            self._answer(status, b"" if answer is None else json.dumps(answer).encode())

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's own name
        """Say nothing."""

    def _dispatch(self, body: dict[str, Any]) -> tuple[int, Any]:
        if self.headers.get("apikey") not in {ANON_KEY, SERVICE_ROLE_KEY}:
            raise Refusal(401, "no_authorization", "Invalid API key")
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        api, path = _Api(self.state), split.path.removeprefix("/auth/v1")
        if path.startswith("/admin/") and bearer != SERVICE_ROLE_KEY:
            raise Refusal(403, "not_admin", "User not allowed")
        if path.startswith("/admin/users/"):
            return api.one(self.command, path.removeprefix("/admin/users/"), body)
        routes: dict[str, Callable[[dict[str, Any], dict[str, str], str], tuple[int, Any]]] = {
            "POST /signup": api.signup,
            "POST /token": api.token,
            "GET /user": api.user,
            "POST /logout": api.logout,
            "POST /admin/users": api.create,
            "GET /admin/users": api.users,
        }
        route = routes.get(f"{self.command} {path}")
        if route is None:
            raise Refusal(404, "not_found", "404 page not found")
        return route(body, query, bearer)

    def _answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Supabase-Api-Version", "2024-01-01")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def gotrue_server() -> AbstractContextManager[GoTrueState]:
    """The server on a free port of this machine, while the block lasts."""

    @contextmanager
    def run() -> Generator[GoTrueState]:
        state = GoTrueState()
        server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
        state.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="gotrue")
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    return run()


def _as_in_like(found: re.Match[str]) -> str:
    stands_for = {"%": ".*", "_": "."}
    return re.escape(found[2]) if found[1] else stands_for.get(found[2], re.escape(found[2]))


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _hashed(password: str) -> str:
    """What bcrypt would have of it, quicker."""
    return hashlib.sha256(password.encode()[:72]).hexdigest()


def _is_right(password: str, known: str) -> bool:
    if known.startswith("$2"):
        return bcrypt.checkpw(password.encode()[:72], known.encode())
    return secrets.compare_digest(_hashed(password), known)
