"""`supabase`: people's accounts in a Supabase project, reached through its GoTrue (`<url>/auth/v1`).

A client is made for each call and thrown away, since one keeps the session of whoever logged in through it; their
connections are shared. What GoTrue issues never leaves this module: a session that it opens is closed at once.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TypeVar

import httpx
import structlog
from pydantic import BaseModel, SecretStr, ValidationError
from supabase import AsyncClient, AsyncClientOptions
from supabase_auth.errors import AuthApiError, AuthError, AuthWeakPasswordError
from supabase_auth.types import AdminUserAttributes, AuthResponse, User

from auth_service.people.identity_provider import Identity
from auth_service.people.password_hasher import BCRYPT_BYTES, is_known_hash
from auth_service.users.schemas import shown_name
from kgents_shared.errors import FaultItem, Forbidden, InvalidInput, Unavailable

ResultT = TypeVar("ResultT")
# Wrong logins and registrations are answered no sooner: GoTrue itself hashes for the addresses that it knows alone.
NO_SOONER_S = 0.5
_TIMEOUT_S = 10.0
_PAGE = 1000
_MOST_PAGES = 20
# In `app_metadata`, which people can't write. `email_confirmed_at` alone says little: a project may confirm by itself.
_VERIFIED = "kgents_verified_address"
_KNOWN_REASONS = {"length": "it is too short", "characters": "it has too few kinds of characters", "pwned": "it leaked"}
_log = structlog.get_logger("auth.supabase")


class _Found(BaseModel):
    users: list[User]


class SupabaseIdentityProvider:
    """An `IdentityProvider` over GoTrue. `anon_key` and `service_role_key` are the project's."""

    name = "supabase"
    shuts_out = True

    def __init__(
        self, url: str, anon_key: SecretStr, service_role_key: SecretStr, *, no_sooner_s: float | None = None
    ) -> None:
        self._url = url.rstrip("/")
        self._anon_key = anon_key
        self._service_role_key = service_role_key
        self._no_sooner_s = NO_SOONER_S if no_sooner_s is None else no_sooner_s
        self._http = httpx.AsyncClient(timeout=_TIMEOUT_S, follow_redirects=False)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def password_fault(self, password: str, field: str) -> FaultItem | None:
        """See `IdentityProvider.password_fault`: GoTrue's bcrypt reads 72 bytes, and repeats what ends with a NUL."""
        if _is_all_read(password):
            return None
        msg = f"has a NUL in it, or more than the {BCRYPT_BYTES} bytes that Supabase reads of a password"
        return FaultItem(("body", field), msg, "password_not_kept")

    async def register(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """See `IdentityProvider.register`: GoTrue's sign-up, by the rules of the project."""
        async with self._no_sooner():
            found = await self._by_address(email)
            # One who hasn't confirmed yet is signed up again, so that GoTrue sends its mail again; nothing changes.
            if found is not None and found.email_confirmed_at is not None:
                return _identity(found), False
            try:
                signed_up = await self._sign_up(email, password, name)
            except AuthApiError as error:
                known = found or await self._by_address(email)
                if known is None or error.code not in {"user_already_exists", "over_email_send_rate_limit"}:
                    raise _refused(error) from error
                return _identity(known), False
            # Where somebody was faster, GoTrue may make somebody up who has no identities.
            if signed_up is None or not signed_up.identities:
                found = await self._by_address(email)
                if found is None:
                    raise _strange("a registration")
                return _identity(found), False
            return _identity(signed_up), found is None

    async def create(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """See `IdentityProvider.create`: GoTrue's admin API."""
        return await self._create(email, name, {"password": password})

    async def take_over(self, email: str, name: str, password_hash: str) -> tuple[Identity, bool]:
        """See `IdentityProvider.take_over`: GoTrue's admin API takes the same kinds of hashes."""
        if not is_known_hash(password_hash):
            raise ValueError("is neither a bcrypt nor an argon2id hash")
        return await self._create(email, name, {"password_hash": password_hash})

    async def set_password(self, subject: str, password: str) -> None:
        """See `IdentityProvider.set_password`."""
        fault = self.password_fault(password, "password")
        if fault is not None:
            raise _invalid(fault)
        await self._update(subject, {"password": password})

    async def find(self, email: str) -> Identity | None:
        """See `IdentityProvider.find`."""
        found = await self._by_address(email)
        return None if found is None else _identity(found)

    async def is_verified(self, subject: str) -> bool:
        """See `IdentityProvider.is_verified`: by us, or by the mail that GoTrue sent."""
        user = await self._by_id(subject)
        return user is not None and (
            user.app_metadata.get(_VERIFIED) == user.email
            or (user.email_confirmed_at is not None and user.confirmation_sent_at is not None)
        )

    async def mark_verified(self, identity: Identity) -> None:
        """See `IdentityProvider.mark_verified`."""
        user = await self._by_id(identity.subject)
        if user is not None and user.email == identity.email:
            changes: AdminUserAttributes = {"email_confirm": True, "app_metadata": {_VERIFIED: identity.email}}
            await self._update(identity.subject, changes)

    async def remove(self, subject: str) -> None:
        """See `IdentityProvider.remove`: GoTrue's admin API."""
        try:
            await _answer(self._admin().auth.admin.delete_user(subject))
        except AuthApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise _refused(error) from error

    async def lets_in(self, subject: str) -> bool:
        """See `IdentityProvider.lets_in`."""
        user = await self._by_id(subject)
        return user is not None and user.deleted_at is None and not _is_banned(user)

    async def authenticate(self, email: str, password: str) -> Identity | None:
        """See `IdentityProvider.authenticate`: GoTrue's password grant, whose session is closed again."""
        client = self._client(self._anon_key)
        started = asyncio.get_running_loop().time()
        try:
            if _is_all_read(password):
                answer = await _answer(client.auth.sign_in_with_password({"email": email, "password": password}))
                await self._sign_out(client, answer)
                if answer.user is None:
                    raise _strange("a login")
                return _identity(answer.user)
        except AuthApiError as error:
            if error.code == "email_not_confirmed":
                raise Forbidden(
                    "This address isn't verified yet: use the link or the token in the mail that was sent to it.",
                    code="email_not_verified",
                ) from error
            # Nobody is told that an address is known because it was banned.
            if error.code not in {"invalid_credentials", "user_banned"}:
                raise _refused(error) from error
        await self._wait_from(started)
        return None

    async def _sign_up(self, email: str, password: str, name: str) -> User | None:
        client = self._client(self._anon_key)
        try:
            answer = await _answer(
                client.auth.sign_up({"email": email, "password": password, "options": {"data": {"name": name}}})
            )
        except AuthWeakPasswordError as error:
            raise _invalid(_weak(error)) from error
        await self._sign_out(client, answer)
        return answer.user

    async def _create(self, email: str, name: str, secret: AdminUserAttributes) -> tuple[Identity, bool]:
        made: AdminUserAttributes = {
            "email": email,
            "user_metadata": {"name": name},
            "email_confirm": True,
            "app_metadata": {_VERIFIED: email},
            **secret,
        }
        try:
            answer = await _answer(self._admin().auth.admin.create_user(made))
        except AuthWeakPasswordError as error:
            raise _invalid(_weak(error)) from error
        except AuthApiError as error:
            found = await self._by_address(email) if error.code in {"email_exists", "user_already_exists"} else None
            if found is None:
                raise _refused(error) from error
            return _identity(found), False
        return _identity(answer.user), True

    async def _update(self, subject: str, changes: AdminUserAttributes) -> None:
        try:
            await _answer(self._admin().auth.admin.update_user_by_id(subject, changes))
        except AuthWeakPasswordError as error:
            raise _invalid(_weak(error)) from error
        except AuthApiError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise _refused(error) from error
            _log.warning("supabase_user_gone", subject=subject)

    async def _by_id(self, subject: str) -> User | None:
        try:
            return (await _answer(self._admin().auth.admin.get_user_by_id(subject))).user
        except AuthApiError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise _refused(error) from error

    async def _by_address(self, email: str) -> User | None:
        """The user of that address. The library can't ask for one, GoTrue's filter gives all that have it in theirs."""
        if not all(email.partition("@")):
            return None
        # GoTrue looks with LIKE: what stands for anything there would find everybody.
        filtered = re.sub(r"([\\%_])", r"\\\1", email)
        headers = self._admin().options.headers
        for page in range(1, _MOST_PAGES + 1):
            asked = {"filter": filtered, "page": str(page), "per_page": str(_PAGE)}
            try:
                answer = await _in_time(
                    self._http.get(f"{self._url}/auth/v1/admin/users", params=asked, headers=headers)
                )
                if answer.status_code != HTTPStatus.OK:
                    raise _away(f"admin/users answered {answer.status_code}")
                users = _Found.model_validate_json(answer.content).users
            except (httpx.HTTPError, ValidationError) as error:
                raise _away(type(error).__name__) from error
            for user in users:
                # Of one address there may also be somebody from single sign-on, who has no password.
                if user.email == email and not user.is_sso_user and user.deleted_at is None:
                    return user
            if len(users) < _PAGE:
                return None
        raise _away("too many users have this address within theirs")

    async def _sign_out(self, client: AsyncClient, answer: AuthResponse) -> None:
        """Close the session that a call opened. What we can't close nobody can use: its tokens end with this call."""
        if answer.session is None:
            return
        try:
            await _in_time(client.auth.admin.sign_out(answer.session.access_token, "local"))
        except (AuthError, Unavailable) as error:
            _log.warning("supabase_session_left_open", reason=type(error).__name__)

    def _admin(self) -> AsyncClient:
        return self._client(self._service_role_key)

    def _client(self, key: SecretStr) -> AsyncClient:
        options = AsyncClientOptions(
            auto_refresh_token=False, persist_session=False, flow_type="implicit", httpx_client=self._http
        )
        return AsyncClient(self._url, key.get_secret_value(), options)

    @asynccontextmanager
    async def _no_sooner(self) -> AsyncGenerator[None]:
        started = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            await self._wait_from(started)

    async def _wait_from(self, started: float) -> None:
        await asyncio.sleep(max(0.0, started + self._no_sooner_s - asyncio.get_running_loop().time()))


async def _in_time(call: Awaitable[ResultT]) -> ResultT:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            return await call
    except TimeoutError as error:
        raise _away("no answer in time") from error


async def _answer(call: Awaitable[ResultT]) -> ResultT:
    """What GoTrue answers. Raises its refusals (4xx) as `AuthApiError`, `Unavailable` for whatever else goes wrong."""
    try:
        return await _in_time(call)
    except AuthWeakPasswordError:
        raise
    except AuthApiError as error:
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise _away(f"it answered {error.status}") from error
        raise
    except (AuthError, ValidationError, httpx.HTTPError) as error:
        raise _away(type(error).__name__) from error


def _refused(error: AuthApiError) -> InvalidInput | Forbidden | Unavailable:
    """A refusal that says nothing about who is known."""
    match error.code:
        case "signup_disabled" | "email_provider_disabled":
            return Forbidden("Nobody registers here by themselves; ask an administrator.", code="registration_closed")
        case "email_address_invalid" | "email_address_not_authorized":
            fault = FaultItem(("body", "email"), "is an address that Supabase doesn't take", "address_refused")
            return _invalid(fault)
        case _:
            hint = None
            if error.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
                hint = "AUTH_SUPABASE_ANON_KEY and AUTH_SUPABASE_SERVICE_ROLE_KEY must be this project's two keys"
            return _away(f"it answered {error.status} {error.code}", hint=hint)


def _away(reason: str, *, hint: str | None = None) -> Unavailable:
    _log.warning("supabase_away", reason=reason, **({} if hint is None else {"hint": hint}))
    return Unavailable("People can't be looked up right now; try again.", code="identity_provider_away")


def _strange(what: str) -> Unavailable:
    return _away(f"the answer to {what} has nobody in it")


def _weak(error: AuthWeakPasswordError) -> FaultItem:
    why = " and ".join(_KNOWN_REASONS[reason] for reason in error.reasons if reason in _KNOWN_REASONS)
    msg = "is refused by the rules of the Supabase project" + (f": {why}" if why else "")
    return FaultItem(("body", "password"), msg, "weak_password", "take a few words that don't belong together")


def _invalid(fault: FaultItem) -> InvalidInput:
    return InvalidInput("The request has faults; each is listed in errors.", errors=[fault])


def _is_all_read(password: str) -> bool:
    return "\0" not in password and len(password.encode("utf-8", "surrogatepass")) <= BCRYPT_BYTES


def _is_banned(user: User) -> bool:
    if user.banned_until is None:
        return False
    try:
        until = datetime.fromisoformat(user.banned_until)
    except ValueError:
        return True
    return until.tzinfo is None or until > datetime.now(UTC)


def _identity(user: User) -> Identity:
    """What we keep of a user. The name is theirs to write, so that it may be anything."""
    email = (user.email or "").lower()
    if not email:
        raise _away("a user has no address")
    given = user.user_metadata.get("name") or user.user_metadata.get("full_name")
    return Identity(user.id, email, shown_name(given, email))
