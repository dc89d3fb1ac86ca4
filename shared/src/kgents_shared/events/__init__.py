"""State changes told to other services: outbox → relay → JetStream → idempotent consumers (DESIGN §9)."""

from kgents_shared.contracts.events import CloudEvent
from kgents_shared.events.bus import STREAM, EventBus
from kgents_shared.events.consumer import ConsumerSpec, DurableConsumer
from kgents_shared.events.outbox import OUTBOX_INSERT, add_to_outbox, make_event, outbox_table, subject_of
from kgents_shared.events.relay import OutboxRelay

__all__ = [
    "OUTBOX_INSERT",
    "STREAM",
    "CloudEvent",
    "ConsumerSpec",
    "DurableConsumer",
    "EventBus",
    "OutboxRelay",
    "add_to_outbox",
    "make_event",
    "outbox_table",
    "subject_of",
]
