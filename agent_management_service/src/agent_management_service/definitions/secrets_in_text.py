"""What looks like a secret has no place in a definition (DESIGN §3): the vault alone takes secrets.

Few patterns, each a format that its issuer documents, so that ordinary prose is never refused.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

from kgents_shared.errors import FaultItem

# Each begins with a fixed prefix that can't begin twice in one run of its own characters, so a search is linear.
_PATTERNS = {
    "an OpenAI or Anthropic key": r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_-]{16,}",
    "a Stripe key": r"(?<![A-Za-z0-9])[rs]k_live_[A-Za-z0-9]{16,}",
    "an AWS access key": r"(?<![A-Za-z0-9])A[KS]IA[A-Z0-9]{16}(?![A-Za-z0-9])",
    "a GitHub token": r"(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,})",
    "a Google key": r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}",
    "a Slack token": r"(?<![A-Za-z0-9])xox[abeprs]-[A-Za-z0-9-]{10,}",
    "a Kgents key": r"(?<![A-Za-z0-9])kg_[A-Za-z0-9-]{4,}_[A-Za-z0-9_-]{16,}",
    "a JSON Web Token": r"(?<![A-Za-z0-9_.-])eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}",
    "a private key": r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY",
}
_KINDS = tuple(_PATTERNS)
_SECRET = re.compile("|".join(f"({pattern})" for pattern in _PATTERNS.values()))
_HINT = "remove it here, and if it is real, replace it where it came from: others may have read it"


def secret_faults(document: object) -> list[FaultItem]:
    """One fault for each text of a parsed document that holds what looks like a secret; never the text itself."""
    found: list[FaultItem] = []
    for loc, text in _texts(document):
        match = _SECRET.search(text)
        if match is not None:
            kind = _KINDS[(match.lastindex or 1) - 1]
            found.append(FaultItem(loc, f"holds what looks like {kind}", "secret_in_definition", _HINT))
    return found


def _texts(document: object) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text value with its place, without recursion: documents may be nested as deep as parsers allow."""
    waiting: list[tuple[tuple[str | int, ...], object]] = [((), document)]
    while waiting:
        loc, value = waiting.pop()
        if isinstance(value, str):
            yield loc, value
        elif isinstance(value, dict):
            entries = cast("dict[str, Any]", value)
            waiting.extend(((*loc, key), entry) for key, entry in reversed(entries.items()))
        elif isinstance(value, list):
            entries_of_list = cast("list[Any]", value)
            waiting.extend(((*loc, place), entry) for place, entry in reversed(list(enumerate(entries_of_list))))
