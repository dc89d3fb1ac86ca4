"""Envelope encryption: each version of a secret under a data key of its own, which a master key wraps (AES-256-GCM).

Everything is bound to what it belongs to (the additional data): a ciphertext that is moved to another owner, name,
credential or version can't be opened. A blob is a nonce of 12 bytes and the ciphertext with its tag.
"""

import json
import secrets
from dataclasses import dataclass
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from auth_service.vault.master_keys.ring import MasterKey

_NONCE_BYTES = 12
_DATA_KEY_BITS = 256


class Unopenable(Exception):
    """The ciphertext was changed or moved, or this is not its key."""


@dataclass(frozen=True, slots=True)
class Label:
    """What a secret belongs to."""

    owner_id: str
    credential_id: UUID
    name: str
    version: int

    def additional_data(self, *purpose: str) -> bytes:
        """This label for one purpose, as bytes that no other label has."""
        return json.dumps([*purpose, self.owner_id, str(self.credential_id), self.name, self.version]).encode()


@dataclass(frozen=True, slots=True, repr=False)
class Sealed:
    """A secret as it is stored."""

    key_id: str
    wrapped_key: bytes
    ciphertext: bytes


def seal(master: MasterKey, label: Label, plaintext: bytes) -> Sealed:
    """Encrypt under a new data key."""
    data_key = AESGCM.generate_key(_DATA_KEY_BITS)
    ciphertext = _encrypt(data_key, plaintext, label.additional_data("secret"))
    return Sealed(master.id, _wrap(master, label, data_key), ciphertext)


def unseal(master: MasterKey, label: Label, sealed: Sealed) -> bytes:
    """The plaintext; raises `Unopenable`."""
    data_key = _unwrap(master, label, sealed.wrapped_key)
    return _decrypt(data_key, sealed.ciphertext, label.additional_data("secret"))


def rewrap(old: MasterKey, new: MasterKey, label: Label, wrapped_key: bytes) -> bytes:
    """The data key under another master key; the secret itself isn't touched. Raises `Unopenable`."""
    return _wrap(new, label, _unwrap(old, label, wrapped_key))


def _wrap(master: MasterKey, label: Label, data_key: bytes) -> bytes:
    return _encrypt(master.material, data_key, label.additional_data("data key", master.id))


def _unwrap(master: MasterKey, label: Label, wrapped_key: bytes) -> bytes:
    return _decrypt(master.material, wrapped_key, label.additional_data("data key", master.id))


def _encrypt(key: bytes, plaintext: bytes, bound_to: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, bound_to)


def _decrypt(key: bytes, blob: bytes, bound_to: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], bound_to)
    except (InvalidTag, ValueError) as error:
        raise Unopenable from error
