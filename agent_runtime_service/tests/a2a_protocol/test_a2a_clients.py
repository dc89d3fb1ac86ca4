"""The A2A SDK's client, in both versions of the protocol, pointed at an agent."""

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

import httpx
import pytest
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.helpers.proto_helpers import get_artifact_text, get_message_text, new_text_message
from a2a.types.a2a_pb2 import (
    AgentCard,
    AuthenticationInfo,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTasksRequest,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    StreamResponse,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2a.utils.errors import ContentTypeNotSupportedError, InvalidParamsError, UnsupportedOperationError
from aiohttp import web
from google.protobuf.json_format import ParseDict

from agent_runtime_service.a2a_protocol import pushing
from kgents_shared.testing.model_server import ModelRequest, ModelServer, Reply, server_error
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from tests.external.running_runtime import Runtime
from tests.external.runtime_siblings import RuntimeSiblings

StartRuntime = Callable[..., AbstractAsyncContextManager[Runtime]]
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(32)
REF = f"cred_{'b' * 32}"


@pytest.fixture
async def http(runtime: Runtime) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(runtime) as opened:
        yield opened


def client_of(runtime: Runtime) -> httpx.AsyncClient:
    return httpx.AsyncClient(headers=runtime.issuer.person(runtime.owner), timeout=60, verify=PLAIN)


async def card_of(http: httpx.AsyncClient, runtime: Runtime, agent: str = "helper") -> AgentCard:
    """The card as the SDK finds it; its address is the platform's public one, which no test has."""
    card = await A2ACardResolver(http, f"{runtime.front.url}/a2a/{agent}").get_agent_card()
    for interface in card.supported_interfaces:
        interface.url = interface.url.replace("http://localhost:8080", runtime.front.url)
    return card


def connected(http: httpx.AsyncClient, card: AgentCard, **config: Any) -> Client:
    return ClientFactory(ClientConfig(httpx_client=http, **config)).create(card)


def said(text: str, **more: Any) -> SendMessageRequest:
    return SendMessageRequest(message=new_text_message(text, role=Role.ROLE_USER, **more))


async def every(client: Client, request: SendMessageRequest) -> list[StreamResponse]:
    return [event async for event in client.send_message(request)]


async def task_of(client: Client, request: SendMessageRequest) -> Task:
    """The task that a client without streams is answered with."""
    (answer,) = await every(client, request)
    return answer.task


async def test_the_a2a_client_finds_asks_and_follows_an_agent(
    runtime: Runtime, model: ModelServer, http: httpx.AsyncClient
):
    worker = await runtime.add_agent("helper", description="Helps.", capabilities=["chat", "geography"])
    card = await card_of(http, runtime)
    assert (card.name, card.description, card.version) == ("helper", "Helps.", "1")
    assert [skill.id for skill in card.skills] == ["chat", "geography"]
    assert {interface.protocol_version for interface in card.supported_interfaces} == {"1.0", "0.3"}
    assert card.supported_interfaces[0].url.endswith(f"/a2a/{worker.agent_id}")
    assert set(card.security_schemes) == {"bearer", "clientCredentials"}
    (own,) = (await runtime.ask("GET", "/api/v1/agents/helper/cards")).json()["items"]
    assert own["name"] == "helper"

    client = connected(http, card, streaming=False)
    model.script(Reply("Paris."))
    task = await task_of(client, said("What is the capital of France?"))
    assert task.status.state == TaskState.TASK_STATE_COMPLETED
    assert [get_artifact_text(artifact) for artifact in task.artifacts] == ["Paris."]
    assert [get_message_text(message) for message in task.history] == ["What is the capital of France?"]
    # A task is a run and a context is a conversation.
    assert (await runtime.run(task.id))["text"] == "Paris."
    model.script(Reply("Berlin."))
    second = await task_of(client, said("And of Germany?", context_id=task.context_id))
    assert second.context_id == task.context_id
    assert [text for _, text in await runtime.transcript(task.context_id)][-2:] == ["And of Germany?", "Berlin."]
    again = await client.get_task(GetTaskRequest(id=task.id))
    assert (again.status.state, get_artifact_text(again.artifacts[0])) == (TaskState.TASK_STATE_COMPLETED, "Paris.")

    # A message that is sent again is the same task.
    once = said("Only once.")
    model.script(Reply("Once."))
    assert (await task_of(client, once)).id == (await task_of(client, once)).id

    streaming = connected(http, card)
    model.script(Reply("One, two, three."))
    events = await every(streaming, said("Count."))
    assert events[0].task.status.state == TaskState.TASK_STATE_WORKING
    pieces = [event.artifact_update for event in events if event.HasField("artifact_update")]
    assert "".join(get_artifact_text(piece.artifact) for piece in pieces) == "One, two, three."
    assert events[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED

    model.script(*[server_error()] * 3)
    failed = await task_of(client, said("Fail."))
    assert failed.status.state == TaskState.TASK_STATE_FAILED
    assert "openai" in get_message_text(failed.status.message)

    model.script(Reply("A dot."))
    request = said("What is it?")
    request.message.parts.append(Part(raw=PIXEL, media_type="image/png", filename="dot.png"))
    assert get_artifact_text((await task_of(client, request)).artifacts[0]) == "A dot."
    shown = cast("Any", model.requests[-1].messages[-1]["content"])
    assert shown[1]["image_url"]["url"] == f"data:image/png;base64,{base64.b64encode(PIXEL).decode()}"
    for part, refusal in [
        (Part(raw=b"%PDF", media_type="application/pdf"), ContentTypeNotSupportedError),
        (Part(raw=b"no picture", media_type="image/png"), InvalidParamsError),
        (Part(url="https://example.com/x.png", media_type="image/png"), ContentTypeNotSupportedError),
    ]:
        request = said("What is it?")
        request.message.parts.append(part)
        with pytest.raises(refusal):
            await task_of(client, request)

    await lists_tasks(client, second, failed)


async def lists_tasks(client: Client, answered: Task, failed: Task) -> None:
    """Of six tasks in five contexts, the newest one was a picture's."""
    everything = await client.list_tasks(ListTasksRequest(history_length=1, include_artifacts=True))
    assert (everything.total_size, everything.page_size, everything.next_page_token) == (6, 50, "")
    told = [(get_message_text(task.history[0]), [*map(get_artifact_text, task.artifacts)]) for task in everything.tasks]
    assert told[:2] == [("What is it?", ["A dot."]), ("Fail.", [])]
    first = await client.list_tasks(ListTasksRequest(page_size=4))
    rest = await client.list_tasks(ListTasksRequest(page_size=4, page_token=first.next_page_token))
    assert [task.id for page in (first, rest) for task in page.tasks] == [task.id for task in everything.tasks]
    assert (rest.total_size, rest.next_page_token, len(rest.tasks[0].artifacts), len(rest.tasks[0].history)) == (
        6, "", 0, 0,
    )  # fmt: skip
    only_failed = await client.list_tasks(ListTasksRequest(status=TaskState.TASK_STATE_FAILED))
    assert [task.id for task in only_failed.tasks] == [failed.id]
    in_context = await client.list_tasks(ListTasksRequest(context_id=answered.context_id))
    assert next(task.id for task in in_context.tasks) == answered.id
    assert len(in_context.tasks) == 2
    since = only_failed.tasks[0].status.timestamp
    assert len((await client.list_tasks(ListTasksRequest(status_timestamp_after=since))).tasks) == 2
    for nobody in (ListTasksRequest(context_id="x"), ListTasksRequest(status=TaskState.TASK_STATE_REJECTED)):
        assert (await client.list_tasks(nobody)).total_size == 0
    for wrong in (ListTasksRequest(page_size=101), ListTasksRequest(page_token="nonsense")):
        with pytest.raises(InvalidParamsError):
            await client.list_tasks(wrong)


async def test_a_card_is_public_where_its_owner_says_so(runtime: Runtime):
    worker = await runtime.add_agent("helper")
    path = f"/a2a/public/{worker.agent_id}/.well-known/agent-card.json"
    assert (await runtime.http.get(path)).status_code == 404
    theirs = await runtime.ask("PUT", f"/api/v1/agents/{worker.agent_id}/cards/public", owner="somebody-else")
    assert theirs.status_code == 404
    assert (await runtime.ask("PUT", "/api/v1/agents/helper/cards/public")).status_code == 204
    assert (await runtime.http.get(path)).json()["name"] == "helper"
    assert (await runtime.ask("DELETE", "/api/v1/agents/helper/cards/public")).status_code == 204
    assert (await runtime.http.get(path)).status_code == 404


@pytest.fixture
async def near(start_runtime: StartRuntime) -> AsyncGenerator[Runtime]:
    """A front that may tell of tasks on this machine."""
    async with start_runtime(ssrf_allowed_hosts=["127.0.0.1"]) as running:
        yield running


@pytest.fixture
async def near_http(near: Runtime) -> AsyncGenerator[httpx.AsyncClient]:
    async with client_of(near) as opened:
        yield opened


@dataclass
class Receiver:
    """What is called on this machine: `told` has the headers and the body of each call; the first one fails."""

    url: str = ""
    told: list[tuple[Mapping[str, str], dict[str, Any]]] = field(
        default_factory=list[tuple[Mapping[str, str], dict[str, Any]]]
    )

    async def hear(self, request: web.Request) -> web.Response:
        self.told.append((request.headers, await request.json()))
        return web.Response(status=503 if len(self.told) == 1 else 204)


@pytest.fixture
async def receiver() -> AsyncGenerator[Receiver]:
    heard = Receiver()
    app = web.Application()
    app.router.add_post("/told", heard.hear)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    heard.url = f"http://127.0.0.1:{runner.addresses[0][1]}/told"
    yield heard
    await runner.cleanup()


async def test_a_task_goes_on_in_the_background_and_is_found_again_and_who_asked_for_it_is_told(
    near: Runtime,
    near_http: httpx.AsyncClient,
    model: ModelServer,
    siblings: RuntimeSiblings,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
):
    runtime, http = near, near_http
    monkeypatch.setattr(pushing, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(pushing, "_EVERY_S", 0.2)
    siblings.credentials[REF] = {"owner_id": runtime.owner, "secret": "far-canary-key", "type": "generic"}
    await runtime.add_agent("helper", tools={"allow": ["time.*"]})
    card = await card_of(http, runtime)
    assert card.capabilities.push_notifications
    client = connected(http, card, streaming=False)
    released = asyncio.Event()

    async def answer(_: ModelRequest) -> Reply:
        await released.wait()
        return Reply("Now.")

    model.answer_with(answer)
    request = said("Take your time.")
    mine = TaskPushNotificationConfig(
        id="mine",
        url=receiver.url,
        token="canary-token",
        authentication=AuthenticationInfo(scheme="Bearer", credentials=REF),
    )
    request.configuration.CopyFrom(
        SendMessageConfiguration(return_immediately=True, task_push_notification_config=mine)
    )
    task = await task_of(client, request)
    mine.task_id, mine.token = task.id, ""
    named = GetTaskPushNotificationConfigRequest(task_id=task.id, id="mine")
    assert await client.get_task_push_notification_config(named) == mine
    other = TaskPushNotificationConfig(task_id=task.id, id="other", url=receiver.url)
    assert await client.create_task_push_notification_config(other) == other
    every_one = ListTaskPushNotificationConfigsRequest(task_id=task.id)
    assert [*(await client.list_task_push_notification_configs(every_one)).configs] == [mine, other]
    await client.delete_task_push_notification_config(
        DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="other")
    )
    for wrong in (
        {"url": "http://169.254.169.254/latest"},
        {"url": "https://[::ffff:10.0.0.1]/"},
        {"url": "http://example.com/told"},
        {"url": "https://user:password@example.com/"},
        {"url": "nowhere"},
        {"url": receiver.url, "token": "two\r\nlines"},
        {"url": receiver.url, "authentication": AuthenticationInfo(scheme="Bearer", credentials="sk-secret")},
        {"url": receiver.url, "authentication": AuthenticationInfo(scheme="Bearer", credentials=f"cred_{'0' * 32}")},
    ):
        with pytest.raises(InvalidParamsError):
            await client.create_task_push_notification_config(
                TaskPushNotificationConfig(task_id=task.id, **cast("Any", wrong))
            )
    assert task.status.state == TaskState.TASK_STATE_WORKING
    assert (await client.get_task(GetTaskRequest(id=task.id))).status.state == TaskState.TASK_STATE_WORKING
    with pytest.raises(UnsupportedOperationError):
        await task_of(client, said("Hurry.", task_id=task.id, context_id=task.context_id))
    followed: list[StreamResponse] = []
    async for event in connected(http, card).subscribe(SubscribeToTaskRequest(id=task.id)):
        followed.append(event)
        released.set()
    assert followed[0].task.id == task.id
    assert followed[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED

    async def is_told() -> bool:
        return len(receiver.told) == 2

    # The first call failed, and what is told is the same.
    await eventually(is_told, describe="the end is told")
    for headers, body in receiver.told:
        assert (headers["X-A2A-Notification-Token"], headers["Authorization"]) == (
            "canary-token", "Bearer far-canary-key",
        )  # fmt: skip
        told = ParseDict(body, StreamResponse()).task
        assert (told.id, told.status.state) == (task.id, TaskState.TASK_STATE_COMPLETED)
        assert get_artifact_text(told.artifacts[0]) == "Now."

    # One of the older version, for a task that has ended.
    params = {"taskId": task.id, "pushNotificationConfig": {"url": receiver.url}}
    method = {"jsonrpc": "2.0", "id": 1, "method": "tasks/pushNotificationConfig/set", "params": params}
    kept = (await http.post(card.supported_interfaces[0].url, json=method, headers={"A2A-Version": "0.3"})).json()
    assert kept["result"]["pushNotificationConfig"]["id"] == task.id
    await eventually(lambda: len(receiver.told) == 3, describe="it is told at once")
    assert (receiver.told[2][1]["kind"], receiver.told[2][1]["status"]["state"]) == ("task", "completed")

    # A wait for somebody's word is told, and what came of it.
    model.reset()
    siblings.gated.add("time.now")
    request = said("call time.now {}")
    request.configuration.task_push_notification_config.url = receiver.url
    waiting = await task_of(client, request)
    assert waiting.status.state == TaskState.TASK_STATE_AUTH_REQUIRED
    await eventually(lambda: len(receiver.told) == 4, describe="it is told that it waits")
    [approval] = siblings.pending
    approval.status = "approved"
    await eventually(lambda: len(receiver.told) == 5, describe="it is told what came of it")
    states = [ParseDict(body, StreamResponse()).task.status for _, body in receiver.told[3:]]
    assert [status.state for status in states] == [
        TaskState.TASK_STATE_AUTH_REQUIRED, TaskState.TASK_STATE_COMPLETED,
    ]  # fmt: skip
    assert str(approval.id) in get_message_text(states[0].message)

    # Who asked for it in an organisation is told as long as they are in it.
    member = str(uuid4())
    headers = runtime.issuer.person(member, organisations={"acme": runtime.owner})
    async with httpx.AsyncClient(headers=headers, timeout=60, verify=PLAIN) as members:
        joined = connected(members, card, streaming=False)
        theirs = TaskPushNotificationConfig(task_id=task.id, id="theirs", url=receiver.url)
        siblings.organisations[member] = [runtime.owner]
        await joined.create_task_push_notification_config(theirs)
        await eventually(lambda: len(receiver.told) == 6, describe="a member is told")
        siblings.organisations[member] = []
        await joined.create_task_push_notification_config(theirs)

        async def is_dropped() -> bool:
            configs = (await joined.list_task_push_notification_configs(every_one)).configs
            return "theirs" not in {config.id for config in configs}

        await eventually(is_dropped, describe="who left is to be told no more")
        assert len(receiver.told) == 6


async def test_clients_of_the_older_version_are_served_at_the_same_address(
    runtime: Runtime, model: ModelServer, http: httpx.AsyncClient
):
    worker = await runtime.add_agent("helper")
    url = f"{runtime.front.url}/a2a/{worker.agent_id}"

    async def call(method: str, params: dict[str, Any]) -> dict[str, Any]:
        body = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        answer = await http.post(url, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    message = {"role": "user", "parts": [{"kind": "text", "text": "Hello"}], "messageId": str(uuid4())}
    model.script(Reply("Hello, 0.3."))
    task = (await call("message/send", {"message": message}))["result"]
    assert (task["kind"], task["status"]["state"]) == ("task", "completed")
    assert task["artifacts"][0]["parts"][0]["text"] == "Hello, 0.3."
    found = (await call("tasks/get", {"id": task["id"]}))["result"]
    assert found["status"]["state"] == "completed"
    assert (await http.get(f"{url}/.well-known/agent-card.json")).json()["protocolVersion"] == "0.3"

    # Refusals, in the protocol's codes.
    image = {"kind": "file", "file": {"uri": "http://127.0.0.1/x.png"}}
    for method, params, code in [
        ("tasks/get", {"id": str(uuid4())}, -32001),
        ("tasks/cancel", {"id": task["id"]}, -32002),
        ("tasks/nothing", {}, -32601),
        ("message/send", {"message": {**message, "parts": [image]}}, -32005),
        ("message/send", {"message": {**message, "messageId": "m", "contextId": str(uuid4())}}, -32602),
    ]:
        assert (await call(method, params))["error"]["code"] == code, method
    assert (await http.post(url, content=b"{")).status_code == 400
    stranger = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"id": task["id"]}}
    theirs = await http.post(url, json=stranger, headers=runtime.issuer.person("somebody-else"))
    assert (theirs.status_code, theirs.json()["code"]) == (404, "agent_not_found")
    assert (await runtime.http.post(url, json=stranger)).status_code == 401
