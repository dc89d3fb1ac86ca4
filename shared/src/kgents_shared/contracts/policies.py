"""The feed of policies between the governance service and whoever enforces them (DESIGN §8)."""

from uuid import UUID

from kgents_shared.contracts.model import Contract

POLICY_CHANGED = "policy.changed"
# Where governance tells that there is something new to read; what is missed there, the next poll finds.
POLICY_SUBJECT = f"kgents.governance.{POLICY_CHANGED}"


class FedPolicy(Contract):
    """A policy as it is now. Without an owner it is the platform's; one that is not `in_force` decides nothing."""

    id: UUID
    owner_id: str | None
    name: str
    text: str
    version: int
    in_force: bool


class PolicyPage(Contract):
    """`GET /internal/policies?after=`: what changed after that position, up to `position`; `more`: ask on."""

    position: int
    more: bool
    items: tuple[FedPolicy, ...]


class PolicyChanged(Contract):
    """Data of the event `policy.changed`."""

    policy_id: UUID
    owner_id: str | None
    version: int
