"""The envelope of every event: CloudEvents 1.0 in its JSON form (DESIGN §9)."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from kgents_shared.contracts.model import Contract


class CloudEvent(Contract):
    """One event. `type` is `<thing>.<what happened>`; `subject` is the id of the thing; `data` is a contract's JSON."""

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    data: dict[str, Any]
