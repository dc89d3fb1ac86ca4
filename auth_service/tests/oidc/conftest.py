"""The service with two issuers, and browsers that go there and back."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack

import httpx
import pytest
from pydantic import SecretStr

from auth_service.oidc.issuers import OidcIssuer
from auth_service.settings import AuthSettings
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.external.oidc_browser import Browser
from tests.external.oidc_server import CLIENT_ID, CLIENT_SECRET, OidcState, oidc_server
from tests.external.running_auth import ISSUER, RunningAuth, is_healthy, running


@pytest.fixture(scope="module")
def acme() -> Generator[OidcState]:
    """The issuer that the service knows as `acme`."""
    with oidc_server() as state:
        state.redirect_uris = {f"{ISSUER}/api/v1/auth/oidc/acme/callback"}
        yield state


@pytest.fixture(scope="module")
def globex() -> Generator[OidcState]:
    """The issuer that the service knows as `globex`."""
    with oidc_server() as state:
        state.redirect_uris = {f"{ISSUER}/api/v1/auth/oidc/globex/callback"}
        state.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
        yield state


@pytest.fixture(scope="module")
async def service(auth_settings: AuthSettings, acme: OidcState, globex: OidcState) -> AsyncGenerator[RunningAuth]:
    secret = SecretStr(CLIENT_SECRET)
    issuers = {
        "acme": OidcIssuer(issuer=acme.url, client_id=CLIENT_ID, client_secret=secret),
        "globex": OidcIssuer(issuer=globex.url, client_id=CLIENT_ID, client_secret=secret, trusts_addresses=True),
        "gone": OidcIssuer(issuer="http://127.0.0.1:9", client_id=CLIENT_ID),
    }
    async with running(auth_settings.model_copy(update={"oidc_issuers": issuers})) as running_service:
        await eventually(lambda: is_healthy(running_service))
        yield running_service


@pytest.fixture
def auth(service: RunningAuth, acme: OidcState) -> RunningAuth:
    """The service, and `acme` as it is when it doesn't lie, with somebody new before it."""
    acme.keys, acme.sign = None, None
    acme.metadata, acme.instead, acme.userinfo = {}, {}, {}
    acme.somebody()
    return service


@pytest.fixture(scope="module")
async def outside() -> AsyncGenerator[httpx.AsyncClient]:
    """What browsers go to issuers with; made once, since making one reads every authority's certificate."""
    async with httpx.AsyncClient(timeout=60, verify=PLAIN) as client:
        yield client


@pytest.fixture
async def browser_of(auth: RunningAuth, outside: httpx.AsyncClient) -> AsyncGenerator[Callable[[], Browser]]:
    """Makes browsers."""
    async with AsyncExitStack() as stack:

        def make() -> Browser:
            client = httpx.AsyncClient(transport=httpx.ASGITransport(auth.app), base_url=ISSUER)
            stack.push_async_callback(client.aclose)
            return Browser(client, outside)

        yield make


@pytest.fixture
def browser(browser_of: Callable[[], Browser]) -> Browser:
    """One browser."""
    return browser_of()
