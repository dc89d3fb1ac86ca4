"""The platform's own hooks: what is referred to exists and stays, and every change is told."""

from typing import Any
from uuid import UUID

from agent_management_service.kinds.errors import KindInUse, ReferenceMissing
from agent_management_service.kinds.events import What
from agent_management_service.kinds.hooks import Change, HookRegistry, HookWork, Moment
from agent_management_service.kinds.kind import PARTS, Kind
from kgents_shared.errors import FaultItem

_TOLD: dict[Moment, What] = {
    Moment.POST_CREATE: "created",
    Moment.POST_UPDATE: "updated",
    Moment.POST_DELETE: "deleted",
}


async def parts_exist(work: HookWork, _: Moment, change: Change) -> None:
    """A bot's ghost, model and shell are its owner's; `ReferenceMissing` names each that isn't."""
    columns = change.columns or {}
    faults: list[FaultItem] = []
    for kind in PARTS:
        field = f"{kind}_id"
        wanted: UUID = columns[field]
        if not await work.kinds.of(kind).held(change.owner_id, [wanted]):
            faults.append(_missing((field,), kind))
    if faults:
        raise ReferenceMissing(change.kind, faults)


async def members_exist(work: HookWork, _: Moment, change: Change) -> None:
    """A team's bots are its owner's; `ReferenceMissing` names each that isn't."""
    members: list[dict[str, Any]] = (change.columns or {})["members"]
    wanted = [UUID(member["bot_id"]) for member in members]
    found = await work.kinds.bots.held(change.owner_id, wanted)
    faults = [_missing(("members", place, "bot_id"), Kind.BOT) for place, one in enumerate(wanted) if one not in found]
    if faults:
        raise ReferenceMissing(change.kind, faults)


async def nothing_uses_it(work: HookWork, _: Moment, change: Change) -> None:
    """What something refers to stays; `KindInUse` names what does."""
    if change.row is None:
        return
    user = Kind.TEAM if change.kind == Kind.BOT else Kind.BOT
    rows = await work.kinds.of(user).having(change.owner_id, f"{change.kind}_id", change.row.id)
    if rows:
        raise KindInUse(change.kind, change.row.name, [(user, row.id, row.name) for row in rows])


async def tell(work: HookWork, moment: Moment, change: Change) -> None:
    """Write the change to the outbox."""
    if change.row is not None:
        await work.events.tell(change.kind, _TOLD[moment], change.row)


def platform_hooks() -> HookRegistry:
    """The hooks that every change of a kind goes through."""
    hooks = HookRegistry()
    hooks.add(parts_exist, [Moment.PRE_CREATE, Moment.PRE_UPDATE], [Kind.BOT])
    hooks.add(members_exist, [Moment.PRE_CREATE, Moment.PRE_UPDATE], [Kind.TEAM])
    hooks.add(nothing_uses_it, [Moment.PRE_DELETE], [*PARTS, Kind.BOT])
    hooks.add(tell, [Moment.POST_CREATE, Moment.POST_UPDATE, Moment.POST_DELETE])
    return hooks


def _missing(loc: tuple[str | int, ...], kind: Kind) -> FaultItem:
    return FaultItem(
        loc, f"there is no such {kind} of this owner", "reference_missing", f"list them with GET /kinds/{kind.plural}"
    )
