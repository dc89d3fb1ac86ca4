"""Whose credentials a caller sees, and whose it may change."""

from kgents_shared.auth import Principal


def readable(principal: Principal) -> frozenset[str]:
    """The owners whose credentials the caller sees, without their secrets."""
    return frozenset({principal.owner_id})


def writable(principal: Principal) -> frozenset[str]:
    """The owners whose credentials the caller may rotate and delete."""
    return frozenset({principal.owner_id})
