"""What holds around each change of a profile: its agent exists, and it stays while somebody vouches for it."""

from agent_management_service.kinds.hooks import Change, HookRegistry, HookWork, Moment
from agent_management_service.kinds.kind import Kind
from agent_management_service.profiles.errors import AttestationsStand
from agent_management_service.profiles.repository import AttestationRepository
from agent_management_service.wrappers.rules import agent_exists


async def nobody_vouches(work: HookWork, _: Moment, change: Change) -> None:
    """A profile with a valid attestation stays; `AttestationsStand`."""
    if change.row is None:
        return
    number = await AttestationRepository(work.events.session).standing(change.row.id)
    if number:
        raise AttestationsStand(change.row.name, number)


def add_profile_hooks(hooks: HookRegistry) -> None:
    """The hooks that every change of a profile goes through."""
    hooks.add(agent_exists, [Moment.PRE_CREATE, Moment.PRE_UPDATE], [Kind.PROFILE])
    hooks.add(nobody_vouches, [Moment.PRE_DELETE], [Kind.PROFILE])
