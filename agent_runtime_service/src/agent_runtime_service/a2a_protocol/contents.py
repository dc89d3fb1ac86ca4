"""What a message of the protocol says: its text, its data as JSON, and its pictures."""

import base64
from typing import Any, Final
from uuid import UUID

from a2a.types.a2a_pb2 import Message, Part
from a2a.utils.errors import ContentTypeNotSupportedError, InvalidParamsError
from google.protobuf.json_format import MessageToJson
from pydantic import ValidationError

from agent_runtime_service.a2a_protocol.cards import IMAGE_TYPES
from agent_runtime_service.messages.schemas import MOST_WIRE_CHARS, WireMessage
from kgents_shared.errors.validation import faults_of

_TAKEN: Final = ", ".join(IMAGE_TYPES)


def body_of(message: Message, conversation_id: UUID | None) -> WireMessage:
    """The message as a run is begun with it. Raises `ContentTypeNotSupportedError`, `InvalidParamsError`."""
    texts: list[str] = []
    images: list[dict[str, Any]] = []
    for part in message.parts:
        if part.HasField("text"):
            texts.append(part.text)
        elif part.HasField("data"):
            texts.append(MessageToJson(part.data))
        else:
            images.append(_image(part))
    text = "\n".join(texts)
    if not text.strip() or len(text) > MOST_WIRE_CHARS or "\x00" in text:
        raise InvalidParamsError(
            f"The text, which a file needs beside it, must have 1 to {MOST_WIRE_CHARS} characters that aren't all "
            "blank, no NUL."
        )
    try:
        fields = {"text": text, "images": images, "conversation_id": conversation_id}
        return WireMessage.model_validate(fields)
    except ValidationError as error:
        fault = faults_of(error.errors())[0]
        raise InvalidParamsError(f"{'.'.join(map(str, fault.loc))} {fault.msg}") from None


def _image(part: Part) -> dict[str, Any]:
    if not part.HasField("raw"):
        raise ContentTypeNotSupportedError("Files are taken as bytes: nobody here fetches them from an address.")
    media_type = part.media_type.partition(";")[0].strip().lower()
    if media_type not in IMAGE_TYPES:
        told = f"{media_type} isn't taken" if media_type else "this one doesn't say what it is"
        raise ContentTypeNotSupportedError(f"Files must be pictures ({_TAKEN}): {told}.")
    return {"media_type": media_type, "data": base64.b64encode(part.raw).decode()}
