"""This service as its own middleware asks it: from its tables, where every other service asks over HTTP."""

from jose.backends.base import Key

from auth_service.parts import Parts
from kgents_shared.auth import RevocationFeed
from kgents_shared.contracts.revocations import ResolvedApiKey, RevocationPage
from kgents_shared.errors import Unavailable


class OwnIdentity:
    """A `KeySource`, a `ReadPage` and an `ApiKeySource`; the lifespan gives it the parts that it asks."""

    def __init__(self) -> None:
        self.parts: Parts | None = None
        self.feed = RevocationFeed(self.revocations_after)

    async def key(self, kid: str) -> Key | None:
        """The public key of `kid`; the table is looked at for one that isn't known here yet."""
        parts = self._parts()
        found = await parts.keys.key(kid)
        if found is None:
            await parts.key_rotation.follow_closely()
            found = await parts.keys.key(kid)
        return found

    async def revocations_after(self, position: int, wait_s: float) -> RevocationPage:
        """See `RevocationNews.look`: it waits for nothing, others wait for it."""
        del wait_s
        return await self._parts().revocation_news.look(position)

    async def resolve(self, key: str) -> ResolvedApiKey | None:
        """See `ApiKeys.resolve`."""
        return await self._parts().api_keys.resolve(key)

    def _parts(self) -> Parts:
        if self.parts is None:
            raise Unavailable("This service is still starting; try again.", code="starting")
        return self.parts
