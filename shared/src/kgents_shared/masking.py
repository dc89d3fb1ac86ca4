"""What is shown or kept of texts and values that may hold secrets: nothing that looks like one."""

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from kgents_shared.contracts.refs import without_secrets

MASK: Final = "***"
_SECRET_KEY = re.compile(
    r"pass(word|wd|phrase|code)?$|secret|token|api[_-]?key|authorization|credential|private[_-]?key|cookie|bearer|^pin$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"\b(sk-[A-Za-z0-9_-]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|kg_[A-Za-z0-9_]{8,}|AKIA[0-9A-Z]{12,}|xox[abprs]-[A-Za-z0-9-]{8,}"
    r"|eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{4,}\.[A-Za-z0-9_-]*)"
)
# What stands behind these in a longer text: a password in an address, a key in its query, what a header shows.
_SECRET_PART = re.compile(
    r"(?P<before>://[^/\s:@]{0,200}:|[?&](?:[a-z_-]{0,20}[_-])?(?:api_?key|key|token|secret|password|signature|sig)="
    r"|\b(?:bearer\s{1,4}(?=[A-Za-z0-9._~+/-]{16})|basic\s{1,4}(?=[A-Za-z0-9+/]{16})))"
    r"(?:(?<=:)[^/\s@]{1,2000}(?=@)|(?<==)[^&\s#\"']{1,2000}|(?<=\s)[A-Za-z0-9._~+/-]{1,8192}=*)",
    re.IGNORECASE,
)


def masked_text(text: str) -> str:
    """A text with `***` for each piece of it that looks like a secret."""
    known = without_secrets(_SECRET_VALUE.sub(MASK, text), MASK)
    return _SECRET_PART.sub(rf"\g<before>{MASK}", known)


def masked_value(value: Any, most_chars: int | None = None) -> Any:
    """A JSON value whose texts are masked, and whose fields are that are named like a secret.

    Texts are cut at `most_chars`, and are such as PostgreSQL holds.
    """
    if isinstance(value, Mapping):
        rows = cast("Mapping[str, Any]", value)
        return {
            _kept(key, most_chars): MASK if _SECRET_KEY.search(key) else masked_value(item, most_chars)
            for key, item in rows.items()
        }
    if isinstance(value, list):
        return [masked_value(item, most_chars) for item in cast("list[Any]", value)]
    return masked_text(_kept(value, most_chars)) if isinstance(value, str) else value


def _kept(text: str, most: int | None) -> str:
    """Text that PostgreSQL holds, and not more of it than is of use."""
    clean = text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
    return clean if most is None or len(clean) <= most else f"{clean[:most]}… ({len(clean)} characters)"
