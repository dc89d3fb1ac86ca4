"""Identifiers: UUIDv7 (RFC 9562 §5.7), so that their order is the order of creation."""

from uuid import UUID

import uuid_utils


def new_id() -> UUID:
    """A new UUIDv7, monotonic within this process."""
    return UUID(bytes=uuid_utils.uuid7().bytes)
