"""What policies decide of a tool call."""

from dataclasses import replace

import pytest

from kgents_shared.policies.calls import PolicyDocument, ToolCallFacts
from kgents_shared.policies.engine import Policies

CALL = ToolCallFacts(
    owner_id="org-1",
    agent_id="0190-a",
    agent_name="helper",
    asked_by="alice",
    hops=0,
    tool="mail.send",
    server="mail",
    kind="mcp",
    side_effect="external",
    argument_names=("to", "body"),
    argument_bytes=120,
    unix_time=1_763_737_200,  # Friday, 2025-11-21 15:00 UTC
)


def document(name: str, text: str) -> PolicyDocument:
    return PolicyDocument(f"id-{name}", name, text)


def forbidding(condition: str) -> Policies:
    return Policies([], [document("p", f"forbid (principal, action, resource) when {{ {condition} }};")])


def test_without_policies_everything_passes() -> None:
    assert Policies([]).decide(CALL).allowed


@pytest.mark.parametrize(
    "condition",
    [
        'resource == Tool::"mail.send"',
        'resource in Server::"mail"',
        'resource.name like "mail.*"',
        'resource.kind == "mcp" && resource.side_effect == "external"',
        'principal == Agent::"0190-a"',
        'principal in Owner::"org-1"',
        'principal is Agent && principal.name == "helper"',
        'context.asked_by == "alice"',
        'context.arguments.names.contains("body") && context.arguments.bytes > 100',
        "context.time.hour == 15 && context.time.minute == 0 && context.time.weekday == 5",
        "context.time.unix > 1763737199 && context.hops < 1",
    ],
)
def test_a_policy_can_speak_of_all_that_is_known_of_a_call(condition: str) -> None:
    assert not forbidding(condition).decide(CALL).allowed
    assert forbidding(f"!({condition})").decide(CALL).allowed


def test_a_call_without_an_agent_is_its_persons() -> None:
    policies = forbidding('principal == Person::"alice" && principal in Owner::"org-1"')
    by_hand = replace(CALL, agent_id=None, agent_name=None)
    assert not policies.decide(by_hand).allowed
    assert policies.decide(replace(by_hand, asked_by="bob")).allowed
    assert policies.decide(CALL).allowed


def test_a_denial_names_the_policy_the_rule_and_the_reason_that_its_author_gave() -> None:
    policies = Policies(
        [document("base", 'forbid (principal, action, resource == Tool::"x.y");')],
        [
            document(
                "no-mail",
                'forbid (principal, action, resource == Tool::"x.y");\n'
                '@id("mail") @reason("People send mail.") forbid (principal, action, resource in Server::"mail");',
            )
        ],
    )
    decision = policies.decide(CALL)
    (rule,) = decision.rules
    assert (rule.level, rule.policy_id, rule.policy, rule.rule) == ("owner", "id-no-mail", "no-mail", "mail")
    assert decision.reason == (
        "The policy no-mail of the owner forbids mail.send (rule mail). People send mail. "
        "Change it by `kgents policies update no-mail`."
    )


def test_a_level_that_permits_something_permits_nothing_else() -> None:
    permit = document("only-time", 'permit (principal, action, resource in Server::"time");')
    for policies, whose in ((Policies([permit]), "this platform"), (Policies([], [permit]), "the owner")):
        assert policies.decide(replace(CALL, tool="time.now", server="time")).allowed
        decision = policies.decide(CALL)
        assert not decision.allowed
        assert f"No policy of {whose} permits mail.send" in decision.reason


def test_an_owners_permit_opens_nothing_that_the_platform_forbids_or_does_not_permit() -> None:
    everything = document("all", "permit (principal, action, resource);")
    no_mail = document("no-mail", 'forbid (principal, action, resource in Server::"mail");')
    only_time = document("time", 'permit (principal, action, resource in Server::"time");')
    assert not Policies([no_mail], [everything]).decide(CALL).allowed
    assert not Policies([only_time], [everything]).decide(CALL).allowed
    assert Policies([everything], [everything]).decide(CALL).allowed


def test_a_rule_that_can_not_be_evaluated_refuses() -> None:
    policies = forbidding("context.time.unix * 9000000000000000000 > 1")
    decision = policies.decide(CALL)
    assert not decision.allowed
    assert "can't be evaluated" in decision.reason


def test_names_with_quotes_and_line_breaks_are_names() -> None:
    odd = replace(CALL, agent_id='a"\n{', agent_name='"}', asked_by='\\"', tool='x".y\n')
    assert forbidding('resource.name == "mail.send"').decide(odd).allowed


def test_a_text_that_is_no_policy_is_refused() -> None:
    with pytest.raises(ValueError, match="the policy broken can't be read"):
        Policies([document("broken", "permit (")])


@pytest.mark.parametrize(
    ("scope", "decides"),
    [
        ('resource == Tool::"mail.send"', True),
        ('resource == Tool::"mail.read"', False),
        ('resource in Server::"mail"', True),
        ('resource in Server::"post"', False),
        ('resource is Tool in Server::"mail"', True),
        ('resource is Tool in Server::"post"', False),
        ('resource in Tool::"mail.send"', True),
        ("resource is Tool", True),
        ('resource == Tool::"mail.\\u{73}end"', True),
        ('resource == Tool::"mail.\\u{7_3}end"', True),
        ('resource == Tool::"mail.send" /', False),
    ],
)
def test_a_rule_is_left_out_only_where_its_scope_has_no_room_for_the_tool(scope: str, decides: bool) -> None:
    scope = scope.removesuffix(" /")
    policies = Policies(
        [document("other", 'forbid (principal, action, resource == Tool::"x.y");')],
        [document("p", f'@reason("resource == Tool") forbid (principal == Agent::"resource", action, {scope});')],
    )
    asked = replace(CALL, agent_id="resource")
    if scope.endswith('"mail.send"') and not decides:
        asked = replace(asked, tool="mail.other")
    for _ in range(2):
        assert policies.decide(asked).allowed is not decides


def test_what_no_rule_concerns_is_decided_by_what_is_left() -> None:
    only_time = document("time", 'permit (principal, action, resource in Server::"time");')
    assert "No policy of the owner permits" in Policies([], [only_time]).decide(CALL).reason
    policies = Policies(
        [], [document("p", "".join(f'forbid (principal, action, resource == Tool::"t.{n}");' for n in range(40)))]
    )
    for number in range(40):
        decision = policies.decide(replace(CALL, tool=f"t.{number}", server="t"))
        assert [rule.rule for rule in decision.rules] == [str(number + 1)]
    assert policies.decide(CALL).allowed
