"""The state machine: the types and the table say the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from agent_deployment_service.instances.states import (
    STATE_TYPES,
    TRANSITIONS,
    AnyInstance,
    Crash,
    IllegalTransitionError,
    Instance,
    InstanceState,
    Whereabouts,
    _move,  # pyright: ignore[reportPrivateUsage]  what every transition goes through
)
from kgents_shared.contracts.agent_spec import AgentSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "became_ready": (Whereabouts("unix:/x", "unix:/x", 7, None),),
    "crashed": (Crash("it fell", 2, NOW, NOW),),
    "restart": ("hash", NOW),
    "lost": ("gone",),
}


def make(state: InstanceState) -> AnyInstance:
    return STATE_TYPES[state](
        id=uuid4(),
        deployment_id=uuid4(),
        agent_id=uuid4(),
        version=1,
        generation=1,
        epoch=0,
        spec=AgentSpec(name="a", system_prompt="x"),
        token_hash="t",
    )


def reachable(state: InstanceState) -> set[InstanceState]:
    """Where the methods of a state's type lead."""
    instance = make(state)
    methods = [name for name in vars(type(instance)) if not name.startswith("_") and name != "state"]
    results = [getattr(instance, name)(*ARGUMENTS.get(name, ())) for name in methods]
    assert all(isinstance(item, Instance) and item.id == instance.id for item in results)
    return {item.state for item in results}


@pytest.mark.parametrize("state", list(InstanceState))
def test_the_methods_of_a_state_are_exactly_its_transitions(state: InstanceState):
    assert reachable(state) == TRANSITIONS[state]


def test_every_other_transition_is_refused_when_it_runs():
    tried = 0
    for source in InstanceState:
        for target in set(InstanceState) - TRANSITIONS[source]:
            with pytest.raises(IllegalTransitionError):
                _move(make(source), STATE_TYPES[target])
            tried += 1
    assert tried == 36 - sum(len(targets) for targets in TRANSITIONS.values())


def test_a_crash_forgets_where_the_process_was_and_keeps_why_it_ended():
    starting = make(InstanceState.STARTING)
    ready = getattr(starting, "became_ready")(*ARGUMENTS["became_ready"])  # noqa: B009  only one state has it
    assert (ready.pid, ready.endpoint_url) == (7, "unix:/x")
    crashed = ready.crashed(*ARGUMENTS["crashed"])
    assert (crashed.pid, crashed.endpoint_url, crashed.last_error) == (None, None, "it fell")
    assert crashed.restart("new", NOW).restarts == 1
