"""Listening to a stream in a test."""

from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, DeliverPolicy

# Longer than the slowest machine takes from one fetch to the next; a consumer of nobody's goes then.
_KEPT_S = 120


async def listening(
    jetstream: JetStreamContext, subject: str, deliver: DeliverPolicy | None = None
) -> JetStreamContext.PullSubscription:
    """A subscription to a subject, from the beginning or from now on."""
    config = ConsumerConfig(inactive_threshold=_KEPT_S, deliver_policy=deliver)
    return await jetstream.pull_subscribe(subject, stream="KGENTS", config=config)


async def all_waiting(subscription: JetStreamContext.PullSubscription) -> list[Msg]:
    """What came until now and wasn't fetched yet; at most a thousand, since none is acknowledged."""
    waiting = (await subscription.consumer_info()).num_pending
    return await subscription.fetch(waiting, timeout=10) if waiting else []
