"""A request as the model server got it, and the checks that OpenAI's own server makes on one."""

import json
import re
from dataclasses import dataclass
from typing import TypeAlias, cast

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = dict[str, Json]

_ROLES = {"system", "developer", "user", "assistant", "tool"}
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def wire_name(tool: str) -> str:
    """A tool's name with what OpenAI's wire refuses replaced: `time.now` → `time_now`."""
    return re.sub(r"[^a-zA-Z0-9_-]", "_", tool)


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """One request, kept for assertions. Header names are lower case; `body` is {} if it was no object."""

    method: str
    path: str
    headers: dict[str, str]
    raw: bytes
    body: JsonObject

    @property
    def authorization(self) -> str | None:
        """The Authorization header as sent, or None."""
        return self.headers.get("authorization")

    @property
    def messages(self) -> list[JsonObject]:
        """The conversation on OpenAI's wire: role, content, tool_calls, tool_call_id."""
        return _objects(self.body.get("messages"))

    @property
    def tool_names(self) -> list[str]:
        """Names of the functions offered in `tools`."""
        functions = [tool.get("function") for tool in _objects(self.body.get("tools"))]
        return [str(function.get("name")) for function in functions if isinstance(function, dict)]

    @property
    def stream(self) -> bool:
        """Whether a stream was asked for."""
        return self.body.get("stream") is True

    @property
    def include_usage(self) -> bool:
        """Whether a stream is to end with its usage (`stream_options.include_usage`)."""
        options = self.body.get("stream_options")
        return isinstance(options, dict) and options.get("include_usage") is True

    @property
    def model(self) -> str:
        """The model asked for, "" if none."""
        return str(self.body.get("model", ""))

    @property
    def last_user_text(self) -> str:
        """Text of the last user message, "" if there is none."""
        for message in reversed(self.messages):
            if message.get("role") == "user":
                return text_of(message)
        return ""

    @property
    def trailing_tool_results(self) -> list[str]:
        """Texts of the tool messages after the last message of another role, in order."""
        results: list[str] = []
        for message in reversed(self.messages):
            if message.get("role") != "tool":
                break
            results.insert(0, text_of(message))
        return results


def parse_object(raw: bytes) -> JsonObject:
    """The body as a JSON object, {} for anything else."""
    try:
        value: object = json.loads(raw)
    except ValueError:
        return {}
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def text_of(message: JsonObject) -> str:
    """A message's text, whether `content` is a string or a list of parts."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(str(part.get("text", "")) for part in _objects(content))


def fault_of(request: ModelRequest) -> str | None:
    """What OpenAI would refuse with 400 in this chat completion, or None."""
    if not request.body:
        return "We could not parse the JSON body of your request."
    if not request.model:
        return "you must provide a model parameter"
    if not request.messages:
        return "Invalid 'messages': expected a non-empty array."
    for index, name in enumerate(request.tool_names):
        if not _TOOL_NAME.fullmatch(name):
            return (
                f"Invalid 'tools[{index}].function.name': string does not match pattern. "
                "Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            )
    return _fault_of_conversation(request.messages)


def _fault_of_conversation(messages: list[JsonObject]) -> str | None:
    unanswered: set[str] = set()
    for index, message in enumerate(messages):
        role = message.get("role")
        if role not in _ROLES:
            return f"Invalid value: '{role}' at 'messages[{index}].role'."
        if role == "tool":
            call_id = str(message.get("tool_call_id"))
            if call_id not in unanswered:
                return (
                    f"Invalid parameter: messages[{index}] with role 'tool' must be a response "
                    "to a preceding message with 'tool_calls'."
                )
            unanswered.discard(call_id)
            continue
        if unanswered:
            break
        if role == "assistant":
            unanswered = {str(call.get("id")) for call in _objects(message.get("tool_calls"))}
        if message.get("content") is None and not unanswered:
            return f"Invalid value for 'content': expected a string, got null at 'messages[{index}]'."
    if unanswered:
        return (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            "'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(sorted(unanswered))
        )
    return None


def _objects(value: Json) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
