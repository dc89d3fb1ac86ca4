"""Texts as the pieces of words that BERT's uncased vocabularies have (Devlin et al. 2019; Wu et al. 2016)."""

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path

_LONGEST_WORD = 100
_CJK = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPieces:
    """A vocabulary, one piece a line in `vocab.txt`."""

    def __init__(self, file: Path) -> None:
        pieces = file.read_text(encoding="utf-8").split("\n")
        self._ids: Mapping[str, int] = {piece: number for number, piece in enumerate(pieces) if piece}
        self._begin, self._end, self._unknown = (self._ids[name] for name in ("[CLS]", "[SEP]", "[UNK]"))

    def ids(self, text: str, most: int) -> list[int]:
        """At most `most` numbers, with those that say where the text begins and ends."""
        found: list[int] = [self._begin]
        for word in _words(text):
            found += self._pieces(word)
            if len(found) >= most - 1:
                break
        return [*found[: most - 1], self._end]

    def _pieces(self, word: str) -> list[int]:
        """The longest piece first, then the longest of what is left."""
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = self._ids.get(word[start:end] if start == 0 else f"##{word[start:end]}")
                if piece is not None:
                    found.append(piece)
                    start = end
                    break
            else:
                return [self._unknown]
        return found


def _words(text: str) -> Iterator[str]:
    """Words and marks in lower case, without accents."""
    plain = "".join(
        char for char in unicodedata.normalize("NFD", _spaced(text).lower()) if unicodedata.category(char) != "Mn"
    )
    for word in plain.split():
        begun = 0
        for place, char in enumerate(word):
            if _is_mark(char):
                if begun < place:
                    yield word[begun:place]
                yield char
                begun = place + 1
        if begun < len(word):
            yield word[begun:]


def _spaced(text: str) -> str:
    """Without control characters, with each CJK character a word of its own."""
    if text.isascii() and text.isprintable():
        return text
    pieces: list[str] = []
    for char in text:
        code = ord(char)
        if char in "\t\n\r" or unicodedata.category(char) == "Zs":
            pieces.append(" ")
        elif any(first <= code <= last for first, last in _CJK):
            pieces.append(f" {char} ")
        elif code not in (0, 0xFFFD) and unicodedata.category(char) not in ("Cc", "Cf"):
            pieces.append(char)
    return "".join(pieces)


def _is_mark(char: str) -> bool:
    if char.isascii():
        return char.isprintable() and not char.isalnum() and char != " "
    return unicodedata.category(char).startswith("P")
