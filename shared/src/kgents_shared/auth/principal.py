"""The one who asks."""

from dataclasses import dataclass
from typing import Literal

PrincipalKind = Literal["person", "machine", "service"]


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `owner_id` is what repositories filter by; `expires_at` is Unix seconds."""

    subject: str
    kind: PrincipalKind
    owner_id: str
    client_id: str
    scopes: frozenset[str]
    roles: frozenset[str]
    token_id: str
    expires_at: int
