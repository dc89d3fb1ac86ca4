"""Pictures that go along with a message: files whose content says what they are."""

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from kgents_cli.definition_files import read_at_most
from kgents_cli.faults import BadInput

MOST: Final = 4
_MOST_BYTES: Final = 5 * 1024 * 1024
_KINDS: Final = (
    ("image/png", b"\x89PNG\r\n\x1a\n"),
    ("image/jpeg", b"\xff\xd8\xff"),
    ("image/gif", b"GIF8"),
)  # fmt: skip
_HINT: Final = "pictures of one message are 5 MiB together at most: make them smaller, or leave some out"


def read_pictures(files: Sequence[Path]) -> list[dict[str, str]]:
    """The `images` of a message.

    Raises:
        BadInput: there are more than four, one can't be read or is no picture that models take, or they are too large.
    """
    if len(files) > MOST:
        raise BadInput(f"a message takes {MOST} pictures, and there are {len(files)}", hint="send the others after it")
    left = _MOST_BYTES
    found: list[dict[str, str]] = []
    for file in files:
        data = read_at_most(file, _MOST_BYTES, _HINT)
        left -= len(data)
        if left < 0:
            raise BadInput("the pictures are longer than 5 MiB together", hint=_HINT)
        found.append({"media_type": _kind_of(file, data), "data": base64.b64encode(data).decode("ascii")})
    return found


def _kind_of(file: Path, data: bytes) -> str:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    kind = next((kind for kind, magic in _KINDS if data.startswith(magic)), None)
    if kind is None:
        raise BadInput(
            f"{file} is no picture that models take",
            hint="send a PNG, JPEG, GIF or WebP; what its name says is no help",
        )
    return kind
