"""OpenAI's chat completions, which most servers speak (https://platform.openai.com/docs/api-reference/chat)."""

from typing import Any, Final

from agent_runtime_service.gateway.providers import EVENT_STREAM
from agent_runtime_service.gateway.request import checked_request
from agent_runtime_service.gateway.usage import UsageMeter
from agent_runtime_service.gateway.wires.wire import WireCall, dig
from kgents_shared.contracts.worker import ModelChoice

COMPLETIONS: Final = "v1/chat/completions"


class OpenAiWire:
    """What passes is said in `gateway.request`."""

    name = "openai"
    stream_type = EVENT_STREAM
    list_path = "models"

    def takes(self, path: str) -> bool:
        """See `Wire.takes`."""
        return path == COMPLETIONS

    def call(self, raw: bytes, choice: ModelChoice) -> WireCall:
        """See `Wire.call`."""
        return WireCall("chat/completions", checked_request(raw, choice))

    def headers(self, api_key: str | None) -> dict[str, str]:
        """See `Wire.headers`."""
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    def meter(self, request_bytes: int) -> UsageMeter:
        """See `Wire.meter`."""
        return UsageMeter(request_bytes)

    def said(self, document: Any) -> str | None:
        """`{"error": {"message", "type", "code"}}`; some servers put a list around it."""
        message = dig(document, "error", "message") or dig(document, 0, "error", "message")
        return message if isinstance(message, str) else None

    def is_refusal(self, status: int, document: Any) -> bool:
        """Told by the status alone."""
        return status in {401, 403}

    def retry_after_s(self, document: Any) -> float | None:
        """Told by a header."""
        return None


OPENAI_WIRE: Final = OpenAiWire()
