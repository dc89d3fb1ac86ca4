"""Passwords are taken as they come: no byte is cut off, none is made equal to another."""

import pytest

from tests.external.running_auth import RunningAuth

BASE = "correct horse battery staple "


async def status_of_login(auth: RunningAuth, email: str, password: str) -> int:
    answer = await auth.client.post("/api/v1/auth/login", json={"email": email, "password": password})
    return answer.status_code


@pytest.mark.parametrize(
    ("password", "other"),
    [
        pytest.param("a1b2c3d4" * 9, "a1b2c3d4" * 9 + "x", id="72 and 73 bytes"),
        pytest.param("a1b2c3d4" * 9 + "x", "a1b2c3d4" * 9 + "y", id="the 73rd byte"),
        pytest.param("é1ü2" * 18 + "à", "é1ü2" * 18 + "á", id="beyond 72 bytes in UTF-8"),
        pytest.param(BASE + "\0" + "one", BASE + "\0" + "two", id="after a NUL"),
        pytest.param(BASE, BASE + "\0", id="a NUL at the end"),
        pytest.param(BASE, BASE.rstrip(), id="a space at the end"),
        pytest.param(BASE + "é", BASE + "e\u0301", id="composed and decomposed"),
        pytest.param(BASE + "ﬁ", BASE + "fi", id="a ligature"),
        pytest.param(BASE + "\u017f", BASE + "s", id="a long s"),
        pytest.param(BASE + "😀", BASE + "😁", id="outside of the BMP"),
        pytest.param(BASE + "A", BASE + "a", id="case"),
    ],
)
async def test_two_passwords_that_differ_anywhere_are_two_passwords(auth: RunningAuth, password: str, other: str):
    email = await auth.register(password=password)
    assert await status_of_login(auth, email, password) == 200
    assert await status_of_login(auth, email, other) == 401


@pytest.mark.parametrize("length", [8, 64, 72, 73, 128, 256])
@pytest.mark.parametrize("alphabet", ["Zq7", "Ψß水"])
async def test_lengths_from_8_to_256_are_taken(auth: RunningAuth, length: int, alphabet: str):
    password = (alphabet * length)[:length]
    email = await auth.register(password=password)
    assert await status_of_login(auth, email, password) == 200


@pytest.mark.parametrize("password", ["", "7 chars", "Zq7" * 100, "x" * 100_000])
async def test_shorter_and_longer_ones_are_refused(auth: RunningAuth, password: str):
    body = {"email": "ada@example.org", "password": password, "name": "Ada"}
    answer = await auth.client.post("/api/v1/auth/register", json=body)
    assert answer.status_code in {413, 422}


@pytest.mark.parametrize(
    "password",
    ["password", "PASSWORD", "12345678", "Qwertyuiop", "iloveyou", "aaaaaaaaaaaa", "abababababab", "kgents123!",
     "ada.lovelace", "Ada.Lovelace@example.org", "Ada Lovelace", "adalovelace1815"],
)  # fmt: skip
async def test_what_anybody_would_try_first_is_refused_with_a_hint(auth: RunningAuth, password: str):
    body = {"email": "ada.lovelace@example.org", "password": password, "name": "Ada Lovelace"}
    answer = await auth.client.post("/api/v1/auth/register", json=body)
    assert answer.status_code == 422
    fault = answer.json()["errors"][0]
    assert fault["loc"] == ["body", "password"]
    assert fault["code"] in {"common_password", "guessable_password"}
    assert fault["hint"]


async def test_a_long_password_without_digits_or_signs_is_fine(auth: RunningAuth):
    await auth.log_in(await auth.register(password="autumn pencil harbour violet"), "autumn pencil harbour violet")


async def test_only_an_argon2id_hash_is_stored(auth: RunningAuth):
    email = await auth.register(password="the canary sings at dawn")
    stored = await auth.rows("SELECT password_hash FROM identity.local_accounts WHERE email = :email", email=email)
    assert stored[0][0].startswith("$argon2id$v=19$m=64,t=1,p=1$")
    outbox = await auth.rows("SELECT body::text FROM identity.outbox WHERE body::text LIKE '%canary%'")
    assert outbox == []
