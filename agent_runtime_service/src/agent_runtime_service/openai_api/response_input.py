"""The items of a response's input as a transcript has them."""

from collections.abc import Sequence

from agent_runtime_service.openai_api.history import called, instructions
from agent_runtime_service.openai_api.pictures import pictures
from agent_runtime_service.openai_api.response_schemas import (
    FunctionCall,
    FunctionOutput,
    InputItem,
    SaidImage,
    SaidMessage,
    SaidText,
)
from kgents_shared.contracts.worker import Message


def input_messages(given: str | Sequence[InputItem]) -> list[Message]:
    """What is said, as messages. Calls that stand side by side are one message's. Raises `InvalidInput`."""
    if isinstance(given, str):
        return [Message(role="user", text=given)]
    found: list[Message] = []
    for place, item in enumerate(given):
        if isinstance(item, FunctionOutput):
            found.append(Message(role="tool", text=_text(item.output), tool_call_id=item.call_id))
        elif isinstance(item, FunctionCall):
            call = called(item.call_id, item.name, item.arguments, "input", place)
            last = found[-1] if found else None
            if last is not None and last.role == "assistant":
                found[-1] = last.model_copy(update={"tool_calls": (*last.tool_calls, call)})
            else:
                found.append(Message(role="assistant", text="", tool_calls=(call,)))
        else:
            found.append(_said(item, place))
    return found


def _said(item: SaidMessage, place: int) -> Message:
    text = _text(item.content)
    if item.role in {"system", "developer"}:
        return instructions(text)
    if item.role == "assistant":
        return Message(role="assistant", text=text)
    urls = [] if isinstance(item.content, str) else [p.image_url for p in item.content if isinstance(p, SaidImage)]
    return Message(role="user", text=text, images=pictures(urls, ("body", "input", place)))


def _text(content: str | Sequence[object]) -> str:
    if isinstance(content, str):
        return content
    texts = (part.text if isinstance(part, SaidText) else getattr(part, "refusal", None) for part in content)
    return "\n".join(text for text in texts if text is not None)
