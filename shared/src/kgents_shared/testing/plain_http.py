"""HTTP to servers of this machine, without TLS."""

from __future__ import annotations

import ssl
from typing import Final

PLAIN: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For httpx's `verify`: it trusts nobody. Without it every client reads all certificate authorities, for 16 ms."""
