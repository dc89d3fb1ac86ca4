"""Arguments as they are kept: nothing that looks like a secret, and not much of anything long."""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from kgents_shared.contracts.refs import without_secrets
from tool_registry_service.calls import CallableTool
from tool_registry_service.canonical import canonical_hash
from tool_registry_service.errors import ArgumentsRefused
from tool_registry_service.http_tools.bounds import is_within
from tool_registry_service.mcp_client.targets import ServerTarget

_MASK = "***"
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
_MAX_TEXT = 2_000
_MAX_KEPT_BYTES = 16_384
_MOST_DEPTH = 100
_MOST_VALUES = 1_000_000


def masked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a call's arguments."""
    kept = cast("dict[str, Any]", _masked(arguments, _MAX_TEXT))
    size = len(json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace"))
    return kept if size <= _MAX_KEPT_BYTES else {"not_kept": f"arguments of {size} bytes"}


def masked_whole(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a person reads who decides on a call: all of it but secrets."""
    return cast("dict[str, Any]", _masked(arguments, None))


def _masked(value: Any, most: int | None) -> Any:
    if isinstance(value, Mapping):
        rows = cast("Mapping[str, Any]", value)
        return {
            _kept(key, most): _MASK if _SECRET_KEY.search(key) else _masked(item, most) for key, item in rows.items()
        }
    if isinstance(value, list):
        return [_masked(item, most) for item in cast("list[Any]", value)]
    return _without_secrets(_kept(value, most)) if isinstance(value, str) else value


def _without_secrets(text: str) -> str:
    known = without_secrets(_SECRET_VALUE.sub(_MASK, text), _MASK)
    return _SECRET_PART.sub(rf"\g<before>{_MASK}", known)


def _kept(text: str, most: int | None) -> str:
    """Text that PostgreSQL holds, and not more of it than is of use."""
    clean = text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
    return clean if most is None or len(clean) <= most else f"{clean[:most]}… ({len(clean)} characters)"


def _where(target: ServerTarget | None) -> list[Any] | None:
    """How a server is reached, and as whom: an approval of a call there is none of the same call elsewhere."""
    if target is None:
        return None
    used = None if target.credential is None else target.credential.credential_ref
    return [str(target.id), target.transport, target.url, target.command, target.args, target.headers, used]


def fingerprint(name: str, arguments: Mapping[str, Any]) -> str:
    """SHA-256 of the exact call, so that a key used for another one is noticed.

    Raises:
        ArgumentsRefused: they can't be written down.
    """
    if not is_within(arguments, _MOST_DEPTH, _MOST_VALUES):
        raise ArgumentsRefused("The arguments nest too deep, are too many, or have a number that JSON doesn't have.")
    return canonical_hash([name, arguments])


def payload_hash(tool: CallableTool, arguments: Mapping[str, Any]) -> str:
    """SHA-256 of what an approval is bound to, in canonical JSON: this call of the tool as it is defined, there."""
    bound = [tool.name, tool.kind, tool.definition_hash, tool.definition, _where(tool.target), arguments]
    return canonical_hash(bound)
