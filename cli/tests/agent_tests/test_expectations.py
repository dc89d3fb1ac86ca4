"""What a scenario can expect: each expectation holds where it should, and says what was seen where it doesn't."""

from __future__ import annotations

import pytest

from .conftest import RunCase

TWO_CALLS = """
[[case.turn]]
user = "Mail the time to Ada."
replies = [
    { call = "time.now", arguments = { zone = "UTC" }, tokens = { prompt = 10, completion = 5 } },
    { call = "mail.send", arguments = { to = "ada", text = "09:00" }, tokens = { prompt = 20, completion = 5 } },
    { text = "Done: Ada knows.", tokens = { prompt = 30, completion = 5 } },
]
[case.turn.expect]
"""
PRICES = '[prices]\nprompt = "100"\ncompletion = "1000"\n'
HOLDING = [
    'text = "Done: Ada knows."',
    'contains = ["Ada", "Done"]',
    'lacks = ["Bob"]',
    'matches = "^Done: \\\\w+ knows\\\\.$"',
    'calls = ["time.now", "mail.send"]',
    'calls = [{ tool = "time.now", arguments = { zone = "UTC" } }, { tool = "mail.send", arguments = { to = "ada" } }]',
    'calls_in_order = ["time.now", "mail.send"]',
    'calls_in_order = ["mail.send"]',
    'never_calls = ["mail.delete", "web.*"]',
    'offered = ["mail.send", "time.now"]',
    'model_saw = ["You are {a} clerk.", "Mail the time", "09:00", "sent"]',
    "steps = 3",
    "max_steps = 3",
    "max_tokens = 75",
    'max_cost = "0.021"',
]
BROKEN = [
    ('text = "Done."', "text", 'the answer is "Done: Ada knows."'),
    ('contains = ["Ada", "Bob"]', "contains", '"Bob" is not in the answer'),
    ('lacks = ["Ada"]', "lacks", '"Ada" is in the answer'),
    ('matches = "^Ada"', "matches", 'nothing matches "^Ada"'),
    ('calls = ["time.now"]', "calls", 'made: time.now {"zone": "UTC"}, mail.send'),
    ("calls = []", "calls", "expected no call"),
    ('calls = ["mail.send", "time.now"]', "calls", "expected mail.send, time.now"),
    ('calls = ["time.now", { tool = "mail.send", arguments = { to = "bob" } }]', "calls", '{"to": "bob"}'),
    ('calls_in_order = ["mail.send", "time.now"]', "calls_in_order", "time.now is not called where it should be"),
    ('calls_in_order = ["time.now", "time.now"]', "calls_in_order", "time.now is not called where it should be"),
    ('never_calls = ["mail.*"]', "never_calls", "was called, against mail.*"),
    ('offered = ["time.now"]', "offered", "the model was offered mail.send, time.now"),
    ('model_saw = ["tomorrow"]', "model_saw", '"tomorrow" is in no message'),
    ("steps = 2", "steps", "the model was asked 3 times"),
    ("max_steps = 2", "max_steps", "the model was asked 3 times"),
    ("max_tokens = 74", "max_tokens", "it took 75"),
    ('max_cost = "0.0209"', "max_cost", "it cost 0.021"),
    ('fails = "max_steps_reached"', "fails", 'the agent answered: "Done: Ada knows."'),
]


@pytest.mark.parametrize("expectation", HOLDING)
def test_an_expectation_holds(run_case: RunCase, expectation: str):
    outcome = run_case(TWO_CALLS + expectation, head=f'agent = "agent.toml"\n{PRICES}')
    assert [str(failure) for failure in outcome.failures] == []
    assert outcome.status == "passed"


@pytest.mark.parametrize(("expectation", "name", "words"), BROKEN, ids=lambda text: text)
def test_a_broken_expectation_says_what_was_seen(run_case: RunCase, expectation: str, name: str, words: str):
    outcome = run_case(TWO_CALLS + expectation, head=f'agent = "agent.toml"\n{PRICES}')
    assert outcome.status == "failed"
    [failure] = outcome.failures
    assert (failure.turn, failure.expectation) == (1, name)
    assert words in failure.message


def test_all_broken_expectations_are_told_at_once(run_case: RunCase):
    outcome = run_case(TWO_CALLS + 'contains = ["Bob"]\nsteps = 1\ncalls = []\n')
    assert [failure.expectation for failure in outcome.failures] == ["contains", "calls", "steps"]


def test_a_case_counts_steps_tokens_and_cost_over_its_turns(run_case: RunCase):
    turn = '[[case.turn]]\nuser = "Hi"\nreplies = [{ text = "Hello", tokens = { prompt = 100, completion = 10 } }]\n'
    outcome = run_case(turn * 2, head=f'agent = "agent.toml"\n{PRICES}')
    shown = outcome.as_json()
    assert shown["steps"] == 2
    assert shown["usage"] == {"prompt_tokens": 200, "completion_tokens": 20}
    assert shown["cost"] == {"amount": "0.04", "currency": "USD"}


def test_without_prices_there_is_no_cost(run_case: RunCase):
    shown = run_case('[[case.turn]]\nuser = "Hi"\nreplies = ["Hello there"]').as_json()
    assert shown["cost"] is None
    assert shown["usage"] == {"prompt_tokens": 5, "completion_tokens": 2}
