"""The rules of policies: who keeps which, what a text must be, and what would be decided."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

from governance_service.errors import (
    PolicyChangedMeanwhile,
    PolicyNameTaken,
    PolicyNotFound,
    PolicyRefused,
    TooManyPolicies,
)
from governance_service.policies.models import EVERYBODY, PolicyRow, PolicyVersionRow
from governance_service.policies.repository import PolicyFilter, PolicyRepository
from governance_service.policies.schemas import NewPolicy, PolicyChange, PolicyCheck, TriedCall
from kgents_shared.auth import Principal
from kgents_shared.contracts.policies import PolicyPage
from kgents_shared.db import Database, PageRequest, new_id
from kgents_shared.errors import FaultItem, Forbidden
from kgents_shared.policies.calls import PolicyDecision, PolicyDocument, ToolCallFacts
from kgents_shared.waking import first_of

GOVERN = "platform:govern"
MOST_POLICIES = 100
# Of all of an owner's policies together: each call of theirs is held against them, in a process that others share.
MOST_CHARS = 65_536
TRIED = "the text that is tried"
_LOOK_EVERY_S = 0.5  # for what another replica changed


class PolicyService:
    """Policies. A change is one transaction, and holds at every enforcement point within a second of its end."""

    def __init__(self, database: Database, events_written: Callable[[], None], ending: asyncio.Event) -> None:
        self._database = database
        self._events_written = events_written
        self._ending = ending
        self._changed = asyncio.Event()

    async def page(self, owner_ids: frozenset[str], wanted: PolicyFilter, request: PageRequest) -> Sequence[PolicyRow]:
        """The owners' policies, newest first."""
        async with self._database.reading() as session:
            return await PolicyRepository(session).of_owners(owner_ids, wanted, request)

    async def get(self, principal: Principal, policy_id: UUID) -> PolicyRow:
        """One that the caller may see: theirs, their organisations' or the platform's. `PolicyNotFound`."""
        async with self._database.reading() as session:
            return await _found(PolicyRepository(session), principal.owner_ids | {EVERYBODY}, policy_id)

    async def versions(self, principal: Principal, policy_id: UUID) -> Sequence[PolicyVersionRow]:
        """What it was. `PolicyNotFound`."""
        async with self._database.reading() as session:
            policies = PolicyRepository(session)
            await _found(policies, principal.owner_ids | {EVERYBODY}, policy_id)
            return await policies.versions(policy_id)

    async def make(self, principal: Principal, owner_id: str, new: NewPolicy) -> PolicyRow:
        """A new policy. `PolicyRefused`, `PolicyNameTaken`, `TooManyPolicies`."""
        await _check(new.text)
        now = datetime.now(UTC)
        row = PolicyRow(
            id=new_id(), owner_id=owner_id, name=new.name, description=new.description, text=new.text,
            enabled=new.enabled, version=1, created_by=principal.subject, created_at=now,
            updated_by=principal.subject, updated_at=now, deleted_at=None,
        )  # fmt: skip
        async with self._database.transaction() as session:
            policies = PolicyRepository(session)
            await policies.lock()
            known = await policies.all_of(owner_id)
            if any(other.name == new.name for other in known):
                raise PolicyNameTaken(new.name)
            if len(known) >= MOST_POLICIES:
                raise TooManyPolicies(f"There are {MOST_POLICIES} policies already")
            _check_size([*known, row])
            await policies.write(row)
        self._tell()
        return row

    async def change(self, principal: Principal, policy_id: UUID, wanted: PolicyChange) -> PolicyRow:
        """The policy as it is from now on. `PolicyNotFound`, `PolicyRefused`, `PolicyChangedMeanwhile`."""
        await _check(wanted.text)
        async with self._database.transaction() as session:
            policies = PolicyRepository(session)
            await policies.lock()
            row = await _found(policies, _kept_by(principal), policy_id)
            if wanted.version is not None and wanted.version != row.version:
                raise PolicyChangedMeanwhile(row.version)
            others = [other for other in await policies.all_of(row.owner_id) if other.id != row.id]
            row.text, row.description, row.enabled = wanted.text, wanted.description, wanted.enabled
            row.version, row.updated_by, row.updated_at = row.version + 1, principal.subject, datetime.now(UTC)
            _check_size([*others, row])
            await policies.write(row)
        self._tell()
        return row

    async def delete(self, principal: Principal, policy_id: UUID) -> None:
        """End a policy; its versions stay. `PolicyNotFound`."""
        async with self._database.transaction() as session:
            policies = PolicyRepository(session)
            await policies.lock()
            row = await _found(policies, _kept_by(principal), policy_id)
            row.text, row.enabled, row.deleted_at = "", False, datetime.now(UTC)
            row.version, row.updated_by, row.updated_at = row.version + 1, principal.subject, datetime.now(UTC)
            await policies.write(row)
        self._tell()

    async def check(self, principal: Principal, owner_id: str, tried: PolicyCheck) -> PolicyDecision:
        """What would be decided of a call by those in force and the text that is tried. `PolicyRefused`."""
        if tried.text is not None:
            await _check(tried.text)
        async with self._database.reading() as session:
            policies = PolicyRepository(session)
            platform, own = await policies.all_of(EVERYBODY), await policies.all_of(owner_id)
        levels = {"platform": _documents(platform), "owner": _documents(own)}
        if tried.text is not None:
            others = [other for other in levels[tried.level] if other.name != tried.name]
            levels[tried.level] = [*others, PolicyDocument(TRIED, tried.name or "tried", tried.text)]
        return await asyncio.to_thread(_decided, levels, _facts(tried.call, owner_id, principal.subject))

    async def after(self, position: int, wait_s: float) -> PolicyPage:
        """What changed after a position of the feed; where nothing did, it is waited for, up to `wait_s` seconds."""
        now = asyncio.get_running_loop().time
        until = now() + wait_s
        while True:
            changed = self._changed
            async with self._database.reading() as session:
                page = await PolicyRepository(session).after(position)
            left_s = until - now()
            if page.position != position or left_s <= 0 or self._ending.is_set():
                return page
            await first_of(min(left_s, _LOOK_EVERY_S), changed, self._ending)

    def _tell(self) -> None:
        self._events_written()
        self._changed.set()
        self._changed = asyncio.Event()


