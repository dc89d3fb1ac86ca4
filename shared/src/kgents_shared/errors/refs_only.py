"""The refs-only check as an error: every place of a document that looks like a secret at once (DESIGN §3)."""

from kgents_shared.contracts.refs import FoundSecret, secrets_in
from kgents_shared.errors.api_errors import FaultItem, InvalidInput

SECRET_IN_DOCUMENT = "secret_in_document"  # noqa: S105 -- an error's code
_HINT = (
    "keep it with POST /credentials and write its credential_ref here; if it is real, replace it where it came from: "
    "others may have read it"
)


class SecretInDocument(InvalidInput):
    """422: a document that carries what looks like a secret. The secret isn't quoted."""

    default_code = SECRET_IN_DOCUMENT


def secret_fault(found: FoundSecret, *before: str) -> FaultItem:
    """The fault at a place; `before` is what its caller puts in front of every place."""
    return FaultItem((*before, *found.loc), f"holds {found.what}", SECRET_IN_DOCUMENT, _HINT)


def refuse_secrets(document: object, *before: str) -> None:
    """Raise `SecretInDocument` where a parsed document carries what looks like a secret."""
    faults = [secret_fault(found, *before) for found in secrets_in(document)]
    if faults:
        raise SecretInDocument(
            "The document holds what looks like a secret; each place is listed in errors.", errors=faults
        )
