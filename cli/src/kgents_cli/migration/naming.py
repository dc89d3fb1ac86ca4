"""Foreign names as ours: DNS labels, each once in a batch."""

import hashlib
import re
import unicodedata

from kgents_shared.contracts.path_table import RESERVED_AGENT_NAMES, parses_as_uuid

_LONGEST = 63
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def as_label(name: str) -> str:
    """`Senior_Data Researcher` as `senior-data-researcher`; a name of none of our letters as `agent-` and a digest."""
    plain = unicodedata.normalize("NFKD", _CAMEL.sub("-", name)).encode("ascii", "ignore").decode().lower()
    label = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_LONGEST].strip("-")
    if not label:
        return f"agent-{hashlib.sha256(name.encode('utf-8', 'replace')).hexdigest()[:8]}"
    if label in RESERVED_AGENT_NAMES or parses_as_uuid(label):
        return f"{label[: _LONGEST - 6]}-agent".replace("--", "-")
    return label


def free_label(label: str, taken: set[str]) -> str:
    """The label, or with `-2`, `-3` and so on behind it where the batch has it already."""
    number, found = 1, label
    while found in taken:
        number += 1
        tail = f"-{number}"
        found = f"{label[: _LONGEST - len(tail)].rstrip('-')}{tail}"
    return found
