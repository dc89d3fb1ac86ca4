"""A provider over HTTP: the key is put in here, on the wire that is asked for; the bytes come back as they are."""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import aiohttp
import orjson
from yarl import URL

from agent_runtime_service.gateway import faults
from agent_runtime_service.gateway.pace import NO_LIMITS, PaceLimits, TooFast
from agent_runtime_service.gateway.providers import EVENT_STREAM, JSON, MAX_ANSWER_BYTES, ProviderAnswer
from agent_runtime_service.gateway.wires.openai import OPENAI_WIRE
from agent_runtime_service.gateway.wires.wire import Wire, WireCall
from kgents_shared.errors import ApiError
from kgents_shared.http.addresses import AddressNotPublic

_TRIED_AGAIN = frozenset({429, 500, 502, 503, 504, 529})
_FIRST_PAUSE_S = 0.2
_LONGEST_RETRY_AFTER_S = 10.0
_MOST_RETRY_AFTER_S = 3600.0
_MAX_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class ProviderLimits:
    """Bounds of one call, in seconds, and how often it is tried again before its first byte."""

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    retries: int = 2
    pace: PaceLimits = NO_LIMITS


@dataclass(frozen=True, slots=True)
class Account:
    """Whose key at which address. `openai_path` leads from there to where the provider takes OpenAI's wire."""

    name: str
    base_url: str
    api_key: str | None
    native: Wire | None = None
    openai_path: str = ""
    credential: str = "the platform's credential"


@dataclass(frozen=True, slots=True)
class _Asked:
    """One request as it goes out, and what its answer must be."""

    method: str
    url: URL
    headers: dict[str, str]
    body: bytes | None
    wire: Wire
    stream_type: str | None


class _TryAgain(Exception):
    """A failure before the first byte that may pass. `after_s` is the server's Retry-After."""

    def __init__(self, fault: ApiError, after_s: float | None = None) -> None:
        super().__init__(fault.detail)
        self.fault = fault
        self.after_s = after_s


