"""What the profiles' API refuses."""

from collections.abc import Sequence

from kgents_shared.errors import Conflict, FaultItem, Forbidden, InvalidInput, NotFound


class AttestationNotFound(NotFound):
    """404: the profile has no such attestation."""

    default_code = "attestation_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such attestation.")


class AttestationsStand(Conflict):
    """409: a profile is deleted once nothing vouches for it any more."""

    default_code = "attestations_stand"

    def __init__(self, name: str, number: int) -> None:
        super().__init__(
            f'The profile "{name}" has {number} valid attestations: revoke them first, so that nobody relies on them.'
        )


class NotOfTheProfile(InvalidInput):
    """422: an attestation of what the profile doesn't claim."""

    default_code = "capability_not_claimed"

    def __init__(self, faults: Sequence[FaultItem]) -> None:
        super().__init__("The profile claims no such capability. Each is listed in errors.", errors=faults)


class AgentGone(Conflict):
    """409: nobody attests a deleted agent."""

    default_code = "agent_deleted"

    def __init__(self) -> None:
        super().__init__("The profile's agent was deleted: give the profile another agent first.")


class NotInPerson(Forbidden):
    """403: an attestation is its attester's own word."""

    default_code = "not_in_person"

    def __init__(self) -> None:
        super().__init__("Whoever acts for somebody can't attest in their name: ask them.")
