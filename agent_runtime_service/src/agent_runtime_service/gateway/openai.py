"""Any server that speaks OpenAI's wire: the key is put in here, the bytes come back as they are."""

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
from agent_runtime_service.gateway.providers import EVENT_STREAM, JSON, MAX_ANSWER_BYTES, ProviderAnswer
from kgents_shared.errors import ApiError
from kgents_shared.http.addresses import AddressNotPublic

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_TRIED_AGAIN = frozenset({429, 500, 502, 503, 504})
_FIRST_PAUSE_S = 0.2
_LONGEST_RETRY_AFTER_S = 10.0
_MOST_RETRY_AFTER_S = 3600.0
_MAX_ERROR_BYTES = 64 * 1024
_MAX_ERROR_CHARS = 300


@dataclass(frozen=True, slots=True)
class OpenAiLimits:
    """Bounds of one call, in seconds, and how often it is tried again before its first byte."""

    connect_s: float = 5.0
    first_byte_s: float = 60.0
    retries: int = 2


class _TryAgain(Exception):
    """A failure before the first byte that may pass. `after_s` is the server's Retry-After."""

    def __init__(self, fault: ApiError, after_s: float | None = None) -> None:
        super().__init__(fault.detail)
        self.fault = fault
        self.after_s = after_s


class OpenAiProvider:
    """The provider `openai` at `base_url`, asked with one key; `credential` is how that is called in a refusal."""

    name = "openai"

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        api_key: str | None,
        limits: OpenAiLimits,
        credential: str = "the platform's credential",
    ) -> None:
        self._session = session
        self._credential = credential
        self._url = URL(base_url.rstrip("/") + "/chat/completions")
        # OpenAI's own newer models refuse the older name, which is the one that every other server knows.
        self._is_openai = self._url.host == "api.openai.com"
        self._api_key = api_key
        self._limits = limits
        self._headers = {"Content-Type": "application/json", "Accept-Encoding": "identity"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"

    @asynccontextmanager
    async def complete(self, request: dict[str, Any], time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """See `Provider.complete`."""
        if self._is_openai and "max_tokens" in request:
            request = {**request, "max_completion_tokens": request["max_tokens"]}
            del request["max_tokens"]
        until = asyncio.get_running_loop().time() + time_left_s
        response, first, tries = await self._open(orjson.dumps(request), until)
        try:
            if response.content_type == EVENT_STREAM:
                yield ProviderAnswer(EVENT_STREAM, self._rest(response, first, until), tries)
            else:
                body = await self._whole(response, first, until)
                yield ProviderAnswer(JSON, _once(body), tries)
        finally:
            response.release() if response.content.at_eof() else response.close()

    async def _open(self, body: bytes, until: float) -> tuple[aiohttp.ClientResponse, bytes, int]:
        tries = 0
        while True:
            tries += 1
            try:
                response, first = await self._try(body, until)
                return response, first, tries
            except _TryAgain as again:
                pause = _FIRST_PAUSE_S * 2 ** (tries - 1) * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter
                if again.after_s is not None:
                    pause = max(pause, again.after_s)
                left = until - asyncio.get_running_loop().time()
                if tries > self._limits.retries or pause > _LONGEST_RETRY_AFTER_S or pause >= left:
                    raise again.fault from again
            await asyncio.sleep(pause)

    async def _try(self, body: bytes, until: float) -> tuple[aiohttp.ClientResponse, bytes]:
        """One request until its first byte."""
        loop = asyncio.get_running_loop()
        patience = min(self._limits.first_byte_s, until - loop.time())
        response: aiohttp.ClientResponse | None = None
        whole = False
        try:
            async with asyncio.timeout(patience):
                response = await self._session.post(self._url, data=body, headers=self._headers, allow_redirects=False)
                if response.status != 200:
                    await self._refuse(response)
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

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Raise what a status that isn't 200 means."""
        status = response.status
        if status in {401, 403}:
            raise faults.refused(self.name, status, self._credential)
        if status not in _TRIED_AGAIN:
            raise faults.failed(self.name, status, self._message(await response.content.read(_MAX_ERROR_BYTES)))
        after_s = _retry_after(response.headers.get("Retry-After"))
        if status == 429:
            raise _TryAgain(faults.rate_limited(self.name, after_s or 1), after_s)
        raise _TryAgain(faults.failed(self.name, status, None), after_s)

    def _message(self, body: bytes) -> str | None:
        """The provider's own sentence, shortened, without the key if it quotes it."""
        try:
            document: Any = orjson.loads(body)
            message = document["error"]["message"]
        except (orjson.JSONDecodeError, KeyError, TypeError):
            return None
        if not isinstance(message, str):
            return None
        if self._api_key:
            message = message.replace(self._api_key, "…")
        return message[:_MAX_ERROR_CHARS].replace("\x00", "")

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

    async def _whole(self, response: aiohttp.ClientResponse, first: bytes, until: float) -> bytes:
        """An answer that isn't streamed is read and looked at before anything is passed on."""
        body = b"".join([piece async for piece in self._rest(response, first, until)])
        try:
            document = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise faults.garbage(self.name, "something that isn't JSON") from error
        if not isinstance(document, dict) or not isinstance(cast("dict[str, Any]", document).get("choices"), list):
            raise faults.garbage(self.name, "something that isn't a chat completion")
        return body


def _retry_after(value: str | None) -> float | None:
    """Retry-After in seconds (RFC 9110 §10.2.3), an hour at most; the form with a date is not used by providers."""
    try:
        return min(max(0.0, float(value)), _MOST_RETRY_AFTER_S) if value is not None else None
    except ValueError:
        return None


async def _once(body: bytes) -> AsyncIterator[bytes]:
    yield body