class HttpProvider:
    """One account, asked over `session`: on OpenAI's wire by `complete`, on the provider's own by `answer`."""

    def __init__(self, session: aiohttp.ClientSession, account: Account, limits: ProviderLimits) -> None:
        self.name = account.name
        self.account = account
        self._session = session
        self._limits = limits
        self._pace = limits.pace.of(account.name, account.credential)
        base = account.base_url.rstrip("/")
        if account.native is not None:
            # Both ways of writing it are in use.
            base = base.removesuffix("/v1").removesuffix("/v1beta").removesuffix("/api")
        self._base = base
        self._completions = URL(f"{base}{account.openai_path}/chat/completions")
        self._completion_headers = {
            "Content-Type": JSON, "Accept-Encoding": "identity", **OPENAI_WIRE.headers(account.api_key),
        }  # fmt: skip
        # OpenAI's own newer models refuse the older name, which is the one that every other server knows.
        self._is_openai = self._completions.host == "api.openai.com"

    @asynccontextmanager
    async def complete(self, request: dict[str, Any], time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """See `Provider.complete`."""
        if self._is_openai and "max_tokens" in request:
            request = {**request, "max_completion_tokens": request["max_tokens"]}
            del request["max_tokens"]
        body, headers = orjson.dumps(request), self._completion_headers
        asked = _Asked("POST", self._completions, headers, body, OPENAI_WIRE, None)
        async with self._opened(asked, time_left_s) as (response, first, until, tries):
            if response.content_type == EVENT_STREAM:
                yield ProviderAnswer(EVENT_STREAM, self._rest(response, first, until), tries)
            else:
                answer = await self._completion(response, first, until)
                yield ProviderAnswer(JSON, _once(answer), tries)

    @asynccontextmanager
    async def answer(self, call: WireCall, time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """The same on the provider's own wire: always a stream. Raises `ApiError` before the first byte."""
        wire = self.native
        asked = self._asked(wire, "POST", call.path, orjson.dumps(call.body), wire.stream_type)
        async with self._opened(asked, time_left_s) as (response, first, until, tries):
            yield ProviderAnswer(wire.stream_type, self._rest(response, first, until), tries)

    async def fetch(
        self, method: str, path: str, time_left_s: float, body: dict[str, Any] | None = None, wire: Wire | None = None
    ) -> dict[str, Any]:
        """A JSON document below the account's address, whole: a list of models, embeddings. Raises `ApiError`."""
        raw = None if body is None else orjson.dumps(body)
        asked = self._asked(wire or self.account.native or OPENAI_WIRE, method, path, raw, None)
        async with self._opened(asked, time_left_s) as (response, first, until, _):
            return await self._document(response, first, until)

    async def listed(self, time_left_s: float) -> dict[str, Any]:
        """What the provider says of its models, on its own wire. Raises `ApiError`."""
        wire = self.account.native or OPENAI_WIRE
        return await self.fetch("GET", wire.list_path, time_left_s)

    async def embeddings(self, model: str, texts: list[str], time_left_s: float) -> dict[str, Any]:
        """The answer of `/embeddings` on OpenAI's wire, which every provider but Anthropic offers."""
        path = f"{self.account.openai_path}/embeddings".lstrip("/")
        return await self.fetch("POST", path, time_left_s, {"model": model, "input": texts}, OPENAI_WIRE)

    @property
    def native(self) -> Wire:
        """The provider's own wire."""
        if self.account.native is None:
            raise ValueError(f"{self.name} has no wire but OpenAI's")
        return self.account.native

    def _asked(self, wire: Wire, method: str, path: str, body: bytes | None, stream_type: str | None) -> _Asked:
        headers = {"Content-Type": JSON, "Accept-Encoding": "identity", **wire.headers(self.account.api_key)}
        return _Asked(method, URL(f"{self._base}/{path}", encoded=True), headers, body, wire, stream_type)

    @asynccontextmanager
    async def _opened(
        self, asked: _Asked, time_left_s: float
    ) -> AsyncGenerator[tuple[aiohttp.ClientResponse, bytes, float, int]]:
        until = asyncio.get_running_loop().time() + time_left_s
        response, first, tries = await self._open(asked, until)
        try:
            yield response, first, until, tries
        finally:
            response.release() if response.content.at_eof() else response.close()

    async def _open(self, asked: _Asked, until: float) -> tuple[aiohttp.ClientResponse, bytes, int]:
        tries = 0
        while True:
            tries += 1
            try:
                await self._wait_for_turn(asked, until)
                response, first = await self._try(asked, until)
                return response, first, tries
            except _TryAgain as again:
                pause = _FIRST_PAUSE_S * 2 ** (tries - 1) * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter
                if again.after_s is not None:
                    pause = max(pause, again.after_s)
                left = until - asyncio.get_running_loop().time()
                if tries > self._limits.retries or pause > _LONGEST_RETRY_AFTER_S or pause >= left:
                    raise again.fault from again
            await asyncio.sleep(pause)

    async def _wait_for_turn(self, asked: _Asked, until: float) -> None:
        """All that ask this account stand in one line, and keep still for as long as it told one of them to."""
        left_s = until - asyncio.get_running_loop().time()
        try:
            wait_s = await self._pace.turn(0 if asked.body is None else len(asked.body), left_s)
        except TooFast as too_fast:
            raise faults.rate_limited(self.name, too_fast.after_s) from too_fast
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _try(self, asked: _Asked, until: float) -> tuple[aiohttp.ClientResponse, bytes]:
        """One request until its first byte."""
        loop = asyncio.get_running_loop()
        patience = min(self._limits.first_byte_s, until - loop.time())
        response: aiohttp.ClientResponse | None = None
        whole = False
        try:
            async with asyncio.timeout(patience):
                response = await self._session.request(
                    asked.method, asked.url, data=asked.body, headers=asked.headers, allow_redirects=False
                )
                if response.status != 200:
                    await self._refuse(response, asked.wire)
                if asked.stream_type is not None and response.content_type != asked.stream_type:
                    raise faults.garbage(self.name, response.content_type)
                first = await response.content.readany()
            whole = True
            return response, first
        except aiohttp.ConnectionTimeoutError as error:
            raise _TryAgain(faults.unreachable(self.name)) from error
        except TimeoutError as error:
            raise faults.timed_out(self.name) from error
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError) as error:
            raise _TryAgain(faults.cut(self.name)) from error
        except aiohttp.InvalidURL as error:
            raise faults.unreachable(self.name) from error
        except (aiohttp.ClientConnectionError, OSError) as error:
            raise _TryAgain(faults.unreachable(self.name)) from error
        except aiohttp.ClientError as error:
            raise faults.garbage(self.name, "something that isn't HTTP") from error
        except AddressNotPublic as error:
            raise faults.address_refused(self.name, str(error)) from error
        finally:
            if response is not None and not whole:
                response.close()

    async def _refuse(self, response: aiohttp.ClientResponse, wire: Wire) -> None:
        """Raise what a status that isn't 200 means."""
        status = response.status
        if status in {401, 403}:
            raise faults.refused(self.name, status, self.account.credential)
        document = _loaded(await response.content.read(_MAX_ERROR_BYTES))
        if wire.is_refusal(status, document):
            raise faults.refused(self.name, status, self.account.credential)
        said = wire.said(document)
        message = None if said is None else faults.shortened(said, self.account.api_key)
        fault = faults.failed(self.name, status, message)
        if status not in _TRIED_AGAIN or isinstance(fault, faults.ContextTooLong):
            raise fault
        after_s = _retry_after(response.headers.get("Retry-After"), wire.retry_after_s(document))
        if status == 429:
            await self._pace.pause_all(after_s or _FIRST_PAUSE_S)
            raise _TryAgain(faults.rate_limited(self.name, after_s or 1), after_s)
        raise _TryAgain(faults.failed(self.name, status, None), after_s)

    async def _rest(self, response: aiohttp.ClientResponse, first: bytes, until: float) -> AsyncIterator[bytes]:
        """The stream's bytes as they are."""
        yield first
        size = len(first)
        try:
            async with asyncio.timeout_at(until):
                while data := await response.content.readany():
                    size += len(data)
                    if size > MAX_ANSWER_BYTES:
                        raise faults.garbage(self.name, "more than an answer may hold")
                    yield data
        except TimeoutError as error:
            raise faults.timed_out(self.name) from error
        except (aiohttp.ClientError, OSError) as error:
            raise faults.cut(self.name) from error

    async def _body(self, response: aiohttp.ClientResponse, first: bytes, until: float) -> bytes:
        return b"".join([piece async for piece in self._rest(response, first, until)])

    async def _document(self, response: aiohttp.ClientResponse, first: bytes, until: float) -> dict[str, Any]:
        document = _loaded(await self._body(response, first, until))
        if not isinstance(document, dict):
            raise faults.garbage(self.name, "something that isn't a JSON object")
        return cast("dict[str, Any]", document)

    async def _completion(self, response: aiohttp.ClientResponse, first: bytes, until: float) -> bytes:
        """An answer that isn't streamed is read and looked at before anything is passed on."""
        body = await self._body(response, first, until)
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise faults.garbage(self.name, "something that isn't JSON") from error
        if not isinstance(document, dict) or not isinstance(cast("dict[str, Any]", document).get("choices"), list):
            raise faults.garbage(self.name, "something that isn't a chat completion")
        return body


def _loaded(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _retry_after(value: str | None, told_s: float | None) -> float | None:
    """Retry-After in seconds (RFC 9110 §10.2.3), an hour at most; the form with a date is not used by providers."""
    try:
        return min(max(0.0, float(value)), _MOST_RETRY_AFTER_S) if value is not None else told_s
    except ValueError:
        return told_s


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
