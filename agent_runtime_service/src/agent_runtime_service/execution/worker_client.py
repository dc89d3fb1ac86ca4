"""The front's side of the hop to one instance: HTTP over its Unix socket (or TCP), kept alive, NDJSON back."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import aiohttp
import orjson
from yarl import URL

_CONNECT_S = 2.0
_HEALTH_S = 0.5
_MAX_ANSWER_BYTES = 32 * 1024 * 1024
# A worker's answer that sends the run elsewhere: it drains, or it was registered anew with another token.
_ELSEWHERE = {401, 503}


class WorkerLost(Exception):
    """The instance gave no end to the run. `accepted` says that it may have begun it."""

    def __init__(self, why: str, *, accepted: bool) -> None:
        super().__init__(why)
        self.accepted = accepted


class WorkerClient:
    """Calls one instance. The session opens with the first call and is closed, for good, by `close`."""

    def __init__(self, endpoint_url: str, token_hash: str) -> None:
        self._unix_path = endpoint_url.removeprefix("unix:") if endpoint_url.startswith("unix:") else None
        base = URL("http://worker") if self._unix_path is not None else URL(endpoint_url)
        self._runs = base / "runs"
        self._health = base / "health"
        self._gauge = base / "gauge"
        self._headers = {"Authorization": f"Bearer {token_hash}", "Content-Type": "application/json"}
        self._session: aiohttp.ClientSession | None = None
        self._is_closed = False

    def _open(self) -> aiohttp.ClientSession:
        if self._is_closed:
            raise aiohttp.ClientConnectionError("The instance was removed.")
        if self._session is None:
            connector = (
                aiohttp.UnixConnector(self._unix_path, limit=0, keepalive_timeout=600)
                if self._unix_path is not None
                else aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                read_bufsize=256 * 1024,
                auto_decompress=False,
            )
        return self._session

    async def run(self, body: bytes) -> AsyncGenerator[dict[str, Any]]:
        """The worker's events of one run, the last one `final` or `failed`; raises `WorkerLost`.

        Closing the generator early closes the connection, which cancels the run in the worker. Go on to its end
        otherwise: one that is dropped after its last event costs the loop a task that closes it.
        """
        accepted = False
        try:
            async with self._open().post(self._runs, data=body) as answer:
                if answer.status != 200:
                    raise WorkerLost(f"the worker answered {answer.status}", accepted=answer.status not in _ELSEWHERE)
                accepted = True
                lines = _Lines()
                async for data in answer.content.iter_any():
                    for line in lines.feed(data):
                        event: dict[str, Any] = orjson.loads(line)
                        yield event
                        if event["type"] in {"final", "failed"}:
                            return
        except aiohttp.ClientConnectorError as error:
            raise WorkerLost(repr(error), accepted=False) from error
        except (aiohttp.ClientError, OSError, orjson.JSONDecodeError, KeyError, TypeError) as error:
            raise WorkerLost(repr(error), accepted=True) from error
        raise WorkerLost("the worker's answer has no end", accepted=accepted)

    async def cancel(self, run_id: UUID) -> None:
        """Ask for the end of a run; a worker that can't be reached has ended it already."""
        try:
            async with self._open().delete(self._runs / str(run_id)):
                return
        except (aiohttp.ClientError, OSError):
            return

    async def is_healthy(self) -> bool:
        """Whether the worker takes runs right now."""
        try:
            timeout = aiohttp.ClientTimeout(total=_HEALTH_S)
            async with self._open().get(self._health, timeout=timeout) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    async def tokens_factor(self) -> float:
        """How many tokens its model takes for one of our count, as far as the worker has learnt; 1 if it doesn't say"""
        try:
            timeout = aiohttp.ClientTimeout(total=_HEALTH_S)
            async with self._open().get(self._gauge, timeout=timeout) as answer:
                return float(orjson.loads(await answer.read())["factor"]) if answer.status == 200 else 1.0
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError, TypeError):
            return 1.0

    async def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        if self._session is not None:
            await self._session.close()


class _Lines:
    """Lines of any length, all of them up to the bound; aiohttp's own readline stops at its buffer's size."""

    def __init__(self) -> None:
        self._rest = b""
        self._size = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that the bytes end."""
        self._size += len(data)
        if self._size > _MAX_ANSWER_BYTES:
            raise aiohttp.ClientPayloadError("the worker's answer has no end")
        self._rest += data
        if b"\n" not in data:
            return []
        *whole, self._rest = self._rest.split(b"\n")
        return whole
