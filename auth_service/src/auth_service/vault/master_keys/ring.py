"""Master keys, and the text that every store keeps them as."""

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from typing import Self

_KEY_BYTES = 32
_ID_CHARS = 24


@dataclass(frozen=True, slots=True, repr=False)
class MasterKey:
    """An AES-256 key. Its id is made of the key itself, so that no key can stand under another's id."""

    id: str
    material: bytes

    @classmethod
    def of(cls, material: bytes) -> Self:
        """The key of these 32 bytes."""
        if len(material) != _KEY_BYTES:
            raise ValueError(f"a master key has {_KEY_BYTES} bytes")
        digest = hashlib.sha256(b"kgents master key\0" + material).hexdigest()
        return cls(f"mk_{digest[:_ID_CHARS]}", material)

    @classmethod
    def generate(cls) -> Self:
        """A new random key."""
        return cls.of(secrets.token_bytes(_KEY_BYTES))

    def __repr__(self) -> str:
        return f"MasterKey({self.id})"


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The keys of a store, the newest first; at least one.

    As text it is one line of base64 a key. Empty lines and those that begin with # are passed over, so that an
    operator may write one by hand: `openssl rand -base64 32`.
    """

    keys: tuple[MasterKey, ...]

    @property
    def newest(self) -> MasterKey:
        """The key that was put in last."""
        return self.keys[0]

    def get(self, key_id: str) -> MasterKey | None:
        """The key of that id."""
        return next((key for key in self.keys if key.id == key_id), None)

    def with_newest(self, key: MasterKey) -> "KeyRing":
        """The ring with `key` in front; every other key stays."""
        return KeyRing((key, *(each for each in self.keys if each.id != key.id)))

    def as_text(self) -> str:
        """What a store keeps."""
        return "".join(f"{base64.b64encode(key.material).decode()}\n" for key in self.keys)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The ring of such a text. ValueError without any of the text in it where it holds something else."""
        keys: list[MasterKey] = []
        for number, line in enumerate(text.splitlines(), 1):
            word = line.strip()
            if not word or word.startswith("#"):
                continue
            try:
                keys.append(MasterKey.of(base64.b64decode(word, validate=True)))
            except (binascii.Error, ValueError):
                raise ValueError(f"line {number} is not the base64 of {_KEY_BYTES} bytes") from None
        if not keys:
            raise ValueError("it holds no key")
        return cls(tuple(keys))
