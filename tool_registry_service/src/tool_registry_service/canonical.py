"""One spelling of data, so that the same data has the same hash wherever it is taken."""

import hashlib
import json
from typing import Any


def canonical_hash(data: Any) -> str:
    """SHA-256 of `data` as canonical JSON, in hexadecimal. Pinned definitions and approvals are compared by it."""
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
