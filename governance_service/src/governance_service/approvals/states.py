"""Where an approval may stand, and every way from one place to another."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class ApprovalStatus(StrEnum):
    """Where an approval stands."""

    PENDING = "pending"
    """Nobody has decided."""
    APPROVED = "approved"
    """A person said yes; nothing was carried out yet."""
    REJECTED = "rejected"
    """A person said no."""
    EXPIRED = "expired"
    """Its time passed before it was consumed."""
    CONSUMED = "consumed"
    """What it is about is being carried out, this once."""
    CANCELLED = "cancelled"
    """Nobody waits for it any more, or its decider may decide no longer."""


@dataclass(frozen=True, slots=True)
class Move:
    """A way from one state to another; `name` is how the record tells of it. Others than these there are none."""

    name: str
    before: frozenset[ApprovalStatus]
    after: ApprovalStatus


_PENDING = frozenset({ApprovalStatus.PENDING})
_APPROVED = frozenset({ApprovalStatus.APPROVED})
LIVE = _PENDING | _APPROVED

APPROVE = Move("approved", _PENDING, ApprovalStatus.APPROVED)
REJECT = Move("rejected", _PENDING, ApprovalStatus.REJECTED)
EXPIRE = Move("expired", LIVE, ApprovalStatus.EXPIRED)
CANCEL = Move("cancelled", LIVE, ApprovalStatus.CANCELLED)
VOID = Move("voided", _APPROVED, ApprovalStatus.CANCELLED)
CONSUME = Move("consumed", _APPROVED, ApprovalStatus.CONSUMED)

DECISIONS: Mapping[str, Move] = MappingProxyType({"approve": APPROVE, "reject": REJECT})
# What a record tells of beside moves.
ASKED = "asked"
REFUSED = "refused"
