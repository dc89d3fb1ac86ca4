"""A durable, bounded, watched consumer (DESIGN §9)."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from pydantic import ValidationError

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.errors import Unavailable
from kgents_shared.errors.handlers import is_database_away
from kgents_shared.events.bus import STREAM, EventBus

_log = structlog.get_logger("kgents.events.consumer")
_FETCH_S = 2.0
_WATCHDOG_S = 15.0
_BATCH = 64
_FIRST_RETRY_S = 0.2
_LONGEST_RETRY_S = 5.0
_IDLE_ROUNDS = 2

Handler = Callable[[CloudEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class ConsumerSpec:
    """A durable's name, what it listens to (`kgents.agents.agent.*`), and when an event counts as poison."""

    durable: str
    subjects: tuple[str, ...]
    max_tries: int = 8
    ack_wait_s: float = 30.0


class ConsumerStalled(Exception):
    """Events wait for a consumer that gets none: it must bind anew."""


class DurableConsumer:
    """Hands each event to `handler` at least once; the handler is idempotent by event id or generation.

    An event that fails `max_tries` times goes to `kgents.dead.<durable>` with its fault, and is done with; not so
    where the fault is that the database or another service is away, which says nothing of the event.
    """

    def __init__(self, bus: EventBus, spec: ConsumerSpec, handler: Handler) -> None:
        self._bus = bus
        self._spec = spec
        self._handler = handler
        self._missed = 0

    async def run(self) -> None:
        """Consume until cancelled; raises where NATS is away or stands still, to be run again."""
        try:
            jetstream = await self._bus.jetstream()
            config = ConsumerConfig(
                durable_name=self._spec.durable,
                ack_policy=AckPolicy.EXPLICIT,
                deliver_policy=DeliverPolicy.ALL,
                ack_wait=self._spec.ack_wait_s,
                filter_subjects=list(self._spec.subjects),
                max_deliver=-1,
            )
            await jetstream.add_consumer(STREAM, config)
            subscription = await jetstream.pull_subscribe_bind(durable=self._spec.durable, stream=STREAM)
            try:
                self._missed = 0
                while True:
                    await self._round(jetstream, subscription)
            finally:
                await subscription.unsubscribe()
        except Exception:
            self._bus.stream_lost()
            raise

    async def _round(self, jetstream: JetStreamContext, subscription: JetStreamContext.PullSubscription) -> None:
        # The outer bound is the watchdog: a fetch that outlives its own bound has lost its server.
        watchdog = asyncio.timeout(_WATCHDOG_S)
        try:
            async with watchdog:
                messages = await subscription.fetch(_BATCH, timeout=_FETCH_S)
        except TimeoutError:
            if watchdog.expired():
                raise
            await self._watch(jetstream)
            return
        self._missed = 0
        for message in messages:
            await self._handle(jetstream, message)

    async def _watch(self, jetstream: JetStreamContext) -> None:
        """After an idle fetch: raise where the consumer is gone, or where events wait that it wasn't given."""
        info = await jetstream.consumer_info(STREAM, self._spec.durable)
        self._missed = self._missed + 1 if info.num_pending else 0
        if self._missed > _IDLE_ROUNDS:
            raise ConsumerStalled(f"{info.num_pending} events wait for {self._spec.durable}, and none comes")

    async def _handle(self, jetstream: JetStreamContext, message: Msg) -> None:
        try:
            await self._handler(CloudEvent.model_validate_json(message.data))
        except ValidationError as error:
            await self._bury(jetstream, message, error)
        except Exception as error:  # noqa: BLE001 -- the fault decides between another try and the dead-letter subject
            tries = message.metadata.num_delivered
            if tries >= self._spec.max_tries and not _passes(error):
                await self._bury(jetstream, message, error)
            else:
                _log.warning("event_failed", durable=self._spec.durable, tries=tries, error=repr(error))
                await message.nak(delay=min(_FIRST_RETRY_S * 2 ** min(tries - 1, 10), _LONGEST_RETRY_S))
        else:
            await message.ack()

    async def _bury(self, jetstream: JetStreamContext, message: Msg, error: Exception) -> None:
        _log.error("event_buried", durable=self._spec.durable, subject=message.subject, error=repr(error))
        headers = {"Kgents-Error": type(error).__name__, "Kgents-Subject": message.subject}
        await jetstream.publish(f"kgents.dead.{self._spec.durable}", message.data, stream=STREAM, headers=headers)
        await message.term()


def _passes(error: Exception) -> bool:
    return isinstance(error, Unavailable) or is_database_away(error)
