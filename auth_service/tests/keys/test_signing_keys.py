"""The signing key file: made where it can be, refused with a sentence where it can't be used, rotated by order."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from auth_service.keys.key_file import SigningKeyError, load_key_file
from auth_service.keys.signing_keys import Signing, SigningKeys
from auth_service.tokens.access_tokens import AccessTokens
from kgents_shared.auth import TokenVerifier
from kgents_shared.errors import Unauthenticated, Unavailable
from kgents_shared.testing.tokens import only_keys

ISSUER = "http://localhost:8080"


def a_pem(encoding: PrivateFormat = PrivateFormat.PKCS8) -> str:
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, encoding, NoEncryption()).decode()


def loaded(file: Path) -> SigningKeys:
    """As a process has them that found its file's keys alone in the table: the first is the newest."""
    found = load_key_file(file)
    keys = SigningKeys()
    keys.adopt([Signing(key, -place) for place, key in enumerate(found)], [key.public for key in found])
    return keys


def a_token(keys: SigningKeys) -> str:
    return AccessTokens(keys, ISSUER, 900).issue(
        subject="s", audience="kgents", client_id="c", scopes={"agents:read"}, roles=(), epoch=0
    )


async def test_a_missing_file_is_made_for_its_owner_alone_and_kept(tmp_path: Path):
    file = tmp_path / "key.pem"
    first = loaded(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert await asyncio.to_thread(os.listdir, tmp_path) == ["key.pem"]
    verifier = TokenVerifier(ISSUER, only_keys(loaded(file)), "auth")
    assert (await verifier.verify(a_token(first))).subject == "s"


async def test_processes_that_start_together_end_up_with_one_key(tmp_path: Path):
    file = tmp_path / "key.pem"
    made = await asyncio.gather(*(asyncio.to_thread(loaded, file) for _ in range(8)))
    assert len({keys.jwks()["keys"][0]["kid"] for keys in made}) == 1


async def test_the_first_key_signs_and_the_old_one_still_verifies(tmp_path: Path):
    file = tmp_path / "key.pem"
    old = loaded(file)
    file.write_text(a_pem() + file.read_text())
    rotated = loaded(file)
    verifier = TokenVerifier(ISSUER, only_keys(rotated), "auth")
    assert (await verifier.verify(a_token(old))).subject == "s"
    assert (await verifier.verify(a_token(rotated))).subject == "s"
    assert rotated.jwks()["keys"][0]["kid"] != old.jwks()["keys"][0]["kid"] == rotated.jwks()["keys"][1]["kid"]
    with pytest.raises(Unauthenticated):
        await TokenVerifier(ISSUER, only_keys(old), "auth").verify(a_token(rotated))


async def test_keys_in_the_older_format_of_openssl_are_read(tmp_path: Path):
    file = tmp_path / "key.pem"
    file.write_text(a_pem(PrivateFormat.TraditionalOpenSSL))
    keys = loaded(file)
    assert (await TokenVerifier(ISSUER, only_keys(keys), "auth").verify(a_token(keys))).subject == "s"


def bad_files() -> dict[str, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    return {
        "empty": b"",
        "text": b"no key at all",
        "binary": b"\xff\xfe\x00",
        "broken": b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        "public": key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "encrypted": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
        "another curve": ec.generate_private_key(ec.SECP384R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
        ),
        "rsa": rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    }


@pytest.mark.parametrize("kind", bad_files())
def test_a_file_that_holds_no_usable_key_is_refused_and_left_alone(tmp_path: Path, kind: str):
    file = tmp_path / "key.pem"
    content = bad_files()[kind]
    file.write_bytes(content)
    with pytest.raises(SigningKeyError, match="AUTH_SIGNING_KEY_FILE"):
        loaded(file)
    assert file.read_bytes() == content


def test_a_file_that_cannot_be_made_is_one_sentence(tmp_path: Path):
    with pytest.raises(SigningKeyError, match="is missing and can't be made"):
        loaded(tmp_path / "no such folder" / "key.pem")


async def test_keys_that_are_not_loaded_sign_nothing_and_refuse_nobody():
    with pytest.raises(Unavailable):
        await SigningKeys().key("a")
    with pytest.raises(Unavailable):
        SigningKeys().jwks()
    with pytest.raises(Unavailable):
        a_token(SigningKeys())
