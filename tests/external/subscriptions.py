"""Listening to a stream in a test."""

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
