"""A policy's text as rules and tokens: where each stands, and whether it is small enough for a recursive parser.

Cedar's parser gives no places, and a text that is nested deep enough ends its whole process (tried: 800 brackets on a
stack of 8 MB), so that nothing comes to it that wasn't read here before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

MAX_DEPTH = 24
MAX_TOKENS = 1_000
_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|(?P<number>[0-9]+)
    |(?P<sign>::|==|!=|<=|>=|&&|\|\||[()\[\]{}<>.,;:@?=!+*-])""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|u\{[0-9A-Fa-f]{1,6}\}|.)", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "0": "\0"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text, from `start` to `end`."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Rule:
    """One policy of a text: its tokens, the closing semicolon with them where there is one."""

    tokens: Sequence[Token]

    @property
    def start(self) -> int:
        """Where it begins."""
        return self.tokens[0].start

    @property
    def end(self) -> int:
        """The offset after it."""
        return self.tokens[-1].end

    @property
    def effect(self) -> str:
        """`permit` or `forbid`, where the rule is one."""
        token = self._head()
        return "" if token is None else token.text

    @property
    def place(self) -> int:
        """Where a person looks for it: at its effect."""
        token = self._head()
        return self.start if token is None else token.start

    def annotations(self) -> Iterator[tuple[str, str, Token]]:
        """Name, value and the value's token of each `@name("value")`."""
        tokens = self.tokens
        for position, token in enumerate(tokens[:-4]):
            if token.text == "@" and tokens[position + 3].kind == "string":
                value = tokens[position + 3]
                yield tokens[position + 1].text, unescaped(value.text), value

    def resource(self) -> tuple[str, str] | None:
        """Type and id of what its scope says of the resource, `== Tool::"…"` or `in Server::"…"`; None for all else.

        A name with an escape in it is left to Cedar: what is read differently here would be a rule that never counts.
        """
        texts = [token.text for token in self.tokens]
        head = self._head()
        begin = 0 if head is None else self.tokens.index(head)
        # The scope's third part: nothing before it can hold the word, but for a string, which has its quotes.
        if "resource" not in texts[begin:]:
            return None
        at = texts.index("resource", begin) + 1
        if texts[at : at + 1] == ["is"]:
            at += 2
        operator, kind, colons, name, end = (*texts[at : at + 5], "", "", "", "", "")[:5]
        is_named = colons == "::" and name[:1] == '"' and "\\" not in name and end in {",", ")"}
        if not is_named or (operator, kind) not in {("==", "Tool"), ("in", "Tool"), ("in", "Server")}:
            return None
        return kind, name[1:-1]

    def _head(self) -> Token | None:
        position = 0
        while position < len(self.tokens) and self.tokens[position].text == "@":
            given = position + 2 < len(self.tokens) and self.tokens[position + 2].text == "("
            position += 5 if given else 2
        return self.tokens[position] if position < len(self.tokens) else None


class Unreadable(Exception):
    """A text that has no tokens of Cedar from `at` on, or is nested or long beyond what is read."""

    def __init__(self, at: int, message: str, code: str = "policy_syntax") -> None:
        super().__init__(message)
        self.at = at
        self.message = message
        self.code = code


def rules_of(text: str) -> list[Rule]:
    """The rules of a text. Raises `Unreadable`."""
    rules: list[Rule] = []
    current: list[Token] = []
    depth = 0
    for token in _tokens(text):
        current.append(token)
        if token.text in {"(", "[", "{"}:
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable(token.start, f"is nested over {MAX_DEPTH} deep", "policy_too_large")
        elif token.text in {")", "]", "}"}:
            depth -= 1
        if len(current) > MAX_TOKENS:
            raise Unreadable(current[0].start, f"is longer than {MAX_TOKENS} words and signs", "policy_too_large")
        if token.text == ";" and depth <= 0:
            rules.append(Rule(current))
            current, depth = [], 0
    if current:
        rules.append(Rule(current))
    return rules


def place_of(text: str, offset: int) -> dict[str, int]:
    """Line and column of an offset, both from 1."""
    before = text[:offset]
    return {"line": before.count("\n") + 1, "column": offset - (before.rfind("\n") + 1) + 1}


def unescaped(literal: str) -> str:
    """What a string of Cedar stands for; `literal` has its quotes."""

    def meant(match: re.Match[str]) -> str:
        escape = match[1]
        if len(escape) > 1:
            code = int(escape.strip("xu{}"), 16)
            return chr(code) if code <= 0x10FFFF and not 0xD800 <= code <= 0xDFFF else "�"
        return _PLAIN_ESCAPES.get(escape, escape)

    return _ESCAPE.sub(meant, literal[1:-1])


def _tokens(text: str) -> Iterator[Token]:
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            if text[position] == '"':
                raise Unreadable(position, "this text has no closing quote")
            raise Unreadable(position, f"{text[position]!a} can't stand here")
        if match.lastgroup != "space":
            yield Token(match.lastgroup or "", match[0], position)
        position = match.end()
