"""What a verified bearer says of its caller, and API keys in the place of tokens."""

from typing import Any
from uuid import UUID

import pytest

from kgents_shared.auth import IdentitySource, Principal, RevokedSet, TokenVerifier
from kgents_shared.auth.api_keys import new_key
from kgents_shared.contracts.revocations import ResolvedApiKey, Revocation
from kgents_shared.errors import Unauthenticated, Unavailable
from kgents_shared.testing.tokens import TokenIssuer

FAR = 4_000_000_000
KEY_ID = UUID(int=7)


class Keys:
    """Knows what the test lets it know; counts how often it was asked."""

    def __init__(self) -> None:
        self.known: dict[str, ResolvedApiKey] = {}
        self.away = False
        self.asked = 0

    def add(self, **more: Any) -> str:
        key = new_key(KEY_ID)
        given: dict[str, Any] = {"key_id": KEY_ID.hex, "subject": "ada", "epoch": 0, "scopes": ["agents:read"]}
        self.known[key] = ResolvedApiKey.model_validate(given | {"roles": [], "expires_at": FAR} | more)
        return key

    async def resolve(self, key: str) -> ResolvedApiKey | None:
        self.asked += 1
        if self.away:
            raise Unavailable("Away.")
        return self.known.get(key)


class Door:
    """A verifier and what stands behind it."""

    def __init__(self) -> None:
        self.issuer = TokenIssuer()
        self.keys = Keys()
        self.revoked = RevokedSet()
        source = IdentitySource(self.issuer.keys, self.revoked, self.keys)
        self.verifier = TokenVerifier(self.issuer.issuer, source, "tools")

    def revoke(self, kind: Any, subject: str, epoch: int = 0) -> None:
        self.revoked.add([Revocation(kind=kind, subject=subject, epoch=epoch, expires_at=FAR)])

    async def person(self, **claims: Any) -> Principal:
        return await self.verifier.verify(self.issuer.person("ada", **claims)["Authorization"].split()[1])

    async def refuses(self, bearer: str) -> Unauthenticated:
        with pytest.raises(Unauthenticated) as refused:
            await self.verifier.verify(bearer)
        return refused.value


@pytest.fixture
def door() -> Door:
    return Door()


async def test_what_new_things_belong_to_and_what_may_be_seen_come_from_the_claims(door: Door):
    alone = await door.person()
    assert (alone.owner_id, alone.owner_ids, alone.actor, alone.session_id) == ("ada", {"ada"}, None, None)
    member = await door.person(
        organisations={"acme": "o1", "zoo": "o2"}, act={"sub": "runtime"}, sid="login-1", epoch=3
    )
    assert member.owner_ids == {"ada", "o1", "o2"}
    assert (member.owner_id, member.actor, member.session_id, member.epoch) == ("ada", "runtime", "login-1", 3)
    owned = await door.person(owner="o1")
    assert (owned.subject, owned.owner_id, owned.owner_ids) == ("ada", "o1", {"o1"})


@pytest.mark.parametrize(
    "claim",
    [
        {"owner": 1},
        {"organisations": "o1"},
        {"organisations": ["o1"]},
        {"organisations": {"acme": 1}},
        {"epoch": "1"},
        {"sid": 1},
        {"act": "runtime"},
        {"owner": None},
        {"depends_on": ["app_1"]},
        {"depends_on": {"app_1": "0"}},
        {"derived_from": "token-1"},
    ],
)
async def test_claims_of_another_shape_are_refused(door: Door, claim: dict[str, Any]):
    with pytest.raises(Unauthenticated):
        await door.person(**claim)


async def test_a_key_is_asked_about_once(door: Door):
    key = door.keys.add(organisations={"acme": "o1"})
    for _ in range(3):
        await door.verifier.verify(key)
    principal = await door.verifier.verify(key)
    assert door.keys.asked == 1
    assert (principal.kind, principal.owner_ids, principal.scopes) == ("person", {"ada", "o1"}, {"agents:read"})


async def test_a_key_with_a_wrong_checksum_is_refused_without_asking(door: Door):
    key = door.keys.add()
    await door.refuses(key[:-1] + ("0" if key[-1] != "0" else "1"))
    await door.refuses("kg_" + "x" * 9000)
    assert door.keys.asked == 0


async def test_unknown_and_revoked_keys_and_what_is_none_are_refused_alike(door: Door):
    unknown = await door.refuses(new_key(KEY_ID))
    no_key = await door.refuses("kg_nothing")
    revoked_key = door.keys.add()
    await door.verifier.verify(revoked_key)
    door.revoke("token", KEY_ID.hex)
    revoked = await door.refuses(revoked_key)
    assert len({(each.status, each.code, each.detail) for each in (unknown, no_key, revoked)}) == 1


async def test_a_key_whose_owner_got_another_role_is_asked_about_anew(door: Door):
    key = door.keys.add(scopes=["agents:read", "agents:write"])
    await door.verifier.verify(key)
    door.revoke("subject", "ada", 1)
    door.keys.known[key] = door.keys.known[key].model_copy(update={"epoch": 1, "scopes": ["agents:read"]})
    assert (await door.verifier.verify(key)).scopes == {"agents:read"}
    assert door.keys.asked == 2


async def test_a_key_that_cant_be_asked_about_is_no_key_until_it_can(door: Door):
    key = door.keys.add()
    door.keys.away = True
    with pytest.raises(Unavailable):
        await door.verifier.verify(key)
    door.keys.away = False
    assert (await door.verifier.verify(key)).subject == "ada"
