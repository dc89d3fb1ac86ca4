"""When something was made, as its id says it (RFC 9562 §5.7)."""

from uuid import UUID


def made_at(made: UUID) -> int:
    """Unix seconds of a UUIDv7; 0 for an id that tells no time."""
    return (made.int >> 80) // 1000 if made.version == 7 else 0
