"""What the kinds' API refuses."""

from collections.abc import Sequence
from uuid import UUID

from agent_management_service.kinds.kind import Kind
from kgents_shared.errors import Conflict, FaultItem, InvalidInput, NotFound

_NAMED_IN_A_SENTENCE = 5


class KindNotFound(NotFound):
    """404, the same for what isn't there and for another owner's."""

    default_code = "kind_not_found"

    def __init__(self, kind: Kind) -> None:
        super().__init__(f"There is no such {kind}.")


class KindNameTaken(Conflict):
    """409: the owner already has one of that kind and name."""

    default_code = "name_taken"

    def __init__(self, kind: Kind, name: str) -> None:
        super().__init__(f'You already have a {kind} named "{name}": choose another name, or update that {kind}.')


class KindInUse(Conflict):
    """409: something refers to it; `used_by` lists up to 100 of them as `{kind, id, name}`."""

    default_code = "in_use"

    def __init__(self, kind: Kind, name: str, users: Sequence[tuple[Kind, UUID, str]]) -> None:
        shown = ", ".join(f'{user} "{called}"' for user, _, called in users[:_NAMED_IN_A_SENTENCE])
        more = len(users) - _NAMED_IN_A_SENTENCE
        rest = f" and {more} more" if more > 0 else ""
        used_by = [{"kind": user.value, "id": str(its_id), "name": called} for user, its_id, called in users]
        super().__init__(
            f'The {kind} "{name}" is used by {shown}{rest}: change or delete what uses it first.',
            extra={"used_by": used_by},
        )


class ReferenceMissing(InvalidInput):
    """422: a part that is named isn't there, or belongs to another owner."""

    default_code = "reference_missing"

    def __init__(self, what: Kind, faults: Sequence[FaultItem]) -> None:
        super().__init__(f"The {what} names what isn't there. Each is listed in errors.", errors=faults)


class TeamNotOfParts(InvalidInput):
    """422: a team where an agent of one ghost, model and shell belongs."""

    default_code = "team_not_of_parts"

    def __init__(self) -> None:
        hint = "take its members apart, and make a team of their bots"
        fault = FaultItem(("team",), "a team is made of bots", "team_not_of_parts", hint)
        super().__init__("A team can't be taken apart into a bot.", errors=[fault])


class NotRunnable(InvalidInput):
    """422: a bot or team that is stored but can't be published on this platform yet."""

    default_code = "not_runnable"

    def __init__(self, what: Kind, name: str, faults: Sequence[FaultItem]) -> None:
        super().__init__(f'The {what} "{name}" can\'t be published. Each reason is listed in errors.', errors=faults)
