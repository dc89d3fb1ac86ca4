"""What a wrapper's status says, by what the deployment service sees of its agent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from agent_management_service.agents.models import AgentRow, AgentStatus
from agent_management_service.wrappers.models import WrapperRow
from agent_management_service.wrappers.service import observed_status
from kgents_shared.contracts.deployments import DeploymentState, ObservedDeployment

NOW = datetime.now(UTC)
AGENT_ID = uuid4()


@dataclass
class Seen:
    """A `DeploymentObserver` that sees one thing."""

    state: DeploymentState | None
    version: int = 2

    async def of_agent(self, owner_id: str, agent_id: UUID) -> ObservedDeployment | None:
        assert (owner_id, agent_id) == ("owner", AGENT_ID)
        if self.state is None:
            return None
        return ObservedDeployment(
            agent_id=agent_id, version=self.version, state=self.state, instances=2, ready=1, last_error="it was killed",
            updated_at=NOW,
        )  # fmt: skip


def wrapper(*, changed: timedelta = timedelta()) -> WrapperRow:
    return WrapperRow(
        id=uuid4(), name="front", owner_id="owner", deployed_agent_id=AGENT_ID, deployed_version="1.0.0",
        deployed_at=NOW, updated_at=NOW + changed,
    )  # fmt: skip


def agent(status: AgentStatus = AgentStatus.PUBLISHED) -> AgentRow:
    return AgentRow(id=AGENT_ID, owner_id="owner", name="front", status=status, version=2)


@pytest.mark.parametrize("state", list(DeploymentState))
async def test_it_is_what_the_deployment_service_sees_of_the_version_in_force(state: DeploymentState) -> None:
    found = await observed_status(wrapper(), agent(), Seen(state))
    assert (found.status, found.instances, found.ready, found.last_error) == (state.value, 2, 1, "it was killed")
    assert found.endpoint_url == f"/api/v1/agents/{AGENT_ID}/message"


async def test_an_older_version_that_answers_is_an_update_under_way() -> None:
    assert (await observed_status(wrapper(), agent(), Seen(DeploymentState.READY, version=1))).status == "updating"


@pytest.mark.parametrize(
    ("status", "expected"), [(AgentStatus.PUBLISHED, "starting"), (AgentStatus.STOPPED, "stopped")]
)
async def test_what_the_deployment_service_has_not_heard_of_is_starting_or_stopped(
    status: AgentStatus, expected: str
) -> None:
    assert (await observed_status(wrapper(), agent(status), Seen(None))).status == expected


async def test_a_change_after_the_deployment_is_told() -> None:
    assert not (await observed_status(wrapper(), agent(), Seen(None))).changed_since
    later = wrapper(changed=timedelta(seconds=1))
    assert (await observed_status(later, agent(), Seen(None))).changed_since
