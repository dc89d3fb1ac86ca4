"""An agent's life: the types and the table say the same, and what a state can't do is an error of types."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product
from uuid import uuid4

import pytest

from agent_deployment_service.deployments.lifecycle import (
    TRANSITIONS,
    Agent,
    AnyAgent,
    Failed,
    LifecycleState,
    Loaded,
    Observed,
    Running,
    Stopped,
    Unloaded,
    _move,  # pyright: ignore[reportPrivateUsage]  what every transition goes through
    advance,
    agent_of,
)
from agent_deployment_service.instances.states import IllegalTransitionError

AGENT = uuid4()
TYPES: tuple[type[AnyAgent], ...] = (Unloaded, Loaded, Running, Stopped, Failed)
OBSERVED = [
    Observed(deleted=deleted, wanted=wanted, answers=answers, failure=failure)
    for deleted, wanted, answers, failure in product((False, True), (False, True), (False, True), (None, "it fell"))
]


@pytest.mark.parametrize("kind", TYPES)
def test_the_methods_of_a_state_are_exactly_its_transitions(kind: type[AnyAgent]):
    agent = kind(AGENT)
    methods = [name for name in vars(kind) if not name.startswith("_") and name != "state"]
    results: list[Agent] = [getattr(agent, name)(*(["why"] if name == "fail" else [])) for name in methods]
    assert {item.state for item in results} == TRANSITIONS[kind.state]
    assert {item.agent_id for item in results} == {AGENT}


@pytest.mark.parametrize("before", TYPES)
@pytest.mark.parametrize("after", TYPES)
def test_every_other_transition_is_refused_when_it_runs(before: type[AnyAgent], after: type[AnyAgent]):
    if after.state in TRANSITIONS[before.state]:
        assert _move(before(AGENT), after).state is after.state
        return
    with pytest.raises(IllegalTransitionError):
        _move(before(AGENT), after)


# The checker of types refuses each of these: `./kgents lint types` fails where one of the comments has nothing to hide.
WRONG: dict[str, Callable[[], object]] = {
    "run-unloaded": lambda: Unloaded(AGENT).run(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "stop-unloaded": lambda: Unloaded(AGENT).stop(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "unload-loaded": lambda: Loaded(AGENT).unload(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "load-loaded": lambda: Loaded(AGENT).load(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "run-running": lambda: Running(AGENT).run(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "unload-running": lambda: Running(AGENT).unload(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "run-stopped": lambda: Stopped(AGENT).run(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "fail-stopped": lambda: Stopped(AGENT).fail("why"),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "run-failed": lambda: Failed(AGENT).run(),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
    "fail-failed": lambda: Failed(AGENT).fail("why"),  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType]
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_a_wrong_call_is_an_error_of_types_and_does_not_run(wrong: Callable[[], object]):
    with pytest.raises(AttributeError):
        wrong()


@pytest.mark.parametrize("first", OBSERVED)
def test_whatever_is_observed_is_reached_by_legal_steps_and_none_is_skipped(first: Observed):
    before = agent_of(AGENT, first)
    for then in OBSERVED:
        after, steps = advance(before, then)
        assert after.state is agent_of(AGENT, then).state
        places = [before.state, *(step.after for step in steps)]
        assert [step.before for step in steps] == places[:-1]
        assert all(to in TRANSITIONS[at] for at, to in pairwise(places))
        assert advance(after, then)[1] == [], "what was told is not told again"


@pytest.mark.parametrize(
    ("observed", "state"),
    [
        (Observed(deleted=True, wanted=False, answers=False, failure=None), LifecycleState.UNLOADED),
        (Observed(deleted=False, wanted=False, answers=True, failure=None), LifecycleState.STOPPED),
        (Observed(deleted=False, wanted=True, answers=False, failure=None), LifecycleState.LOADED),
        (Observed(deleted=False, wanted=True, answers=True, failure="it fell"), LifecycleState.RUNNING),
        (Observed(deleted=False, wanted=True, answers=False, failure="it fell"), LifecycleState.FAILED),
    ],
    ids=lambda part: part.value if isinstance(part, LifecycleState) else "",
)
def test_what_an_agent_is_follows_from_its_rows(observed: Observed, state: LifecycleState):
    agent = agent_of(AGENT, observed)
    assert agent.state is state
    assert agent.reason == ("it fell" if state is LifecycleState.FAILED else None)
