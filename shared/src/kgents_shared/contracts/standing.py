"""What a person may at this moment, as the auth service tells its siblings."""

from pydantic import Field

from kgents_shared.contracts.model import Contract


class Standing(Contract):
    """Answer of `GET /internal/people/{subject}/standing`. `organisations`: slug → id of those that they have joined.

    Somebody who is not `active` (disabled, or not there) may nothing.
    """

    active: bool
    scopes: list[str] = Field(default_factory=list[str])
    organisations: dict[str, str] = Field(default_factory=dict[str, str])
