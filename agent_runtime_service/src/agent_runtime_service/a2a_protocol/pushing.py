"""Push notifications: who asked for it is called when a task ends or waits for a person (A2A, "Push Notifications").

What is to be told is read from the run's row, whoever drove it, and so nothing is lost when a front dies. It may be
told twice. Who asked for it in an organisation and has left that is told nothing more. Calls go to public addresses
over https, or to hosts that the operator lists; redirects aren't followed, and answers aren't read.
"""

import asyncio
import re
import socket
from collections import Counter
from contextlib import AsyncExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Final

import aiohttp
import structlog
from yarl import URL

from agent_runtime_service.a2a_protocol.push_rows import DuePush, Push, PushRepository
from agent_runtime_service.a2a_protocol.stored import TaskRepository
from agent_runtime_service.gateway.own_accounts import CheckedResolver, refuse_private_literal
from agent_runtime_service.remote.agents import Shown, shown_of
from kgents_shared.contracts.credentials import ResolvedCredential
from kgents_shared.db import HotPool
from kgents_shared.errors import InvalidInput
from kgents_shared.http.addresses import AddressNotPublic, AddressPolicy
from kgents_shared.http.people import People
from kgents_shared.http.vault import CredentialFault, CredentialUse, KeptSecrets, Vault
from kgents_shared.waking import woken

if TYPE_CHECKING:
    from agent_runtime_service.execution.active import ActiveRun

_log = structlog.get_logger("kgents.runtime.pushes")
MOST_OF_TASK: Final = 10
TOKEN_HEADER: Final = "X-A2A-Notification-Token"  # noqa: S105 -- a header's name
_EVERY_S: Final = 2.0
_MOST_AT_ONCE: Final = 50
_MOST_OF_ONE: Final = 10  # of them for one owner, near enough
_MOST_URL: Final = 2048
_CALL_S: Final = 10.0
_LOOK_UP_S: Final = 5.0
_FIRST_PAUSE_S: Final = 5.0
_LONGEST_PAUSE_S: Final = 900.0
_MOST_TRIES: Final = 12  # the last one is an hour after the first
_GONE: Final = 410
_PRINTABLE: Final = re.compile(r"[\x21-\x7e]{1,512}")
_TYPES: Final = frozenset({"generic", "platform"})


