"""Events of revocations: `revocation.made`, which wakes whoever follows the feed."""

from pydantic import BaseModel

from kgents_shared.contracts.revocations import REVOCATION_MADE as REVOCATION_MADE


class RevocationMade(BaseModel):
    """Something was revoked; the feed has it at `position`."""

    position: int
