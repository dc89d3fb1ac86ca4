"""Pictures in messages: they are what they say they are, and not too many or too large."""

import base64
import binascii
from collections.abc import Iterable
from typing import Final

from pydantic_core import PydanticCustomError

from kgents_shared.contracts.worker import Image

MOST_IMAGES: Final = 4
MOST_BYTES: Final = 5 * 1024 * 1024
_MAGIC: Final = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff", "image/gif": b"GIF8"}


def checked_images(images: tuple[Image, ...]) -> tuple[Image, ...]:
    """The images of a message; raises `PydanticCustomError` for what no model may be sent."""
    left = MOST_BYTES
    for image in images:
        left -= len(image.data) * 3 // 4
        if left < 0:
            raise PydanticCustomError("images_too_large", "must not be more than 5 MiB together")
        try:
            data = base64.b64decode(image.data, validate=True)
        except (binascii.Error, ValueError) as error:
            raise PydanticCustomError("bad_base64", "must be base64, without line breaks") from error
        if not _is(data, image.media_type):
            raise PydanticCustomError(
                "other_image", "is not what its media_type says: {media_type}", {"media_type": image.media_type}
            )
    return images


def digest_of(images: Iterable[Image]) -> str:
    """What tells messages with other images apart."""
    return "".join(f"\n{image.media_type},{image.data}" for image in images)


def _is(data: bytes, media_type: str) -> bool:
    if media_type == "image/webp":
        return data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    return data.startswith(_MAGIC[media_type])