class Pushes:
    """Keeps who is to be called, and calls them; `keep_telling` is an endless task."""

    def __init__(
        self, rows: PushRepository, tasks: TaskRepository, session: aiohttp.ClientSession, policy: AddressPolicy,
        vault: Vault, people: People,
    ) -> None:  # fmt: skip
        self.rows = rows
        self._tasks = tasks
        self._session = session
        self._policy = policy
        self._people = people
        self._resolver = CheckedResolver(policy)
        self._credentials: KeptSecrets[Shown] = KeptSecrets(vault, _shown)
        self._woken = asyncio.Event()
        self._under_way: dict[asyncio.Task[None], str] = {}

    async def check(self, push: Push) -> None:
        """Raise `InvalidInput` for one that can't be called, with the reason."""
        if not push.id or len(push.id) > 128 or not push.id.isprintable():
            raise InvalidInput("The id of a push notification has 1 to 128 printable characters.")
        if push.token is not None and _PRINTABLE.fullmatch(push.token) is None:
            raise InvalidInput("The token of a push notification has 1 to 512 printable characters, no blanks.")
        await self._check_address(push.url)
        if push.credential_ref is not None:
            use = CredentialUse(push.credential_ref, push.owner_id)
            try:
                _fits(await self._credentials.get(use, _purpose(push)), push)
            except CredentialFault as error:
                raise InvalidInput(str(error)) from None

    async def _check_address(self, address: str) -> None:
        try:
            url = URL(address)
            host, port = url.host, url.port
        except ValueError:
            url, host, port = URL(), None, None
        if host is None or port is None or len(address) > _MOST_URL or url.user or url.password:
            raise InvalidInput("The url of a push notification must be an address such as https://example.com/told.")
        if url.scheme != "https" and not (url.scheme == "http" and self._policy.is_listed(host, port)):
            raise InvalidInput("Push notifications are sent over https, or to hosts that the operator lists.")
        try:
            refuse_private_literal(address, self._policy)
            async with asyncio.timeout(_LOOK_UP_S):
                await self._resolver.resolve(host, port, socket.AF_UNSPEC)
        except (CredentialFault, AddressNotPublic) as error:
            raise InvalidInput(str(error)) from None
        except OSError:
            raise InvalidInput(f"There is no host {host}.") from None

    async def keep(self, push: Push, active: "ActiveRun | None") -> None:
        """Call from now on whoever was checked. Raises `InvalidInput` where the task has too many."""
        if not await self.rows.keep(push, MOST_OF_TASK):
            raise InvalidInput(f"A task has {MOST_OF_TASK} push notifications at most.")
        if active is not None:
            active.done.add_done_callback(lambda _: self._woken.set())
        self._woken.set()

    async def keep_telling(self) -> None:
        """Call who is due, for ever."""
        try:
            while True:
                if free := _MOST_AT_ONCE - len(self._under_way):
                    busy = [
                        owner for owner, calls in Counter(self._under_way.values()).items() if calls >= _MOST_OF_ONE
                    ]
                    for push in await self.rows.take(free, busy):
                        task = asyncio.create_task(self._tell(push))
                        self._under_way[task] = push.owner_id
                        task.add_done_callback(self._ended)
                await woken(self._woken, _EVERY_S)
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._under_way.pop(task, None)
        self._woken.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            # Whatever failed, it is due again in a minute.
            _log.error("push_broken", error=repr(error))

    async def _tell(self, push: DuePush) -> None:
        task = await self._tasks.find([push.run_owner_id], push.run_id)
        if task is None:
            return
        if push.run_owner_id != push.owner_id:
            standing = await self._people.standing(push.owner_id)
            if push.run_owner_id not in standing.organisations.values():
                _log.info("push_of_nobody_there", run_id=str(push.run_id), push_id=push.id)
                await self.rows.drop([push.owner_id], push.run_id, push.id)
                return
        # The SDK takes half a second to import, once.
        await asyncio.to_thread(import_module, "agent_runtime_service.a2a_protocol.push_bodies")
        from agent_runtime_service.a2a_protocol.push_bodies import body_of  # noqa: PLC0415 -- see above

        fault = await self._call(push, body_of(task, is_old=push.is_old))
        if fault is None:
            await self.rows.told(push)
        elif fault == _GONE or push.tries + 1 >= _MOST_TRIES:
            _log.warning("push_given_up", run_id=str(push.run_id), push_id=push.id, fault=fault, tries=push.tries + 1)
            await self.rows.told(push)
        else:
            _log.info("push_failed", run_id=str(push.run_id), push_id=push.id, fault=fault, tries=push.tries + 1)
            pause_s = min(_FIRST_PAUSE_S * 2**push.tries, _LONGEST_PAUSE_S)
            await self.rows.later(push, pause_s)
            asyncio.get_running_loop().call_later(pause_s, self._woken.set)

    async def _call(self, push: DuePush, body: bytes) -> str | int | None:
        """None where it was taken, else what came of it: a status, or an error's name."""
        headers = {"Content-Type": "application/json"}
        if push.token is not None:
            headers[TOKEN_HEADER] = push.token
        try:
            if push.credential_ref is not None:
                use = CredentialUse(push.credential_ref, push.owner_id)
                shown = _fits(await self._credentials.get(use, _purpose(push)), push)
                headers["Authorization"] = f"{push.scheme} {shown.bearer}"
            refuse_private_literal(push.url, self._policy)
            async with self._session.post(push.url, data=body, headers=headers, allow_redirects=False) as answer:
                return None if 200 <= answer.status < 300 else answer.status
        except (CredentialFault, AddressNotPublic, aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__


async def open_pushes(
    stack: AsyncExitStack,
    pool: HotPool,
    tasks: TaskRepository,
    allowed_hosts: list[str],
    vault: Vault,
    people: People,
) -> Pushes:
    """The pushes; their connections close with `stack`."""
    policy = AddressPolicy(allowed_hosts)
    session = await stack.enter_async_context(
        aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_MOST_AT_ONCE, resolver=CheckedResolver(policy)),
            timeout=aiohttp.ClientTimeout(total=_CALL_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
    )
    return Pushes(PushRepository(pool), tasks, session, policy, vault, people)


def _shown(resolved: ResolvedCredential) -> Shown:
    if resolved.type not in _TYPES:
        raise CredentialFault(
            f"{resolved.credential_ref} is of the type {resolved.type}, which is shown to nobody told."
        )
    return shown_of(resolved)


def _fits(shown: Shown, push: Push) -> Shown:
    if shown.host is not None and shown.host != URL(push.url).host:
        raise CredentialFault(f"The credential is for {shown.host}, and the notification goes elsewhere.")
    return shown


def _purpose(push: Push) -> str:
    return f"push notification of the task {push.run_id}"
