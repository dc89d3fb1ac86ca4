"""Files that people name on the command line, read whole but never without end."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import BinaryIO

from kgents_cli.faults import BadInput

# More than any definition or flow may hold; a device or a pipe may go on for ever.
MAX_FILE_BYTES = 4 * 1024 * 1024


def read_definition(file: Path, hint: str | None) -> tuple[str, bytes]:
    """What to call the file in a fault, and its bytes; `-` is standard input.

    Raises:
        BadInput: it can't be read, or is longer than 4 MiB.
    """
    too_long = "is longer than 4 MiB, more than any definition is"
    if str(file) == "-":
        return "<stdin>", _read("<stdin>", lambda: nullcontext(sys.stdin.buffer), MAX_FILE_BYTES, too_long, hint)
    return str(file), _read(str(file), lambda: file.open("rb"), MAX_FILE_BYTES, too_long, hint)


def read_at_most(file: Path, most_bytes: int, hint: str) -> bytes:
    """The bytes of a file.

    Raises:
        BadInput: it can't be read, or is longer than that.
    """
    return _read(str(file), lambda: file.open("rb"), most_bytes, f"is longer than {most_bytes} bytes", hint)


def _read(
    source: str,
    opening: Callable[[], AbstractContextManager[BinaryIO]],
    most_bytes: int,
    too_long: str,
    hint: str | None,
) -> bytes:
    try:
        with opening() as opened:
            content = opened.read(most_bytes + 1)
    except OSError as fault:
        raise BadInput(f"{source}: {fault.strerror}", hint=hint) from fault
    if len(content) > most_bytes:
        raise BadInput(f"{source} {too_long}", hint=hint)
    return content
