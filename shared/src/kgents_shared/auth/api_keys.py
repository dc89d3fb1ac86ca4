"""API keys as bearers: what they look like, and whom a service asks about one (DESIGN §3).

`kg_<id: 32 hex digits>_<secret: 40 letters and digits><checksum: 6>`, so that secret scanners find them by the regular
expression `kg_[0-9a-f]{32}_[0-9A-Za-z]{46}` and tell real ones by the checksum: the CRC-32 of everything before it in
base 62 (the scheme that GitHub uses for its tokens).
"""

import re
import secrets
import string
import zlib
from typing import Protocol
from uuid import UUID

from kgents_shared.contracts.revocations import ResolvedApiKey

PREFIX = "kg_"
CLIENT_ID = "api-key"
_PATTERN = re.compile(r"kg_([0-9a-f]{32})_[0-9A-Za-z]{46}")
_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_SECRET_CHARS = 40
_CHECKSUM_CHARS = 6


class ApiKeySource(Protocol):
    """Knows API keys."""

    async def resolve(self, key: str) -> ResolvedApiKey | None:
        """Whose key it is, None alike for every key that isn't one. Raises `Unavailable` where it can't be asked."""
        ...


class NoApiKeys:
    """Knows none."""

    async def resolve(self, key: str) -> ResolvedApiKey | None:
        """None."""
        del key


def new_key(key_id: UUID) -> str:
    """A new key of that id."""
    secret = "".join(secrets.choice(_DIGITS) for _ in range(_SECRET_CHARS))
    body = f"{PREFIX}{key_id.hex}_{secret}"
    return body + _checksum(body)


def key_id_of(key: str) -> UUID | None:
    """The id in a key that is whole; None for what is no key, or one with a slip of the pen."""
    found = _PATTERN.fullmatch(key)
    if found is None or _checksum(key[:-_CHECKSUM_CHARS]) != key[-_CHECKSUM_CHARS:]:
        return None
    return UUID(found[1])


def _checksum(text: str) -> str:
    value, digits = zlib.crc32(text.encode("ascii")), ""
    for _ in range(_CHECKSUM_CHARS):
        value, digit = divmod(value, 62)
        digits = _DIGITS[digit] + digits
    return digits
