"""The key file: PEM blocks of P-256 keys (RFC 7518 §3.4). Its keys sign, and seal those that come after them."""

import base64
import hashlib
import json
import os
import re
from pathlib import Path

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from auth_service.secret_file import SecretFileMissing, make_secret_file

_PEM_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
_COORDINATE_BYTES = 32
_NONCE_BYTES = 12
_ADVICE = "AUTH_SIGNING_KEY_FILE must name a PEM file of P-256 private keys that this process may read"


class SigningKeyError(RuntimeError):
    """The key file can't be used; the sentence says why and what to do."""


class PrivateKey:
    """A P-256 key, its public half as a JWK, and what is sealed under it."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = _public_jwk(key)
        self.kid = self.public["kid"]

    @classmethod
    def new(cls) -> "PrivateKey":
        """A new key."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    def pem(self) -> str:
        """The private half."""
        return self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    def seal(self, inner: "PrivateKey") -> bytes:
        """The private half of another key under this one: AES-256-GCM, bound to its name."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher().encrypt(nonce, inner.der(), inner.kid.encode())

    def open(self, sealed: bytes, kid: str) -> "PrivateKey | None":
        """What `seal` sealed under that name; None for what isn't that."""
        try:
            der = self._cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], kid.encode())
        except (InvalidTag, ValueError):
            return None
        loaded = load_der_private_key(der, password=None)
        return PrivateKey(loaded) if isinstance(loaded, ec.EllipticCurvePrivateKey) else None

    def der(self) -> bytes:
        """The private half, in binary."""
        return self._key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())

    def _cipher(self) -> AESGCM:
        scalar = self._key.private_numbers().private_value.to_bytes(_COORDINATE_BYTES, "big")
        return AESGCM(HKDF(SHA256(), 32, salt=None, info=b"kgents signing keys").derive(scalar))


def load_key_file(file: Path) -> tuple[PrivateKey, ...]:
    """The keys of the file, which is made where it is missing. Blocking. Raises `SigningKeyError`."""
    if not file.exists():
        try:
            make_secret_file(file, lambda: PrivateKey.new().pem().encode())
        except SecretFileMissing as error:
            raise SigningKeyError(f"{error}: {_ADVICE}") from error
    try:
        blocks: list[str] = _PEM_BLOCK.findall(file.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as error:
        raise SigningKeyError(f"{file} can't be read ({type(error).__name__}): {_ADVICE}") from error
    if not blocks:
        raise SigningKeyError(f"{file} holds no PEM block: {_ADVICE}")
    return tuple(PrivateKey(_load(file, block)) for block in blocks)


def _load(file: Path, block: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(block.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"{file} holds a block that is no unencrypted private key: {_ADVICE}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SigningKeyError(f"{file} holds a key that is not on the curve P-256: {_ADVICE}")
    return key


def _public_jwk(key: ec.EllipticCurvePrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    required = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    # The thumbprint of RFC 7638: the required members in lexical order, without white space.
    canonical = json.dumps(required, separators=(",", ":"), sort_keys=True).encode()
    kid = _base64url(hashlib.sha256(canonical).digest())
    return {**required, "kid": kid, "alg": "ES256", "use": "sig"}


def _coordinate(value: int) -> str:
    return _base64url(value.to_bytes(_COORDINATE_BYTES, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
