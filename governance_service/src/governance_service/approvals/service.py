"""The rules of approvals (DESIGN §8): who may ask, decide, carry out, and when none of them may any more."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from governance_service.approvals.masking import readable, shown
from governance_service.approvals.models import ApprovalRecordRow, ApprovalRow
from governance_service.approvals.repository import ApprovalFilter, ApprovalRepository, status_at
from governance_service.approvals.states import (
    APPROVE,
    ASKED,
    CANCEL,
    CONSUME,
    DECISIONS,
    EXPIRE,
    REFUSED,
    VOID,
    ApprovalStatus,
    Move,
)
from governance_service.errors import (
    AlreadyConsumed,
    AlreadyDecided,
    ApprovalNotFound,
    NotInPerson,
    NotUsable,
    OwnRequest,
    RequestKeyReused,
    TooManyApprovals,
)
from kgents_shared.auth import Principal
from kgents_shared.contracts.approvals import ApprovalRequest, ConsumeApproval
from kgents_shared.db import Database, PageRequest, new_id
from kgents_shared.http.people import People

DECIDE = "approvals:decide"
_CLOCK = "the clock"
_log = structlog.get_logger("kgents.governance.approvals")


@dataclass(frozen=True, slots=True)
class ApprovalBounds:
    """The longest that an approval lasts, and how many may wait for one owner."""

    longest: timedelta
    most_pending: int


class ApprovalService:
    """Approvals. Each step is its own transaction: none is open while auth is asked."""

    def __init__(
        self, database: Database, people: People, bounds: ApprovalBounds, events_written: Callable[[], None]
    ) -> None:
        self._database = database
        self._people = people
        self._bounds = bounds
        self._events_written = events_written

    async def ask(self, asked: ApprovalRequest, service: str) -> ApprovalRow:
        """The approval of this request, made now or before. `RequestKeyReused`, `TooManyApprovals`."""
        given = asked.model_dump(exclude={"expires_in_s", "payload", "summary", "agent_name"})
        given |= {"payload": await asyncio.to_thread(shown, asked.payload), "summary": readable(asked.summary)}
        given |= {"agent_name": None if asked.agent_name is None else readable(asked.agent_name)}
        longest = self._bounds.longest
        lasts = longest if asked.expires_in_s is None else min(timedelta(seconds=asked.expires_in_s), longest)
        async with self._database.transaction() as session:
            approvals = ApprovalRepository(session)
            known = await approvals.of_key(asked.owner_id, asked.request_key)
            if known is None:
                if await approvals.pending(asked.owner_id) >= self._bounds.most_pending:
                    raise TooManyApprovals(self._bounds.most_pending)
                made = await approvals.add({"id": new_id(), **given}, lasts)
                if made is not None:
                    await approvals.record(made.id, ASKED, service)
                    return made
                known = await approvals.of_key(asked.owner_id, asked.request_key)
        if known is None or not _is_same(known, asked):
            raise RequestKeyReused
        return known

    async def get(self, principal: Principal, approval_id: UUID) -> tuple[ApprovalRow, Sequence[ApprovalRecordRow]]:
        """One of the caller's or their organisations', and what happened to it. `ApprovalNotFound`."""
        async with self._database.reading() as session:
            approvals = ApprovalRepository(session)
            row = await approvals.of_owners(principal.owner_ids, approval_id)
            if row is None:
                raise ApprovalNotFound
            return row, await approvals.records(row.id)

    async def page(
        self, owner_ids: frozenset[str], wanted: ApprovalFilter, request: PageRequest
    ) -> Sequence[ApprovalRow]:
        """The owners' approvals, newest first, one more than the page holds."""
        async with self._database.reading() as session:
            return await ApprovalRepository(session).page(owner_ids, wanted, request)

    async def states(self, ids: Sequence[UUID]) -> Sequence[ApprovalRow]:
        """Those of the ids that there are."""
        async with self._database.reading() as session:
            return await ApprovalRepository(session).all_of(ids)

    async def decide(self, principal: Principal, approval_id: UUID, decision: str, note: str | None) -> ApprovalRow:
        """What a person says. The same again from them is no fault.

        Raises:
            NotInPerson: the caller has no login of their own.
            ApprovalNotFound: none of theirs or their organisations'.
            OwnRequest: they would approve for an organisation what they asked for; taking it back is theirs.
            AlreadyDecided: it is pending no longer.
        """
        if principal.kind != "person" or principal.session_id is None or principal.actor is not None:
            raise NotInPerson
        move, said = DECISIONS[decision], None if note is None else readable(note)
        async with self._database.transaction() as session:
            approvals = ApprovalRepository(session)
            row = await approvals.of_owners(principal.owner_ids, approval_id)
            if row is None:
                raise ApprovalNotFound
            if move is APPROVE and row.owner_id != principal.subject and row.principal == principal.subject:
                raise OwnRequest
            moved = await approvals.decide(row.id, move, principal.subject, said)
            if moved is not None:
                await approvals.record(row.id, move.name, principal.subject, said)
                await approvals.tell(moved)
            else:
                await session.refresh(row)
        if moved is None:
            status = status_at(row, datetime.now(UTC))
            if (status, row.decided_by, row.note) == (move.after, principal.subject, said):
                return row
            raise AlreadyDecided(status)
        self._events_written()
        _log.info("approval_decided", approval_id=str(row.id), status=moved.status, action=row.action)
        return moved

    async def consume(self, approval_id: UUID, asked: ConsumeApproval, service: str) -> ApprovalRow:
        """Let the payload be carried out, this once.

        Raises:
            ApprovalNotFound: there is no such approval.
            AlreadyConsumed: this request consumed it before.
            NotUsable: it is not approved, or about something else, or its decider may decide no longer.
            Unavailable: whether they may can't be known right now.
        """
        async with self._database.reading() as session:
            row = await ApprovalRepository(session).get(approval_id)
        if row is None:
            raise ApprovalNotFound
        await self._check_usable(row, asked, service)
        if not await self._decider_still_may(row):
            await self._void(row)
            raise NotUsable(
                "decider_lost_right", "Who approved this may not decide any more.", str(ApprovalStatus.CANCELLED)
            )
        async with self._database.transaction() as session:
            approvals = ApprovalRepository(session)
            consumed = await approvals.consume(CONSUME, row)
            if consumed is not None:
                await approvals.record(row.id, CONSUME.name, service)
                return consumed
        async with self._database.reading() as session:
            row = await ApprovalRepository(session).get(approval_id)
        if row is None:
            raise ApprovalNotFound
        await self._check_usable(row, asked, service)
        raise NotUsable("raced", "Something else happened to the approval at the same moment.", row.status)

    async def cancel_run(self, run_id: UUID, service: str) -> int:
        """End what waits for a run that has ended; how many that were."""
        async with self._database.transaction() as session:
            approvals = ApprovalRepository(session)
            rows = await approvals.move_run(CANCEL, run_id)
            await _note(approvals, CANCEL, rows, service)
        self._events_written()
        return len(rows)

    async def end_expired(self) -> None:
        """End what has run out."""
        async with self._database.transaction() as session:
            approvals = ApprovalRepository(session)
            rows = await approvals.expire()
            await _note(approvals, EXPIRE, rows, _CLOCK)
        if rows:
            self._events_written()

    async def _check_usable(self, row: ApprovalRow, asked: ConsumeApproval, service: str) -> None:
        status = status_at(row, datetime.now(UTC))
        if row.request_key != asked.request_key:
            await self._refuse(row, status, service, "another_request", "The approval is of another request.")
        if row.payload_hash != asked.payload_hash:
            await self._refuse(row, status, service, "another_payload", "The payload is not the one that was approved.")
        if status is ApprovalStatus.CONSUMED:
            raise AlreadyConsumed
        if status is not ApprovalStatus.APPROVED:
            raise NotUsable("not_approved", f"The approval is {status}.", str(status))

    async def _refuse(self, row: ApprovalRow, status: str, service: str, reason: str, sentence: str) -> None:
        """Refuse what nobody honest asks for, and write that down."""
        async with self._database.transaction() as session:
            await ApprovalRepository(session).record(row.id, REFUSED, service, reason)
        _log.warning("approval_misused", approval_id=str(row.id), reason=reason)
        raise NotUsable(reason, sentence, str(status))

    async def _decider_still_may(self, row: ApprovalRow) -> bool:
        decider = row.decided_by
        if decider is None:
            return False
        standing = await self._people.standing(decider)
        of_theirs = row.owner_id == decider or row.owner_id in standing.organisations.values()
        return standing.active and DECIDE in standing.scopes and of_theirs

    async def _void(self, row: ApprovalRow) -> None:
        async with self._database.transaction() as session:
            approvals = ApprovalRepository(session)
            voided = await approvals.void(VOID, row)
            if voided is not None:
                await _note(approvals, VOID, [voided], "auth")
        self._events_written()


async def _note(approvals: ApprovalRepository, move: Move, rows: Sequence[ApprovalRow], who: str) -> None:
    for row in rows:
        await approvals.record(row.id, move.name, who)
        await approvals.tell(row)


def _is_same(row: ApprovalRow, asked: ApprovalRequest) -> bool:
    bound = ("principal", "agent_id", "run_id", "action", "payload_hash")
    return all(getattr(row, name) == getattr(asked, name) for name in bound)
