"""What tells one definition's content from another's."""

import hashlib
import json
from typing import Any


def content_hash(spec: dict[str, Any]) -> str:
    """`sha256:<hex>` over the spec's JSON with sorted keys and no blanks."""
    canonical = json.dumps(spec, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
