"""The connection to NATS: made in the background, kept for ever, never waited for at start (DESIGN §9)."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from types import TracebackType
from typing import Self

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from pydantic import ValidationError

from kgents_shared.contracts.events import CloudEvent

STREAM = "KGENTS"
_SUBJECTS = ["kgents.>"]
_MAX_AGE_S = 7 * 24 * 3600
_DUPLICATE_WINDOW_S = 600
_MAX_BYTES = 2 * 1024**3
_RECONNECT_S = 0.25
_CONNECT_TIMEOUT_S = 2

_log = structlog.get_logger("kgents.events.bus")


class EventBus:
    """A JetStream connection that comes by itself. `jetstream()` waits for it; `connected` tells at once."""

    def __init__(self, url: str, token: str | None = None, *, name: str = "kgents") -> None:
        self._url = url
        self._token = token
        self._name = name
        self._client: Client | None = None
        self._jetstream: JetStreamContext | None = None
        self._lock = asyncio.Lock()
        self._last_error = ""

    @property
    def connected(self) -> bool:
        """Whether the connection stands at this moment."""
        return self._client is not None and self._client.is_connected

    async def is_connected(self) -> bool:
        """The same as a health probe."""
        return self.connected

    async def jetstream(self) -> JetStreamContext:
        """JetStream with the stream in place; raises `nats.errors.Error` or `OSError` while NATS is away."""
        async with self._lock:
            if self._client is None or self._client.is_closed:
                self._client = await self._connect()
                self._jetstream = None
            if self._jetstream is None:
                context = self._client.jetstream(timeout=5)
                await self._ensure_stream(context)
                self._jetstream = context
        return self._jetstream

    async def _connect(self) -> Client:
        client = Client()
        try:
            await client.connect(
                self._url,
                token=self._token,
                name=self._name,
                max_reconnect_attempts=-1,
                reconnect_time_wait=_RECONNECT_S,  # pyright: ignore[reportArgumentType] -- asyncio.sleep takes it
                connect_timeout=_CONNECT_TIMEOUT_S,
                allow_reconnect=True,
                error_cb=self._on_error,
            )
        except BaseException:
            # Cut off half-way, its socket would be closed by the collector: after the loop, which can't be done.
            await _close(client)
            raise
        return client

    async def _ensure_stream(self, context: JetStreamContext) -> None:
        wanted = StreamConfig(
            name=STREAM,
            subjects=_SUBJECTS,
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            max_age=_MAX_AGE_S,
            max_bytes=_MAX_BYTES,
            duplicate_window=_DUPLICATE_WINDOW_S,
        )
        await context.add_stream(wanted)

    async def on_message(self, subject: str, told: Callable[[], None]) -> None:
        """Call `told` at each message on `subject` until the connection is closed; what comes while it is away is lost.

        Raises `nats.errors.Error` or `OSError` while NATS is away, to be called again.
        """
        async with contextlib.aclosing(self.whispers(subject)) as heard:
            async for _ in heard:
                told()

    async def passing(self, subject: str) -> AsyncGenerator[CloudEvent]:
        """The events on `subject` from now on, for each process that listens; what comes while it is away is lost.

        Raises `nats.errors.Error` or `OSError` while NATS is away, to be called again.
        """
        async with contextlib.aclosing(self.whispers(subject)) as heard:
            async for data in heard:
                try:
                    yield CloudEvent.model_validate_json(data)
                except ValidationError as error:
                    _log.warning("event_not_understood", subject=subject, faults=error.error_count())

    async def whisper(self, subject: str, data: bytes) -> None:
        """Tell whoever listens on `subject` right now. It is kept nowhere, and lost while NATS is away.

        Subjects that begin with `kgents.` are the stream's, and so kept: not for these.
        """
        if self._client is None or not self._client.is_connected:
            return
        with contextlib.suppress(NatsError):  # it was passing anyway
            await self._client.publish(subject, data)

    async def whispers(self, subject: str) -> AsyncGenerator[bytes]:
        """What passes on `subject` from now on, as it is.

        Raises `nats.errors.Error` or `OSError` while NATS is away, to be called again.
        """
        await self.jetstream()
        if self._client is None:
            return
        subscription = await self._client.subscribe(subject)
        try:
            async for message in subscription.messages:
                yield message.data
        finally:
            with contextlib.suppress(NatsError):
                await subscription.unsubscribe()

    def stream_lost(self) -> None:
        """Make the stream anew at the next use: a server that came back without its data has none."""
        self._jetstream = None

    async def _on_error(self, error: Exception) -> None:
        told = repr(error)
        if told != self._last_error:  # tried again four times a second: each kind of trouble is told once
            _log.warning("nats_connection", error=told)
            self._last_error = told

    async def close(self) -> None:
        """Close the connection."""
        if self._client is not None:
            await _close(self._client)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


async def _close(client: Client) -> None:
    if client.is_closed:
        return
    try:
        await asyncio.wait_for(client.close(), timeout=2)
    except (NatsError, TimeoutError, OSError) as error:
        _log.warning("nats_close_failed", error=repr(error))
