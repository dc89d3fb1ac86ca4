"""The signing keys change by themselves: each is published before it signs and until its last token has ended."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import structlog

from auth_service.keys.key_file import PrivateKey
from auth_service.keys.repository import StoredKey
from auth_service.keys.signing_keys import Signing, SigningKeys
from auth_service.storage import Storage, Work
from kgents_shared.auth.keys import REFRESH_AFTER_S
from kgents_shared.auth.tokens import LEEWAY_S
from kgents_shared.errors.handlers import is_database_away

# What /.well-known/jwks.json may be kept for, and what other services look again after: whoever verifies knows a key
# before it signs.
CACHED_S = 300
PUBLISHED_BEFORE_S = 2 * (CACHED_S + REFRESH_AFTER_S)
_LOOK_EVERY_S = 30.0
# How old the keys in memory may be when somebody asks for the set.
_FRESH_S = 1.0
_log = structlog.get_logger("auth.keys")


class KeyRotation:
    """Keeps this process's keys those of the table, and makes the next one when it is due.

    Every key signs for `every_s` seconds; its tokens live `token_lifetime_s` seconds.
    """

    def __init__(self, storage: Storage, keys: SigningKeys, *, every_s: float, token_lifetime_s: float) -> None:
        self._storage = storage
        self._keys = keys
        self._every_s = every_s
        self._outlives_s = token_lifetime_s + LEEWAY_S + 60
        self._file: tuple[PrivateKey, ...] = ()
        self._opened: dict[str, PrivateKey] = {}
        self._read_at: float | None = None

    def give_file(self, file: Sequence[PrivateKey]) -> None:
        """The keys of the key file."""
        self._file = tuple(file)
        self._opened = {key.kid: key for key in file}

    async def answers(self) -> bool:
        """The probe behind /health."""
        return self._read_at is not None

    async def run(self) -> None:
        """Follow the table, for ever. Raises what went wrong, to be run again."""
        while True:
            await self.follow()
            await asyncio.sleep(_LOOK_EVERY_S)

    async def follow(self) -> None:
        """Read the table, put there what is missing, and use what it has."""
        async with self._storage.transaction() as work:
            stored = await work.signing_keys.all()
            if self._is_due(stored):
                await work.signing_keys.lock()
                stored = await self._brought_forward(work, await work.signing_keys.all())
            attesting = await self._attesting(work)
        self._adopt(stored, attesting)

    async def follow_closely(self) -> None:
        """Read the table where that wasn't just done, so that every replica publishes the same keys. While the database
        is away, what was read stays. Raises what the database does where nothing was read yet.
        """
        if self._read_at is not None and time.monotonic() - self._read_at < _FRESH_S:
            return
        try:
            await self.follow()
        except Exception as error:
            if self._read_at is None or not is_database_away(error):
                raise

    async def rotate(self, *, in_s: float = PUBLISHED_BEFORE_S) -> None:
        """Make the next key, which signs after `in_s` seconds."""
        async with self._storage.transaction() as work:
            await work.signing_keys.lock()
            await self._make(work, in_s)
            stored, attesting = await work.signing_keys.all(), await self._attesting(work)
        self._adopt(stored, attesting)

    def _is_due(self, stored: Sequence[StoredKey]) -> bool:
        return (
            self._missing(stored) != []
            or self._next_in_s(stored) is not None
            or self._over(stored) != []
            or self._is_stuck(stored)
        )

    def _missing(self, stored: Sequence[StoredKey]) -> list[PrivateKey]:
        known = {key.kid for key in stored}
        return [key for key in self._file if key.kid not in known]

    def _next_in_s(self, stored: Sequence[StoredKey]) -> float | None:
        """The seconds until the next key has to sign, where it is time to publish it."""
        left_s = self._every_s + stored[0].signs_in_s if stored else self._every_s
        return max(left_s, PUBLISHED_BEFORE_S) if left_s < PUBLISHED_BEFORE_S else None

    def _over(self, stored: Sequence[StoredKey]) -> list[str]:
        """The keys whose last token has ended: another has signed for longer than one lives. Newest first."""
        return [key.kid for key in stored[len(self._live(stored)) :] if key.sealed is not None]

    def _live(self, stored: Sequence[StoredKey]) -> Sequence[StoredKey]:
        """The keys that verify. What another replaced for longer than a token lives does no more, though the file may
        have it.
        """
        current = next((place for place, key in enumerate(stored) if key.signs_in_s <= -self._outlives_s), len(stored))
        return stored[: current + 1]

    def _is_stuck(self, stored: Sequence[StoredKey]) -> bool:
        """Whether this process can sign by no key: what is live was sealed by a file that it doesn't have."""
        return not any(key.signs_in_s <= 0 and self._open(key) is not None for key in self._live(stored))

    async def _brought_forward(self, work: Work, stored: list[StoredKey]) -> list[StoredKey]:
        # The file's first key signs at once: putting one there is how an operator changes keys by hand. What was to
        # sign next may have been sealed by a key that is no longer trusted.
        missing = self._missing(stored)
        if missing:
            await work.signing_keys.delete([key.kid for key in stored if key.signs_in_s > 0])
        for place, key in enumerate(missing):
            await work.signing_keys.add(key.public, signs_in_s=-float(place))
            _log.info("signing_key_of_file", kid=key.kid)
        stored = await work.signing_keys.all()
        in_s = self._next_in_s(stored)
        if self._is_stuck(stored):
            await self._make(work, 0)
        elif in_s is not None:
            await self._make(work, in_s)
        over = self._over(stored)
        if over:
            await work.signing_keys.delete(over)
            _log.info("signing_keys_ended", kids=over)
        return await work.signing_keys.all()

    async def _make(self, work: Work, in_s: float) -> None:
        key, seal = PrivateKey.new(), self._file[0]
        await work.signing_keys.add(key.public, signs_in_s=in_s, sealed=seal.seal(key), sealed_by=seal.kid)
        _log.info("signing_key_made", kid=key.kid, signs_in_s=round(in_s))

    async def _attesting(self, work: Work) -> Sequence[Mapping[str, str]]:
        """What verifies attestations: no key that the file doesn't vouch for any more, which may have been lost."""
        return await work.signing_keys.of_attestations([key.kid for key in self._file])

    def _adopt(self, stored: Sequence[StoredKey], attesting: Sequence[Mapping[str, str]]) -> None:
        now = time.time()
        live = self._live(stored)
        signing: list[Signing] = []
        for key in live:
            opened = self._open(key)
            if opened is not None:
                signing.append(Signing(opened, now + key.signs_in_s))
        self._keys.adopt(signing, [key.public_key for key in live], attesting)
        self._read_at = time.monotonic()

    def _open(self, key: StoredKey) -> PrivateKey | None:
        known = self._opened.get(key.kid)
        if known is not None or key.sealed is None:
            return known
        seal = next((one for one in self._file if one.kid == key.sealed_by), None)
        opened = None if seal is None else seal.open(key.sealed, key.kid)
        if opened is None:
            _log.error("signing_key_sealed", kid=key.kid, hint=f"AUTH_SIGNING_KEY_FILE here lacks {key.sealed_by}")
            return None
        self._opened[key.kid] = opened
        return opened
