"""An agent elsewhere over plain HTTP: `POST {text, conversation_id}` → `{text}`."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import aiohttp
import orjson

from agent_runtime_service.gateway.faults import REMOTE
from agent_runtime_service.gateway.providers import JSON, ProviderAnswer
from agent_runtime_service.remote import faults
from agent_runtime_service.remote.asking import completion, once, question_of, whole_text
from kgents_shared.http.addresses import AddressNotPublic

MOST_BYTES: Final = 4 * 1024 * 1024


class HttpAgent:
    """One conversation with such an agent. It is told the conversation's id, and what was said before all the same."""

    name = REMOTE

    def __init__(self, session: aiohttp.ClientSession, url: str, bearer: str | None, conversation_id: UUID) -> None:
        self._session = session
        self._url = url
        self._bearer = bearer
        self._conversation_id = conversation_id

    @asynccontextmanager
    async def complete(self, request: dict[str, Any], time_left_s: float) -> AsyncGenerator[ProviderAnswer]:
        """See `Provider.complete`."""
        body = {"text": whole_text(question_of(request)), "conversation_id": str(self._conversation_id)}
        try:
            async with asyncio.timeout(time_left_s):
                text = _text(await self._posted(orjson.dumps(body)))
        except TimeoutError as error:
            raise faults.timed_out() from error
        yield ProviderAnswer(JSON, once(completion(text)))

    async def _posted(self, body: bytes) -> bytes:
        headers = {"Content-Type": JSON, "Accept": JSON, "Accept-Encoding": "identity"}
        if self._bearer is not None:
            headers["Authorization"] = f"Bearer {self._bearer}"
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                if answer.status in {401, 403}:
                    raise faults.refused(answer.status)
                content = await answer.content.read(MOST_BYTES + 1)
                while len(content) <= MOST_BYTES and not answer.content.at_eof():
                    content += await answer.content.read(MOST_BYTES + 1 - len(content))
        except AddressNotPublic as error:
            raise faults.address_refused(str(error)) from error
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError) as error:
            raise faults.cut() from error
        except (aiohttp.ClientError, OSError) as error:
            raise faults.unreachable() from error
        if len(content) > MOST_BYTES:
            raise faults.garbage("more than an answer may hold")
        if answer.status != 200:
            raise faults.failed(answer.status, content[:1000].decode("utf-8", "replace"), self._bearer)
        return content


def _text(content: bytes) -> str:
    try:
        text = orjson.loads(content)["text"]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        raise faults.garbage("something that isn't an object with the field text") from None
    if not isinstance(text, str):
        raise faults.garbage("a text that is none")
    return text
