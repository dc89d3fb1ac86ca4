"""People and their applications at a running auth service: logging in, getting tokens, acting for each other."""

from dataclasses import dataclass
from typing import Any

import httpx
from jose import jwt

from kgents_shared.testing.polling import eventually
from tests.external.running_auth import ADMIN_EMAIL, ADMIN_PASSWORD, RUNTIME_SECRET, RunningAuth

Form = dict[str, str]
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
CLIENTS = "/api/v1/auth/clients"
RUNTIME: Form = {"client_id": "runtime", "client_secret": RUNTIME_SECRET}


@dataclass
class Caller:
    """Somebody with a token."""

    auth: RunningAuth
    token: str
    refresh_token: str = ""
    email: str = ""

    @property
    def id(self) -> str:
        """The subject of their token."""
        return str(claims_of(self.token)["sub"])

    async def asks(self, method: str, path: str, **more: Any) -> httpx.Response:
        """A request with their token."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.auth.client.request(method, path, headers=headers, **more)

    async def made(self, **body: Any) -> dict[str, Any]:
        """A new application of theirs."""
        return await self.auth.application(self.token, **body)

    async def is_refused(self) -> None:
        """Wait until their token is."""

        async def refused() -> bool:
            return (await self.asks("GET", "/api/v1/users/me")).status_code == 401

        await eventually(refused, describe="the token is refused")


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    claims: dict[str, Any] = jwt.get_unverified_claims(token)
    return claims


async def a_person(auth: RunningAuth, **login: Any) -> Caller:
    """Somebody new, a developer."""
    email = await auth.register()
    tokens = await auth.log_in(email, **login)
    return Caller(auth, tokens["access_token"], tokens["refresh_token"], email)


async def the_admin(auth: RunningAuth) -> Caller:
    """The administrator."""
    tokens = await auth.log_in(ADMIN_EMAIL, ADMIN_PASSWORD)
    return Caller(auth, tokens["access_token"], tokens["refresh_token"], ADMIN_EMAIL)


def shows(made: dict[str, Any]) -> Form:
    """What a client shows of itself."""
    return {"client_id": made["client_id"], "client_secret": made["client_secret"]}


async def machine(auth: RunningAuth, made: dict[str, Any], **form: str) -> Caller:
    """The client with a token of its own."""
    answer = await auth.token(grant_type="client_credentials", **shows(made), **form)
    assert answer.status_code == 200, answer.text
    return Caller(auth, answer.json()["access_token"])


async def exchange(auth: RunningAuth, subject_token: str, by: Form, **form: str) -> httpx.Response:
    """A token exchange by a client."""
    given = {"subject_token": subject_token, "subject_token_type": ACCESS_TOKEN, **by, **form}
    return await auth.token(grant_type=EXCHANGE, **given)


async def acting(auth: RunningAuth, subject_token: str, by: Form, **form: str) -> Caller:
    """Whoever acts with the exchanged token."""
    answer = await exchange(auth, subject_token, by, **form)
    assert answer.status_code == 200, answer.text
    return Caller(auth, answer.json()["access_token"])


async def let_exchange(admin: Caller, client_id: str) -> None:
    """Give a client leave to act for people."""
    answer = await admin.asks("PATCH", f"/api/v1/admin/clients/{client_id}", json={"may_exchange": True})
    assert (answer.status_code, answer.json()["may_exchange"]) == (200, True)
