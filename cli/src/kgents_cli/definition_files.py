"""Files that people name on the command line, read whole but never without end."""

import sys
from pathlib import Path

from kgents_cli.faults import BadInput

# More than any definition or flow may hold; a device or a pipe may go on for ever.
MAX_FILE_BYTES = 4 * 1024 * 1024


def read_definition(file: Path, hint: str | None) -> tuple[str, bytes]:
    """What to call the file in a fault, and its bytes; `-` is standard input.

    Raises:
        BadInput: it can't be read, or is longer than 4 MiB.
    """
    source = "<stdin>" if str(file) == "-" else str(file)
    try:
        if source == "<stdin>":
            content = sys.stdin.buffer.read(MAX_FILE_BYTES + 1)
        else:
            with file.open("rb") as opened:
                content = opened.read(MAX_FILE_BYTES + 1)
    except OSError as fault:
        raise BadInput(f"{source}: {fault.strerror}", hint=hint) from fault
    if len(content) > MAX_FILE_BYTES:
        raise BadInput(f"{source} is longer than 4 MiB, more than any definition is", hint=hint)
    return source, content
