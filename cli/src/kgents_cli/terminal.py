"""What the terminal shows beside results: colour where it can, progress for whatever takes longer than a second."""

import os
import re
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TextIO

_CODES = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
# Everything that moves a cursor, sets a title or turns a line around (Unicode's C0, C1 and bidirectional controls), but
# for tabs and line breaks. A lone surrogate can't be written at all.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]|\r(?!\n)")
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


def harmless(text: str) -> str:
    """`text` that came from an agent or a server, with what would steer the terminal made visible: `\\x1b` for ESC."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def wants_colour(stream: TextIO) -> bool:
    """Colour is for terminals, unless NO_COLOR is set (https://no-color.org) or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def style(text: str, colour: str, stream: TextIO | None = None) -> str:
    """The text in a colour of `_CODES` where the stream (default stderr) shows it, else as it is."""
    if not wants_colour(sys.stderr if stream is None else stream):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


class Progress:
    """One line on stderr that says what is being waited for; `update` changes its words."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._start = time.monotonic()
        self._done = threading.Event()
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"

    def update(self, text: str) -> None:
        """Shows other words; where stderr is no terminal, each new text is a line."""
        if text != self._text:
            self._text = text
            if not self._live and time.monotonic() - self._start > 1:
                print(f"{text} …", file=sys.stderr, flush=True)

    def animate(self) -> None:
        """Draws until `finish`; on no terminal, one line once a second has passed."""
        if not self._live:
            if not self._done.wait(1):
                print(f"{self._text} …", file=sys.stderr, flush=True)
            return
        turn = 0
        while not self._done.wait(0.1):
            elapsed = time.monotonic() - self._start
            if elapsed > 0.3:
                frame = style(_FRAMES[turn % len(_FRAMES)], "cyan")
                print(f"\r\x1b[2K{frame} {self._text} ({elapsed:.0f} s)", end="", file=sys.stderr, flush=True)
            turn += 1
        print("\r\x1b[2K", end="", file=sys.stderr, flush=True)

    def finish(self) -> None:
        """Ends the drawing."""
        self._done.set()


@contextmanager
def progress(text: str) -> Generator[Progress]:
    """Shows the text with a spinner and the seconds while the block runs."""
    shown = Progress(text)
    thread = threading.Thread(target=shown.animate, daemon=True)
    thread.start()
    try:
        yield shown
    finally:
        shown.finish()
        thread.join()
