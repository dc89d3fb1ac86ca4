"""The one who asks."""

from dataclasses import dataclass
from typing import Literal

PrincipalKind = Literal["person", "machine", "service"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. New things belong to `owner_id`; repositories filter by `owner_ids`.

    `expires_at` is Unix seconds.
    `session_id` names the login that a person's token came of. `epoch` is how often everything of this subject had been
    revoked when the token was issued. `actor` is who acts for the subject (RFC 8693 §4.1). `organisations` are ids.
    """

    subject: str
    kind: PrincipalKind
    owner_id: str
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    token_id: str
    expires_at: int
    session_id: str | None = None
    epoch: int = 0
    actor: str | None = None
    organisations: frozenset[str] = frozenset()

    @property
    def owner_ids(self) -> frozenset[str]:
        """Whose things this caller may see: their own and their organisations'."""
        return self.organisations | {self.owner_id}
