"""Arguments as they are kept: nothing that looks like a secret, and not much of anything long."""

import json
from collections.abc import Mapping
from typing import Any, cast

from kgents_shared.masking import masked_value
from tool_registry_service.calls import CallableTool
from tool_registry_service.canonical import canonical_hash
from tool_registry_service.errors import ArgumentsRefused
from tool_registry_service.http_tools.bounds import is_within
from tool_registry_service.mcp_client.targets import ServerTarget

_MAX_TEXT = 2_000
_MAX_KEPT_BYTES = 16_384
_MOST_DEPTH = 100
_MOST_VALUES = 1_000_000


def masked(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a call's arguments."""
    kept = cast("dict[str, Any]", masked_value(arguments, _MAX_TEXT))
    size = len(json.dumps(kept, ensure_ascii=False).encode("utf-8", "replace"))
    return kept if size <= _MAX_KEPT_BYTES else {"not_kept": f"arguments of {size} bytes"}


def masked_whole(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What a person reads who decides on a call: all of it but secrets."""
    return cast("dict[str, Any]", masked_value(arguments))


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
