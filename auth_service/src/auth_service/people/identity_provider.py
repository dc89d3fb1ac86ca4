"""Where people's identities come from (DESIGN §3): a Protocol with one conformance suite for all providers."""

from dataclasses import dataclass
from typing import Protocol

from kgents_shared.errors import FaultItem


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody, as a provider knows them. `subject` never changes and is never given to somebody else."""

    subject: str
    email: str
    name: str


class IdentityProvider(Protocol):
    """Registers people and checks who they are. Addresses come in lower case.

    Every call that asks the provider raises `Unavailable` where it can't answer now.
    """

    @property
    def name(self) -> str:
        """The provider's name, stored with each person who comes from it."""
        ...

    @property
    def shuts_out(self) -> bool:
        """Whether it may stop letting somebody in without our doing: then it is asked whenever a session goes on."""
        ...

    def password_fault(self, password: str, field: str) -> FaultItem | None:
        """Why this provider couldn't keep all of a new password, or None; `field` is where it stands in the body."""
        ...

    async def register(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """The identity of that address, and whether it is new. One that was there is left as it is.

        The caller must not let the asker see which it was; the provider takes the same time for both.
        Raises `InvalidInput` for what its own rules refuse, whether or not the address is known.
        """
        ...

    async def create(self, email: str, password: str, name: str) -> tuple[Identity, bool]:
        """As `register`, by an administrator: no rule about who may register counts, and a new address is verified."""
        ...

    async def take_over(self, email: str, name: str, password_hash: str) -> tuple[Identity, bool]:
        """As `create`, for somebody who comes from another system with their bcrypt or argon2id hash.

        Raises ValueError for a hash of another kind.
        """
        ...

    async def set_password(self, subject: str, password: str) -> None:
        """Put another password. The caller has made sure that the asker may. Nothing happens for nobody.

        Raises `InvalidInput` for what its own rules refuse.
        """
        ...

    async def find(self, email: str) -> Identity | None:
        """The identity of that address; for mails to it, never for an answer to the asker."""
        ...

    async def is_verified(self, subject: str) -> bool:
        """Whether the address was shown to be this person's."""
        ...

    async def mark_verified(self, identity: Identity) -> None:
        """The person has shown that this address is theirs. Nothing happens for nobody, or where it isn't any more."""
        ...

    async def remove(self, subject: str) -> None:
        """Delete the account for good. Nothing happens for nobody."""
        ...

    async def lets_in(self, subject: str) -> bool:
        """Whether somebody who was authenticated before still would be: neither deleted nor banned since."""
        ...

    async def authenticate(self, email: str, password: str) -> Identity | None:
        """The identity, or None alike for an unknown address and a wrong password, after the same time.

        Raises `Forbidden` for whom the provider doesn't let in yet; that is told to who knows the password alone.
        """
        ...
