"""The ES256 keys of this service: a file of PEM blocks, the first of which signs (RFC 7517, RFC 7518 §3.4).

To rotate, put a new key first and keep the old one until the last token that it signed has expired.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from jose import jwk, jwt
from jose.backends.base import Key

from auth_service.secret_file import SecretFileMissing, make_secret_file
from kgents_shared.auth import StaticKeySource
from kgents_shared.auth.tokens import TOKEN_TYPE
from kgents_shared.errors import Unavailable

_PEM_BLOCK = re.compile(r"-----BEGIN [A-Z ]+-----.+?-----END [A-Z ]+-----", re.DOTALL)
_COORDINATE_BYTES = 32


class SigningKeyError(RuntimeError):
    """The key file can't be used; the sentence says why and what to do."""


class SigningKeys:
    """Signs this service's tokens and, as a `KeySource`, verifies them. Until `load` it has no keys."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._signer: Key | None = None
        self._kid = ""
        self._public: list[dict[str, str]] = []
        self._verifying = StaticKeySource(())

    def load(self) -> None:
        """Read the keys, making the file where it is missing. Blocking. Raises `SigningKeyError`."""
        if not self._file.exists():
            _create(self._file)
        try:
            blocks = _PEM_BLOCK.findall(self._file.read_text("ascii"))
        except (OSError, UnicodeDecodeError) as error:
            raise SigningKeyError(f"{self._file} can't be read ({type(error).__name__}): {_ADVICE}") from error
        keys = [_load(self._file, block) for block in blocks]
        if not keys:
            raise SigningKeyError(f"{self._file} holds no PEM block: {_ADVICE}")
        self._public = [_public_jwk(key) for key in keys]
        self._kid = self._public[0]["kid"]
        self._signer = jwk.construct(blocks[0], "ES256")
        self._verifying = StaticKeySource(self._public)

    async def key(self, kid: str) -> Key | None:
        """The public key of `kid`."""
        return await self._verifying.key(kid)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The JWK set (RFC 7517 §5): public parts only."""
        return {"keys": self._public}

    def sign(self, claims: Mapping[str, Any]) -> str:
        """An access token over `claims`, by the first key."""
        if self._signer is None:
            raise Unavailable("The signing keys are not loaded yet.", code="starting")
        headers = {"typ": TOKEN_TYPE, "kid": self._kid}
        # python-jose takes a loaded Key too; its stubs know only of text and mappings.
        signer: Any = self._signer
        return jwt.encode(dict(claims), signer, algorithm="ES256", headers=headers)


_ADVICE = "AUTH_SIGNING_KEY_FILE must name a PEM file of P-256 private keys that this process may read"


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


def _create(file: Path) -> None:
    try:
        make_secret_file(file, _new_pem)
    except SecretFileMissing as error:
        raise SigningKeyError(f"{error}: {_ADVICE}") from error


def _new_pem() -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
