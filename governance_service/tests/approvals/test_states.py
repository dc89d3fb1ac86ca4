"""Every state against every way out of it: what the table of moves doesn't have, doesn't happen."""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from governance_service.approvals import states
from governance_service.approvals.states import ApprovalStatus, Move
from tests.external.running_governance import Asked, Governance, Person

Way = Callable[[Governance, Person, Asked], Awaitable[object]]


async def cancel(governance: Governance, _: Person, asked: Asked) -> None:
    await governance.send("runtime", "POST", "/cancel", json={"run_id": asked.question["run_id"]})


async def lose_the_right(governance: Governance, person: Person, asked: Asked) -> None:
    governance.auth.people[person.subject] = {"active": False, "scopes": [], "organisations": {}}
    await asked.consumed()


WAYS: Mapping[str, tuple[Move, Way]] = {
    "approve": (states.APPROVE, lambda _, person, asked: person.decides(asked)),
    "reject": (states.REJECT, lambda _, person, asked: person.decides(asked, "reject")),
    "consume": (states.CONSUME, lambda _, __, asked: asked.consumed()),
    "cancel": (states.CANCEL, cancel),
    "expire": (states.EXPIRE, lambda governance, _, asked: governance.end_time_of(asked)),
    "void": (states.VOID, lose_the_right),
}
REACHED: Mapping[ApprovalStatus, tuple[str, ...]] = {
    ApprovalStatus.PENDING: (),
    ApprovalStatus.APPROVED: ("approve",),
    ApprovalStatus.REJECTED: ("reject",),
    ApprovalStatus.EXPIRED: ("expire",),
    ApprovalStatus.CONSUMED: ("approve", "consume"),
    ApprovalStatus.CANCELLED: ("cancel",),
}


def test_what_has_ended_has_no_way_out():
    moves = [move for move, _ in WAYS.values()]
    ends = set(ApprovalStatus) - states.LIVE
    assert all(not (move.before & ends) for move in moves)
    assert {move.after for move in moves} == set(ApprovalStatus) - {ApprovalStatus.PENDING}


@pytest.mark.parametrize("status", ApprovalStatus)
async def test_a_state_is_left_by_the_moves_of_the_table_alone(governance: Governance, status: ApprovalStatus):
    for name, (move, way) in WAYS.items():
        person = governance.person()
        asked = await governance.asks(person.subject)
        for step in REACHED[status]:
            await WAYS[step][1](governance, person, asked)
        assert (await asked.state())["status"] == status
        await way(governance, person, asked)
        expected = move.after if status in move.before else status
        assert (await asked.state())["status"] == expected, f"{status}, {name}"
