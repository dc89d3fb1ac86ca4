"""This service's errors: one status and one stable code each."""

from collections.abc import Sequence
from typing import Any

from kgents_shared.errors import Conflict, FaultItem, GatewayTimeout, InvalidInput, NotFound, TooManyRequests


class DraftNotFound(NotFound):
    """404, the same for a drafting that isn't there and for another owner's."""

    default_code = "draft_not_found"

    def __init__(self) -> None:
        super().__init__("There is no such drafting.")


class DraftNotValid(InvalidInput):
    """422: the last draft still has faults, which `errors` lists."""

    default_code = "draft_not_valid"

    def __init__(self, attempts: int, faults: Sequence[FaultItem]) -> None:
        super().__init__(
            f"The model drafted {attempts} times, and what it drafted last still has faults; each is listed in errors.",
            errors=faults,
        )


class CredentialNotFound(InvalidInput):
    """422: the account that the request names is none of the owner's."""

    default_code = "credential_not_found"

    def __init__(self, sentence: str) -> None:
        fault = FaultItem(("llm", "credential_ref"), sentence, "credential_not_found", "name one of your own")
        super().__init__("The model's account can't be used.", errors=[fault])


class DraftUnderWay(Conflict):
    """409: the request of that Idempotency-Key is still being answered."""

    default_code = "draft_under_way"

    def __init__(self, extra: dict[str, Any]) -> None:
        super().__init__("The drafting of this Idempotency-Key is under way.", extra=extra)


class KeyReused(InvalidInput):
    """422: an Idempotency-Key that came before with another request."""

    default_code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("This Idempotency-Key was used for another request: take a new key.")


class NameTaken(Conflict):
    """409: the owner has an agent of the name that was asked for."""

    default_code = "name_taken"

    def __init__(self, name: str) -> None:
        super().__init__(f'There is an agent named "{name}" already: choose another name, or leave it to the model.')


class TooManyDrafts(TooManyRequests):
    """429: as many draftings are under way as may be."""

    default_code = "too_many_drafts"


class DraftTimeout(GatewayTimeout):
    """504: the drafting took longer than it may."""

    default_code = "draft_timeout"

    def __init__(self, seconds: float) -> None:
        super().__init__(f"The drafting did not end within {seconds:.0f} seconds.")
