"""Whether a text is a policy: every fault at once, each with its line and column."""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import cedarpy

from kgents_shared.errors import FaultItem
from kgents_shared.policies.schema import schema_text
from kgents_shared.policies.tokens import Rule, Unreadable, place_of, rules_of

MAX_TEXT = 16_384
MAX_RULES = 50
MAX_STARS = 16
MAX_ID = 100
MAX_REASON = 500
_ENDED = "unexpected end of input"
_FOR_POLICY = re.compile(r"^for policy `policy(\d+)`, ")
_NAMED = re.compile(r"[`']([^`']+)[`']")
_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """One rule of a policy. `id` is its `@id`, `reason` its `@reason`: what who is refused is told.

    `resource` is the tool or server that its scope names.
    """

    id: str | None
    effect: str
    reason: str | None
    text: str
    resource: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class Examined:
    """What a text was found to be: its rules, or its faults."""

    rules: Sequence[RuleFacts]
    faults: Sequence[FaultItem]


@cache
def schema() -> cedarpy.Schema:
    """The schema, parsed once."""
    return cedarpy.Schema.from_str(schema_text())


def examine(text: str) -> Examined:
    """The rules of a policy's text, or all that is wrong with it."""
    if len(text) > MAX_TEXT:
        return _refused(text, 0, f"is longer than {MAX_TEXT} characters", "policy_too_large")
    try:
        rules = rules_of(text)
    except Unreadable as error:
        return _refused(text, error.at, error.message, error.code)
    if not rules:
        return _refused(text, 0, "has no rule", "policy_syntax", "write permit (…); or forbid (…);")
    if len(rules) > MAX_RULES:
        return _refused(text, rules[MAX_RULES].start, f"has over {MAX_RULES} rules", "policy_too_large")
    faults = [*_syntax_faults(text, rules), *_annotation_faults(text, rules), *_pattern_faults(text, rules)]
    broken = {fault.position["line"] for fault in faults}
    if not faults or len(broken) < len(rules):
        faults.extend(_schema_faults(text, rules))
    faults.sort(key=lambda fault: (fault.position["line"], fault.position["column"]))
    return Examined([] if faults else [_facts(text, rule) for rule in rules], faults)


def facts_of(text: str) -> list[RuleFacts]:
    """The rules of a text that was examined before. Raises `Unreadable`."""
    return [_facts(text, rule) for rule in rules_of(text)]


def _facts(text: str, rule: Rule) -> RuleFacts:
    given = {name: value for name, value, _ in rule.annotations()}
    return RuleFacts(given.get("id"), rule.effect, given.get("reason"), text[rule.start : rule.end], rule.resource())


def _syntax_faults(text: str, rules: Sequence[Rule]) -> Iterator[FaultItem]:
    for rule in rules:
        message = _parse_error(text[rule.start : rule.end])
        if message is not None:
            yield _fault(text, _where(text, rule, message), message, "policy_syntax", _syntax_hint(message))
        elif slot := next(
            (t for t, n in zip(rule.tokens, rule.tokens[1:], strict=False) if _is_slot(t.text, n.text)), None
        ):
            yield _fault(
                text, slot.start, "templates can't be used here: nothing fills their slots", "policy_syntax",
                "name the principal or resource, or leave the slot out",
            )  # fmt: skip


def _is_slot(sign: str, name: str) -> bool:
    return sign == "?" and name in {"principal", "resource"}


def _parse_error(text: str) -> str | None:
    try:
        cedarpy.PolicySet.from_str(text)
    except ValueError as error:
        return str(error)
    return None


def _where(text: str, rule: Rule, message: str) -> int:
    """Where a rule stops being one. An LALR parser fails at the first token that no rule goes on with."""
    if message == _ENDED:
        return rule.end
    if not message.startswith(("unexpected token", "invalid token")):
        return _named_in(text, rule, message)

    def is_wrong(count: int) -> bool:
        return _parse_error(text[rule.start : rule.tokens[count].end]) not in {None, _ENDED}

    found = bisect_left(range(len(rule.tokens)), True, key=is_wrong)
    return rule.tokens[min(found, len(rule.tokens) - 1)].start


def _named_in(text: str, rule: Rule, message: str) -> int:
    """The place of what a message names, or the rule's own."""
    for name in (*_NAMED.findall(message), message.rpartition(": ")[2]):
        found = next((token.start for token in rule.tokens if token.text == name), -1)
        if found < 0:
            found = text.find(name, rule.start, rule.end)
        if found >= 0:
            return found
    return rule.place


def _syntax_hint(message: str) -> str | None:
    if message == _ENDED:
        return "a rule ends with a semicolon"
    if message.startswith("invalid policy effect"):
        return "a rule begins with permit or forbid"
    if message.startswith("invalid policy condition"):
        return "conditions are when { … } and unless { … }"
    if message.startswith("found an invalid variable"):
        return "the scope is (principal, action, resource)"
    if message.startswith("'=' is not"):
        return "write =="
    return None


def _annotation_faults(text: str, rules: Sequence[Rule]) -> Iterator[FaultItem]:
    seen: set[str] = set()
    for rule in rules:
        for name, value, token in rule.annotations():
            longest = {"id": MAX_ID, "reason": MAX_REASON}.get(name)
            if longest is None:
                continue
            if not value.strip() or len(value) > longest or not value.isprintable():
                yield _fault(
                    text, token.start, f"@{name} takes 1 to {longest} characters on one line", "policy_annotation"
                )
            elif name == "id":
                if value in seen:
                    yield _fault(text, token.start, f'another rule has the id "{value}"', "policy_annotation")
                seen.add(value)


def _pattern_faults(text: str, rules: Sequence[Rule]) -> Iterator[FaultItem]:
    """Each star of a pattern may cost as many steps as the text that is matched has characters."""
    for rule in rules:
        for word, pattern in zip(rule.tokens, rule.tokens[1:], strict=False):
            if word.text == "like" and pattern.text.count("*") > MAX_STARS:
                yield _fault(text, pattern.start, f"has over {MAX_STARS} stars in a pattern", "policy_too_large")


def _schema_faults(text: str, rules: Sequence[Rule]) -> list[FaultItem]:
    """What rules say that can't be: of those that can be parsed, so that one slip hides no other."""
    whole = [rule for rule in rules if _parse_error(text[rule.start : rule.end]) is None]
    joined = "\n".join(text[rule.start : rule.end] for rule in whole)
    faults: dict[tuple[int, str], FaultItem] = {}
    for error in cedarpy.validate_policies(joined, schema()).errors:
        number = _FOR_POLICY.match(error.error)
        message = _FOR_POLICY.sub("", error.error)
        rule = whole[int(number[1])] if number is not None and int(number[1]) < len(whole) else None
        at = 0 if rule is None else _named_in(text, rule, message)
        faults.setdefault((at, message), _fault(text, at, message, "policy_invalid", _near(message)))
    return list(faults.values())


def _near(message: str) -> str | None:
    """What may have been meant by a name that the schema doesn't have."""
    known = sorted(set(_WORD.findall(re.sub(r"//[^\n]*", "", schema_text()))))
    for named in _NAMED.findall(message):
        for word in _WORD.findall(named):
            close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
            if word not in known and close:
                return f'did you mean "{close[0]}"?'
    return "`kgents policies schema` shows what a policy can speak of"


def _refused(text: str, at: int, message: str, code: str, hint: str | None = None) -> Examined:
    return Examined([], [_fault(text, at, message, code, hint)])


def _fault(text: str, at: int, message: str, code: str, hint: str | None = None) -> FaultItem:
    return FaultItem(("text",), message, code, hint, place_of(text, at))
