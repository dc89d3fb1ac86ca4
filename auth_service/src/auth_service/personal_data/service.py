"""The rules of giving out and erasing: who may, and that it comes to its end whatever dies meanwhile."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta
from typing import Final, Protocol
from uuid import UUID

import orjson
import structlog

from auth_service.people.identity_provider import IdentityProvider
from auth_service.personal_data.repository import DuePart
from auth_service.personal_data.tables import ERASED, PERSONAL_DATA
from auth_service.roles import service as roles
from auth_service.storage import Storage, Work
from auth_service.tokens.service import Sessions
from auth_service.users.administration import person
from kgents_shared.errors import ApiError, Conflict, FaultItem, InvalidInput
from kgents_shared.waking import woken

_log = structlog.get_logger("auth.erasing")
OWN: Final = "auth"
_ROUNDS: Final = 2
# Longer than a sibling is waited for: what is left of a process that died is taken up after it.
_LEASE: Final = timedelta(seconds=30)
_IDLE_S: Final = 5.0  # for what another process leaves behind
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 300.0


class KeepsPersonalData(Protocol):
    """A service that keeps something of people."""

    def export(self, subject: str) -> AsyncGenerator[bytes]:
        """Lines of JSON; raises `ApiError` where it can't be had."""
        ...

    async def erase(self, subject: str) -> int:
        """Erase it; how many rows have to wait. Raises `ApiError`."""
        ...


class OwnData:
    """This service's own share."""

    def __init__(self, database_url: str, storage: Storage, provider: IdentityProvider) -> None:
        self._database_url = database_url
        self._storage = storage
        self._provider = provider

    def export(self, subject: str) -> AsyncGenerator[bytes]:
        """See `KeepsPersonalData.export`."""
        return PERSONAL_DATA.export(self._database_url, subject)

    async def erase(self, subject: str) -> int:
        """The account at the identity provider first: it is known no more once the row is erased."""
        async with self._storage.transaction() as work:
            origin = await work.users.origin_of(UUID(subject))
        if origin is not None and origin[0] == self._provider.name and not origin[1].startswith(ERASED):
            await self._provider.remove(origin[1])
        return await PERSONAL_DATA.erase(self._database_url, subject)


class PersonalDataService:
    """Gives out and erases, over all services. `services` are asked in their order, this one last."""

    def __init__(
        self, storage: Storage, sessions: Sessions, services: dict[str, KeepsPersonalData], again_after_s: float
    ) -> None:
        self._storage = storage
        self._sessions = sessions
        self.services = services
        self._again_after_s = again_after_s
        self._due = asyncio.Event()

    async def export(self, subject: str) -> AsyncGenerator[bytes]:
        """Lines of JSON: `{"service", "table", "row"}`, the last one `{"complete", "missing"}`."""
        missing: list[str] = []
        for name, service in self.services.items():
            try:
                async for line in service.export(subject):
                    yield b'{"service":"%b",' % name.encode() + line.removeprefix(b"{")
            except ApiError as error:
                _log.warning("personal_data_missing", service=name, error=repr(error))
                missing.append(name)
        yield orjson.dumps({"complete": not missing, "missing": missing}) + b"\n"

    async def begin(self, work: Work, subject: str, confirmed: str) -> UUID:
        """Shut the person out, and note what is to be erased. Raises `InvalidInput`, `Conflict`."""
        user = await person(work, UUID(subject))
        if confirmed.strip().lower() != user.email:
            fault = FaultItem(("body", "confirm"), "must be the address of the account", "wrong_address")
            raise InvalidInput("That is not the address of this account.", errors=[fault])
        if roles.ADMIN in user.roles:
            await roles.check_another_admin(work, user.id)
        alone, ownerless = await work.erasures.organisations_left_alone(user.id)
        if ownerless:
            detail = "You are the only owner of an organisation that others are in: make somebody else one first."
            raise Conflict(detail, code="last_owner")
        erasure_id = await work.erasures.begin([*map(str, alone), subject], self.services, _ROUNDS)
        await self._sessions.end_all(work, user.id)
        await work.revocations.subject(subject)
        await work.users.set_disabled(user.id, disabled=True)
        return erasure_id

    def wake(self) -> None:
        """Say that there is something to erase."""
        self._due.set()

    async def run(self) -> None:
        """Endless: do what is due, each share until it is done."""
        while True:
            async with self._storage.transaction() as work:
                part = await work.erasures.next_due(_LEASE)
            if part is None:
                await woken(self._due, _IDLE_S)
                continue
            why = await self._tried(part)
            async with self._storage.transaction() as work:
                if why is None:
                    pause_s = self._again_after_s
                    await work.erasures.done(part, timedelta(seconds=pause_s))
                else:
                    pause_s = min(_FIRST_PAUSE_S * 2 ** min(part.tries, 20), _LONGEST_PAUSE_S)
                    await work.erasures.later(part, why, timedelta(seconds=pause_s))
            asyncio.get_running_loop().call_later(pause_s, self.wake)

    async def _tried(self, part: DuePart) -> str | None:
        """None where the share is done, else what it waits for."""
        try:
            left = await self.services[part.service].erase(part.subject)
        except KeyError:
            return "no such service"
        except ApiError as error:
            _log.warning("erasing_waits", service=part.service, tries=part.tries, error=error.detail)
            return error.detail
        except Exception:  # noqa: BLE001 -- told in the log; the other shares go on meanwhile
            _log.exception("erasing_broken", service=part.service)
            return "something failed inside; the log has it"
        return f"{left} rows that have to go first" if left else None
