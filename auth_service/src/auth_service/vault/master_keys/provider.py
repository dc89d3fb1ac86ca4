"""What a store of master keys is; one conformance suite runs over all of them."""

from typing import Protocol

from auth_service.vault.master_keys.ring import KeyRing, MasterKey


class MasterKeyError(RuntimeError):
    """The master keys can't be used. The sentence says why and what to do; it holds nothing of a key."""


class KeyStoreReadOnly(MasterKeyError):
    """A key can't be added here; an operator has to."""


class KeyProvider(Protocol):
    """A store of master keys."""

    @property
    def place(self) -> str:
        """Where the keys lie, in words for an operator."""
        ...

    async def load(self) -> KeyRing | None:
        """The keys as they are kept at this moment, None where none ever were.

        Raises:
            MasterKeyError: they can't be read, or what is there are no keys.
        """
        ...

    async def add(self, key: MasterKey) -> None:
        """Keep one more key, in front of the others, which all stay. Its callers add one at a time.

        Raises:
            KeyStoreReadOnly: this process may not write there.
            MasterKeyError: the store can't be reached or used.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
