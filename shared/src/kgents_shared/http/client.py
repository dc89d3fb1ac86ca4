"""How one service calls another: real HTTP, a machine token of its own, the correlation id carried along."""

import asyncio
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self, cast

import aiohttp

from kgents_shared.errors import ApiError, BadGateway, Unavailable
from kgents_shared.telemetry.correlation import CORRELATION_HEADER, correlation_id

_RENEW_BEFORE_S = 60
_TOKEN_TIMEOUT_S = 10
_CONNECTIONS = 100
_LINE_BYTES = 256 * 1024


class CallFailed(ApiError):
    """Another service refused a call; `far_status` and `far_code` say how, `problem` is all that it said."""

    status = 502
    default_code = "sibling_refused"

    def __init__(
        self, detail: str, *, far_status: int, far_code: str, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(detail)
        self.far_status = far_status
        self.far_code = far_code
        self.problem = dict(problem or {})


class ServiceTokens:
    """Machine tokens of one service by audience, from `POST /auth/token` (RFC 6749 §4.4), kept until near expiry."""

    def __init__(self, session: aiohttp.ClientSession, auth_url: str, client_id: str, client_secret: str) -> None:
        self._session = session
        self._url = f"{auth_url}/api/v1/auth/token"
        self._form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": client_secret}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._lock = asyncio.Lock()

    async def token(self, audience: str) -> str:
        """A token whose aud is the service `audience`."""
        kept = self._tokens.get(audience)
        if kept is not None and kept[1] > time.monotonic():
            return kept[0]
        async with self._lock:
            kept = self._tokens.get(audience)
            if kept is None or kept[1] <= time.monotonic():
                kept = self._tokens[audience] = await self._fetch(audience)
        return kept[0]

    def forget(self, audience: str) -> None:
        """Drop a token that was refused."""
        self._tokens.pop(audience, None)

    async def _fetch(self, audience: str) -> tuple[str, float]:
        asked_at = time.monotonic()
        try:
            # No redirect is followed: the form has this service's secret in it.
            async with self._session.post(
                self._url,
                data={**self._form, "audience": audience},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=_TOKEN_TIMEOUT_S),
            ) as answer:
                if answer.status != 200:
                    raise Unavailable(f"The auth service gave no token for {audience} ({answer.status}).")
                body = await answer.json(content_type=None)
            return str(body["access_token"]), asked_at + float(body["expires_in"]) - _RENEW_BEFORE_S
        except (aiohttp.ClientError, TimeoutError, ValueError, TypeError, KeyError) as error:
            raise Unavailable("The auth service can't be reached right now.", code="auth_away") from error


class ServiceClient:
    """Calls of one sibling's API with this service's token. It never retries; callers know what may be repeated."""

    def __init__(self, session: aiohttp.ClientSession, tokens: ServiceTokens, base_url: str, audience: str) -> None:
        self._session = session
        self._tokens = tokens
        self._base_url = base_url
        self._audience = audience

    async def request_json(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        params: Mapping[str, str | list[str]] | None = None,
        timeout_s: float = 10,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """The parsed JSON answer, None for 204.

        With an `Authorization` among `headers` it is a call by whoever's that is, not by this service.
        Raises `Unavailable` where the far side is away, and `CallFailed` where it refuses.
        """
        sent = {CORRELATION_HEADER: correlation_id(), **(headers or {})}
        is_own = "Authorization" not in sent
        if is_own:
            sent["Authorization"] = f"Bearer {await self._tokens.token(self._audience)}"
        with self._faults_told():
            async with self._session.request(
                method,
                self._base_url + path,
                json=json,
                params=params,
                headers=sent,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_s),
            ) as answer:
                if answer.status == 204:
                    return None
                body = await answer.json(content_type=None)
                if answer.status >= 300:
                    if answer.status == 401 and is_own:
                        self._tokens.forget(self._audience)
                    self._raise_refusal(answer.status, body)
                return body

    async def lines(self, path: str, timeout_s: float = 600) -> AsyncGenerator[bytes]:
        """The lines of a GET's answer, each with its end, as they come. Raises as `request_json` does."""
        bearer = await self._tokens.token(self._audience)
        headers = {CORRELATION_HEADER: correlation_id(), "Authorization": f"Bearer {bearer}"}
        timeout = aiohttp.ClientTimeout(total=timeout_s)
        with self._faults_told():
            async with self._session.get(
                self._base_url + path, headers=headers, allow_redirects=False, timeout=timeout, read_bufsize=_LINE_BYTES
            ) as answer:
                if answer.status >= 300:
                    self._raise_refusal(answer.status, await answer.json(content_type=None))
                rest = b""
                async for data in answer.content.iter_any():
                    *whole, rest = (rest + data).split(b"\n")
                    for line in whole:
                        yield line + b"\n"
                if rest:
                    raise BadGateway(f"The {self._audience} service broke off in the middle of its answer.")

    @contextmanager
    def _faults_told(self) -> Generator[None]:
        """A sibling that is away, or that answers what can't be read, as what it means to a caller."""
        try:
            yield
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unavailable(
                f"The {self._audience} service can't be reached right now.", code="sibling_away"
            ) from error
        except ValueError as error:
            raise BadGateway(f"The {self._audience} service answered with something that isn't JSON.") from error

    def _raise_refusal(self, status: int, body: Any) -> None:
        problem = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        detail = str(problem.get("detail", f"The {self._audience} service answered {status}."))
        if status == 503:
            raise Unavailable(detail, code=str(problem.get("code", "unavailable")))
        raise CallFailed(detail, far_status=status, far_code=str(problem.get("code", "")), problem=problem)


class ServiceSession:
    """One set of tokens for a service's calls to its siblings, and one aiohttp session for those that are short."""

    def __init__(self, auth_url: str, client_id: str, client_secret: str) -> None:
        self._credentials = (auth_url, client_id, client_secret)
        self._session: aiohttp.ClientSession | None = None
        self._tokens: ServiceTokens | None = None
        self._for_long_calls: list[aiohttp.ClientSession] = []

    async def __aenter__(self) -> Self:
        self._session = _opened(_CONNECTIONS)
        self._tokens = ServiceTokens(self._session, *self._credentials)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in (*self._for_long_calls, self._session):
            if session is not None:
                await session.close()

    def client(self, base_url: str, audience: str, *, own_connections: int | None = None) -> ServiceClient:
        """A client of the sibling named `audience`.

        One whose calls may take long has `own_connections`: however many are out, no other call waits for them.
        """
        if self._session is None or self._tokens is None:
            raise RuntimeError("the session is not open")
        session = self._session
        if own_connections is not None:
            session = _opened(own_connections)
            self._for_long_calls.append(session)
        return ServiceClient(session, self._tokens, base_url, audience)


def _opened(connections: int) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=connections, keepalive_timeout=30)
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
