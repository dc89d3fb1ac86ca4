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

    async def set_password(self, subject: str, password: str) -> None:
        """Put another password. The caller has made sure that the asker may.

        Raises `Unavailable` where it can't answer now.
        """
        ...

    async def find(self, email: str) -> Identity | None:
        """The identity of that address; for mails to it, never for an answer to the asker.

        Raises `Unavailable` where it can't answer now.
        """
        ...

    async def is_verified(self, subject: str) -> bool:
        """Whether the address was shown to be this person's. Raises `Unavailable` where it can't answer now."""
        ...

    async def mark_verified(self, subject: str) -> None:
        """The person has shown that the address is theirs. Raises `Unavailable` where it can't answer now."""
        ...

    async def authenticate(self, email: str, password: str) -> Identity | None:
        """The identity, or None alike for an unknown address and a wrong password, after the same time.

        Raises `Unavailable` where it can't answer now.
        """
        ...
