"""Reading one chat completion off OpenAI's wire, streamed or whole."""

from dataclasses import dataclass, field
from typing import Any, cast

import orjson

from agent_worker.failures import RunFailed

MAX_ANSWER_BYTES = 16 * 1024 * 1024


@dataclass(slots=True)
class WireToolCall:
    """A tool call as it is put together from its pieces; `arguments` is JSON text."""

    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Completion:
    """What the model said. `feed` takes the bytes as they come and gives back the new text in them.

    Raises `RunFailed` for an error that the stream carries and for what isn't this wire; `again` is set where the
    same call may be repeated.
    """

    provider: str
    tool_calls: dict[int, WireToolCall] = field(default_factory=dict[int, WireToolCall])
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    done: bool = False
    spoke: bool = False
    _rest: bytes = b""
    _seen: int = 0
    _garbled: RunFailed | None = None

    def feed(self, data: bytes) -> str:
        """Take the next bytes of a stream (server-sent events)."""
        self._count(len(data))
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        text = ""
        for line in lines:
            if line.startswith(b"data:"):
                text += self._event(line[5:].strip())
        return text

    def close(self) -> str:
        """The stream ended: read what stands without a line break, and check that the answer is whole."""
        rest, self._rest = self._rest.strip(), b""
        text = self._event(rest[5:].strip()) if rest.startswith(b"data:") else ""
        if self._garbled is not None:
            raise self._garbled
        if not self.done and self.finish_reason is None:
            raise RunFailed(
                "provider_cut", f"The provider {self.provider} broke off in the middle of its answer.", again=True
            )
        if not self.spoke:
            raise self._garbage()
        return text

    def whole(self, body: bytes) -> str:
        """Take an answer that was not streamed."""
        self._count(len(body))
        document = self._parsed(body)
        if "choices" not in document:
            raise self._garbage()
        self.done = True
        return self._take(document, "message")

    def _count(self, size: int) -> None:
        self._seen += size
        if self._seen > MAX_ANSWER_BYTES:
            raise RunFailed("provider_garbage", f"The provider {self.provider} sent more than an answer may hold.")

    def _event(self, data: bytes) -> str:
        if data == b"[DONE]":
            self.done = True
            return ""
        if not data:
            return ""
        try:
            document = self._parsed(data)
        except RunFailed as garbage:
            # A line that was cut off: the gateway's word on why may follow it.
            if self._garbled is not None:
                raise
            self._garbled = garbage
            return ""
        if self._garbled is not None and "error" not in document:
            raise self._garbled
        return self._take(document, "delta")

    def _parsed(self, data: bytes) -> dict[str, Any]:
        try:
            document = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise self._garbage() from error
        if not isinstance(document, dict):
            raise self._garbage()
        return cast("dict[str, Any]", document)

    def _garbage(self) -> RunFailed:
        return RunFailed("provider_garbage", f"The provider {self.provider} answered with something unreadable.")

    def _take(self, document: dict[str, Any], part: str) -> str:
        try:
            if (error := document.get("error")) is not None:
                raise self._told(error)
            if (usage := document.get("usage")) is not None:
                self.usage = usage
            choices = document.get("choices")
            if not choices:
                return ""
            self.spoke = True
            choice = choices[0]
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            message = choice.get(part) or {}
            for position, call in enumerate(message.get("tool_calls") or ()):
                self._take_call(call, call.get("index", position))
            text = message.get("content") or ""
        except (AttributeError, TypeError, KeyError, IndexError) as error:
            raise self._garbage() from error
        if not isinstance(text, str):
            raise self._garbage()
        return text.replace("\x00", "\ufffd") if "\x00" in text else text

    def _take_call(self, piece: dict[str, Any], index: int) -> None:
        call = self.tool_calls.setdefault(index, WireToolCall())
        function = piece.get("function") or {}
        call.id = piece.get("id") or call.id
        call.name += function.get("name") or ""
        call.arguments += function.get("arguments") or ""

    def _told(self, error: Any) -> RunFailed:
        """The error that a stream carries: the gateway's own has `code`, `detail` and `status`."""
        problem = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
        if isinstance(problem.get("detail"), str) and isinstance(problem.get("status"), int):
            code = str(problem.get("code", "provider_error"))
            return RunFailed(code, problem["detail"], status=problem["status"], again=code == "provider_cut")
        return RunFailed("provider_error", f"The provider {self.provider} reported an error in its answer.")
