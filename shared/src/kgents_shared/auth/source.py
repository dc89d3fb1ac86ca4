"""What a service knows of the auth service: one seam, over HTTP in production, in memory where a test issues tokens."""

from dataclasses import dataclass

from kgents_shared.auth.api_keys import ApiKeySource
from kgents_shared.auth.keys import KeySource
from kgents_shared.auth.revocations import Revocations


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """The public keys, what was revoked, and the API keys."""

    keys: KeySource
    revocations: Revocations
    api_keys: ApiKeySource