def _check_size(policies: Sequence[PolicyRow]) -> None:
    if sum(len(policy.text) for policy in policies) > MOST_CHARS:
        raise TooManyPolicies(f"All policies together would be longer than {MOST_CHARS} characters")


def check_may_govern(principal: Principal) -> None:
    """Refuse who keeps no policies of the platform. Raises `Forbidden`."""
    if GOVERN not in principal.scopes:
        raise Forbidden(f"This needs the scope {GOVERN}, which the token doesn't have.", code="scope_missing")


def _kept_by(principal: Principal) -> frozenset[str]:
    return principal.owner_ids | ({EVERYBODY} if GOVERN in principal.scopes else frozenset[str]())


async def _found(policies: PolicyRepository, owner_ids: frozenset[str], policy_id: UUID) -> PolicyRow:
    row = await policies.get(owner_ids, policy_id)
    if row is None:
        raise PolicyNotFound
    return row


async def _check(text: str) -> None:
    # Beside the loop: Cedar is loaded with the first policy, and a long text takes milliseconds.
    faults = await asyncio.to_thread(_faults, text)
    if faults:
        raise PolicyRefused(faults)


def _faults(text: str) -> Sequence[FaultItem]:
    from kgents_shared.policies.documents import examine  # noqa: PLC0415 -- Cedar isn't part of the service's start

    return examine(text).faults


def _decided(levels: dict[str, list[PolicyDocument]], facts: ToolCallFacts) -> PolicyDecision:
    from kgents_shared.policies.engine import Policies  # noqa: PLC0415 -- Cedar isn't part of the service's start

    return Policies(levels["platform"], levels["owner"]).decide(facts)


def _documents(rows: Sequence[PolicyRow]) -> list[PolicyDocument]:
    return [PolicyDocument(str(row.id), row.name, row.text) for row in rows if row.enabled]


def _facts(call: TriedCall, owner_id: str, subject: str) -> ToolCallFacts:
    agent = str(call.agent_id) if call.agent_id else call.agent_name and f"agent:{call.agent_name}"
    return ToolCallFacts(
        owner_id=owner_id, agent_id=agent, agent_name=call.agent_name, asked_by=call.asked_by or subject,
        hops=call.hops, tool=call.tool, server=call.server or call.tool.partition(".")[0], kind=call.kind,
        side_effect=call.side_effect, argument_names=tuple(call.arguments),
        argument_bytes=len(json.dumps(call.arguments, separators=(",", ":")).encode()),
        unix_time=int((call.at or datetime.now(UTC)).timestamp()),
    )  # fmt: skip
