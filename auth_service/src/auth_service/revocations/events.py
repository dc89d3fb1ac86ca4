"""Events of revocations: `revocation.made`, which wakes whoever follows the feed."""

from pydantic import BaseModel


class RevocationMade(BaseModel):
    """Something was revoked; the feed has it at `position`."""

    position: int
