"""Where people's identities come from (DESIGN §3): a Protocol with one conformance suite for all providers."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody, as a provider knows them. `subject` never changes and is never given to somebody else."""

    subject: str
    email: str
    name: str


class IdentityProvider(Protocol):
    """Registers people and checks who they are. Addresses come in lower case."""

    @property
    def name(self) -> str:
        """The provider's name, stored with each person who comes from it."""
        ...

    async def register(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """The identity of that address, and whether it is new. One that was there is left as it is.

        The caller must not let the asker see which it was; the provider takes the same time for both.
        Raises `Unavailable` where it can't answer now.
        """
        ...

    async def authenticate(self, email: str, password: str) -> Identity | None:
        """The identity, or None alike for an unknown address and a wrong password, after the same time.

        Raises `Unavailable` where it can't answer now.
        """
        ...
