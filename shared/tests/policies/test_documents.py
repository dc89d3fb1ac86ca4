"""Whether a text is a policy, and where it isn't."""

import pytest

from kgents_shared.errors import FaultItem
from kgents_shared.policies.documents import MAX_RULES, MAX_STARS, MAX_TEXT, examine
from kgents_shared.policies.tokens import MAX_DEPTH, MAX_TOKENS

SCOPE = "(principal, action, resource)"


def found(text: str) -> list[tuple[int, int, str, str]]:
    return [(f.position["line"], f.position["column"], f.code, f.msg) for f in examine(text).faults]


def test_a_policy_is_its_rules_with_their_ids_and_reasons() -> None:
    text = f'@id("one")\n@reason("because \\"so\\"")\nforbid {SCOPE}; // no; more\npermit {SCOPE} when {{ true }};\n'
    examined = examine(text)
    assert not examined.faults
    assert [(rule.id, rule.effect, rule.reason) for rule in examined.rules] == [
        ("one", "forbid", 'because "so"'),
        (None, "permit", None),
    ]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (f"permit {SCOPE}", (1, 37), "unexpected end of input"),
        (f"permit {SCOPE}\nwhen {{ context.hops < }};", (2, 24), "unexpected token `}`"),
        (f"permit {SCOPE};\n\n  permit {SCOPE} ];", (3, 40), "unexpected token `]`"),
        (f"allow {SCOPE};", (1, 1), "invalid policy effect: allow"),
        ('@id("x")\npermit(principle, action, resource);', (2, 8), "invalid variable in the policy scope: principle"),
        (f"permit {SCOPE}\nwhenever {{ true }};", (2, 1), "invalid policy condition: whenever"),
        (f'permit {SCOPE} when {{ resource.name == "x }};', (1, 62), "no closing quote"),
        (f"permit {SCOPE} when {{ context.hops = 1 }};", (1, 58), "'=' is not a valid operator"),
        (f"permit {SCOPE} when {{ $ }};", (1, 45), "'$' can't stand here"),
        ("permit(principal == ?principal, action, resource);", (1, 21), "templates can't be used here"),
        ("", (1, 1), "has no rule"),
        (f'@id(" ") permit {SCOPE};', (1, 5), "@id takes 1 to 100 characters"),
        (f'@id("a") permit {SCOPE};\n@id("a") permit {SCOPE};', (2, 5), 'another rule has the id "a"'),
    ],
)
def test_a_slip_is_told_with_its_line_and_column(text: str, place: tuple[int, int], says: str) -> None:
    ((line, column, code, message),) = found(text)
    assert says in message
    assert (line, column) == place
    assert code in {"policy_syntax", "policy_annotation"}


@pytest.mark.parametrize(
    ("condition", "names", "hint"),
    [
        ("resource.side_efect == 3", "side_efect", 'did you mean "side_effect"?'),
        ("resource.name > 3", "expected Long but saw String", "`kgents policies schema`"),
        ("context.argument.bytes > 1", "argument", 'did you mean "arguments"?'),
        ('resource in Serve::"time"', "Serve", 'did you mean "Server"?'),
        ("principal.name == context.asked_by", "`name` on entity type `Person` not found", "`kgents policies schema`"),
    ],
)
def test_what_policies_can_not_speak_of_is_told_with_what_may_have_been_meant(
    condition: str, names: str, hint: str
) -> None:
    faults = examine(f"forbid {SCOPE};\nforbid {SCOPE}\nwhen {{ {condition} }};").faults
    assert {fault.code for fault in faults} == {"policy_invalid"}
    assert {fault.position["line"] for fault in faults} <= {2, 3}
    assert any(names in fault.msg for fault in faults)
    assert any(hint in (fault.hint or "") for fault in faults)


def test_every_fault_is_told_at_once() -> None:
    text = f"permit {SCOPE} when {{ }};\nforbid {SCOPE} when {{ context.nope }};\npermit(principal, action);"
    assert [(line, code) for line, _, code, _ in found(text)] == [
        (1, "policy_syntax"),
        (2, "policy_invalid"),
        (3, "policy_syntax"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        f"permit {SCOPE} when {{ {'(' * 7000}true{')' * 7000} }};",
        f"permit {SCOPE} when {{ {'[' * MAX_DEPTH}1 }};",
        f"permit {SCOPE} when {{ {'{a:' * 3000}1{'}' * 3000} }};",
        f"permit {SCOPE} when {{ {'1+' * MAX_TOKENS}1 == 1 }};",
        f"permit {SCOPE} when {{ context{'.a' * MAX_TOKENS} }};",
        f"permit {SCOPE} when {{ {'if true then ' * 500}true{' else true' * 500} }};",
        f"permit {SCOPE};" * (MAX_RULES + 1),
        f'permit {SCOPE} when {{ resource.name like "{"*a" * (MAX_STARS + 1)}" }};',
        "/" * (MAX_TEXT + 1),
    ],
)
def test_what_would_exhaust_the_parser_never_comes_to_it(text: str) -> None:
    ((_, _, code, _),) = found(text)
    assert code == "policy_too_large"


def test_a_fault_is_of_the_field_that_carries_the_text() -> None:
    (fault,) = examine("nope").faults
    assert isinstance(fault, FaultItem)
    assert fault.loc == ("text",)
