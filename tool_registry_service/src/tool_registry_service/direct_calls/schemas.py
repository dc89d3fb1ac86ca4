"""What goes over the wire for a call of one's own."""

from typing import Any
from uuid import UUID

from pydantic import Field

from kgents_shared.contracts.model import Contract
from kgents_shared.contracts.tools import ApprovalWait


class DirectCall(Contract):
    """Body of `POST /tools/{name}/call`."""

    arguments: dict[str, Any] = Field(default_factory=dict[str, Any])


class DirectCallAnswer(Contract):
    """What came of a call. `outcome` is that of its record, `content` the result or the sentence that says why not.

    A call that `waiting` says waits for an approval is asked for again with the same `idempotency_key` once that is
    decided.
    """

    invocation_id: UUID
    idempotency_key: str
    outcome: str
    content: str
    is_error: bool
    waiting: ApprovalWait | None = None
