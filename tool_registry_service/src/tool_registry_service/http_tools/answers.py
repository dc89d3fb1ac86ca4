"""An HTTP answer as the text that a model reads."""

import json
from email.message import Message
from typing import Any

from tool_registry_service.calls import ToolAnswer
from tool_registry_service.http_tools.bounds import storable_text
from tool_registry_service.http_tools.exchange import Answered

_MOST_OF_A_FAULT = 4_000
_TEXTS = (
    "text/", "application/json", "application/xml", "application/yaml", "application/x-yaml", "application/graphql",
    "application/javascript", "application/x-ndjson", "application/x-www-form-urlencoded",
)  # fmt: skip


def answer_of(answered: Answered, *, wants_structure: bool) -> ToolAnswer:
    """The body where the status says that all went well; else the status and the beginning of the body, as an error."""
    text = body_text(answered)
    if not 200 <= answered.status < 300:
        shown = text if len(text) <= _MOST_OF_A_FAULT else f"{text[:_MOST_OF_A_FAULT]}…"
        return ToolAnswer(f"HTTP {answered.status} {answered.reason}\n{shown}".strip(), is_error=True)
    return ToolAnswer(
        text or f"HTTP {answered.status} {answered.reason}, without a body".strip(),
        structured=_structure(answered) if wants_structure else None,
    )


def body_text(answered: Answered) -> str:
    """The body as text; what isn't text is named, not carried."""
    kind = media_type(answered.content_type)
    if not answered.body:
        return ""
    if kind and not kind.startswith(_TEXTS) and not kind.endswith(("+json", "+xml")):
        return f"[{kind}, {len(answered.body)} bytes: not shown]"
    text = _decoded(answered)
    if not kind and "\x00" in text[:1000]:
        return f"[{len(answered.body)} bytes that are no text: not shown]"
    return storable_text(text.removeprefix("\ufeff"))


def media_type(content_type: str) -> str:
    """`text/html` of `text/html; charset=utf-8`."""
    return content_type.partition(";")[0].strip().lower()


def charset_of(content_type: str) -> str | None:
    """`utf-8` of `text/html; charset=utf-8`; None where it says none."""
    header = Message()
    header["content-type"] = content_type or "text/plain"
    return header.get_content_charset()


def _decoded(answered: Answered) -> str:
    try:
        return answered.body.decode(charset_of(answered.content_type) or "utf-8", "replace")
    except LookupError:
        return answered.body.decode("utf-8", "replace")


def _structure(answered: Answered) -> Any:
    kind = media_type(answered.content_type)
    if kind != "application/json" and not kind.endswith("+json"):
        return None
    try:
        return json.loads(answered.body)
    except (ValueError, RecursionError):
        return None
