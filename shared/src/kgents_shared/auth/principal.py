"""The one who asks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

PrincipalKind = Literal["person", "machine", "service"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. New things belong to `owner_id`; repositories filter by `owner_ids`.

    `expires_at` is Unix seconds.
    `session_id` names the login that a person's token came of. `epoch` is how often everything of this subject had been
    revoked when the token was issued. `actor` is who acts for the subject (RFC 8693 §4.1). `organisations`: slug → id.
    `depends_on` are others whose revocation ends the token too (who acts, who owns the client), each with its epoch;
    `derived_from` are the ids of the tokens that it was exchanged for.
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
    organisations: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    depends_on: tuple[tuple[str, int], ...] = ()
    derived_from: frozenset[str] = frozenset()

    @property
    def owner_ids(self) -> frozenset[str]:
        """Whose things this caller may see: their own and their organisations'."""
        return frozenset({self.owner_id, *self.organisations.values()})
