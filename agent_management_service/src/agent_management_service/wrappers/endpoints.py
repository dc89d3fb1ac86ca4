"""`/api/v1/agents/wrappers`: wrappers, deploying them, and what runs of them."""

from typing import Annotated, cast

from fastapi import Depends, Request, status
from fastapi.responses import Response

from agent_management_service.agents.endpoints import answer_response
from agent_management_service.clients import DeploymentObserver
from agent_management_service.dependencies import AgentsRead, AgentsWrite, Keyed, NoOptionsBody, Transaction
from agent_management_service.idempotency.service import Answer
from agent_management_service.kinds.bodies import described
from agent_management_service.kinds.endpoints import KindApi, kind_router, no_filter, reference_of, shows
from agent_management_service.kinds.kind import Kind
from agent_management_service.kinds.schemas import kind_view
from agent_management_service.wrappers.bodies import wrapper_body
from agent_management_service.wrappers.schemas import ChatWrapperBody, RemoteWrapperBody, Wrapper, WrapperStatus
from agent_management_service.wrappers.service import observed_status
from kgents_shared.auth import Reference
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

_API = KindApi(
    kind=Kind.WRAPPER,
    things=lambda kinds: kinds.wrappers,
    view=Wrapper,
    read_body=wrapper_body,
    body_schema=described(ChatWrapperBody, RemoteWrapperBody),
    having=no_filter,
    full_view=Wrapper,
    show=shows(lambda kinds: kinds.wrappers, Wrapper),
    group="/api/v1/agents",
    tag="wrappers",
    deletes="and the agent that it was deployed as",
)
_this_wrapper = Depends(reference_of(Kind.WRAPPER))


def _observer(request: Request) -> DeploymentObserver:
    return cast("DeploymentObserver", request.app.state.deployment_observer)


Observer = Annotated[DeploymentObserver, Depends(_observer)]
_own_router = Router(prefix=_API.path, tags=["wrappers"])


@_own_router.post("/{wrapper}/deploy", response_model=Wrapper, responses=refusals(409, 415))
async def deploy_wrapper(
    *, principal: AgentsWrite, wrapper: Reference = _this_wrapper, _: NoOptionsBody, key: Keyed, work: Transaction
) -> Response:
    """Make or update the agent of the wrapper's name and publish it."""

    async def deploy() -> Answer:
        row = await work.wrappers.deploy(wrapper)
        return Answer(status.HTTP_200_OK, kind_view(Wrapper, row, principal).model_dump(mode="json"))

    return answer_response(await work.once.do(key, deploy))


@_own_router.get("/{wrapper}/status", responses=refusals(502))
async def get_wrapper_status(
    *, principal: AgentsRead, wrapper: Reference = _this_wrapper, work: Transaction, observer: Observer
) -> WrapperStatus:
    """What runs of a wrapper now, asked of the deployment service."""
    row, agent = await work.wrappers.deployed(wrapper)
    return await observed_status(row, agent, observer)


router = Router()
router.routes += [*kind_router(_API).routes, *_own_router.routes]
