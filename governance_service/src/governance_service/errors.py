"""This service's errors: one status and one stable code each."""

from collections.abc import Sequence

from kgents_shared.errors import Conflict, FaultItem, Forbidden, InvalidInput, NotFound, TooManyRequests


class ApprovalNotFound(NotFound):
    """404, the same for an approval that isn't there and for another owner's."""

    default_code = "approval_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such approval.")


class AlreadyDecided(Conflict):
    """409: it is pending no longer; `approval_status` says what became of it."""

    default_code = "approval_decided"

    def __init__(self, status: str) -> None:
        super().__init__(
            f"There is nothing left to decide: the approval is {status}.", extra={"approval_status": status}
        )


class NotInPerson(Forbidden):
    """403: no login of a person's own."""

    default_code = "not_in_person"

    def __init__(self) -> None:
        super().__init__(
            "Only a person decides, with a login of their own: no key, no application, nobody who acts for somebody."
        )


class OwnRequest(Forbidden):
    """403: what belongs to an organisation is approved by somebody else than who asked."""

    default_code = "own_request"

    def __init__(self) -> None:
        super().__init__(
            "You asked for this: in an organisation somebody else who may approves it. You can take it back: reject it."
        )


class NotUsable(Conflict):
    """409: the approval doesn't let this be carried out; `reason` says why, `approval_status` where it stands."""

    default_code = "approval_not_usable"

    def __init__(self, reason: str, sentence: str, status: str) -> None:
        super().__init__(sentence, extra={"reason": reason, "approval_status": status})


class AlreadyConsumed(Conflict):
    """409: this very request consumed it before."""

    default_code = "approval_consumed"

    def __init__(self) -> None:
        super().__init__("This request consumed the approval before.", extra={"approval_status": "consumed"})


class RequestKeyReused(Conflict):
    """409: the request key stands for an approval of something else."""

    default_code = "approval_key_reused"

    def __init__(self) -> None:
        super().__init__("This request key stands for the approval of something else.")


class TooManyApprovals(TooManyRequests):
    """429: as many approvals wait for the owner as may."""

    default_code = "too_many_approvals"

    def __init__(self, most: int) -> None:
        super().__init__(f"{most} approvals wait already: decide on some of them first.", retry_after_s=60)


class PolicyNotFound(NotFound):
    """404, the same for a policy that isn't there and for another owner's."""

    default_code = "policy_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such policy.")


class PolicyNameTaken(Conflict):
    """409: the owner has a policy of this name."""

    default_code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is a policy named {name} already: change that one.")


class PolicyChangedMeanwhile(Conflict):
    """409: it isn't the version that the change was made for; `version` is the newest."""

    default_code = "policy_changed"

    def __init__(self, version: int) -> None:
        super().__init__(f"The policy was changed meanwhile: it is at version {version}.", extra={"version": version})


class TooManyPolicies(Conflict):
    """409: the owner has as many policies, or as long ones, as they may."""

    default_code = "too_many_rules"

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: delete what isn't needed, or say it with fewer rules.")


class PolicyRefused(InvalidInput):
    """422: the text is no policy."""

    default_code = "policy_refused"

    def __init__(self, faults: Sequence[FaultItem]) -> None:
        super().__init__("The text can't be taken as a policy.", errors=faults)
