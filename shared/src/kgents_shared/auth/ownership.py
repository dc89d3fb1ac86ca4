"""Whose things a caller means: their own, or those of an organisation that they are in (DESIGN §2)."""

import re
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Query

from kgents_shared.auth.principal import Principal
from kgents_shared.errors import NotFound

# Between an organisation's slug and a name. Neither ever has it in it.
OF = "~"
# In a query: whose a new thing is to be, or whose things a list shows.
OfOrganisation = Annotated[
    str | None, Query(max_length=40, pattern=r"^[a-z0-9-]+$", description="an organisation's slug or id")
]
_NAME = re.compile(r"[a-z0-9-]{1,63}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A thing by exactly one of id and name, and whose it may be."""

    owner_ids: frozenset[str]
    id: UUID | None = None
    name: str | None = None

    @property
    def spelled(self) -> str:
        """The id or the name, as another service is asked for it."""
        return str(self.id) if self.id is not None else self.name or ""


def referenced(principal: Principal, text: str) -> Reference | None:
    """What a caller means by `text`: an id of what they may see, a name of their own, or `organisation~name`.

    None for what can be neither an id nor a name, and for an organisation that they are not in.
    """
    owner_id, rest = named(principal, text)
    if owner_id is None:
        return None
    owners = frozenset({owner_id})
    return reference_of(owners, rest, owners if OF in text else principal.owner_ids)


def reference_of(owner_ids: frozenset[str], text: str, owners_by_id: frozenset[str] | None = None) -> Reference | None:
    """One of these owners' things by its id or name; by id one of `owners_by_id`, where that differs."""
    try:
        return Reference(owners_by_id or owner_ids, id=UUID(text))
    except ValueError:
        return None if _NAME.fullmatch(text) is None else Reference(owner_ids, name=text)


def named(principal: Principal, text: str) -> tuple[str | None, str]:
    """Whose `name` or `organisation~name` is, and the name; nobody's for an organisation that the caller isn't in."""
    organisation, of, rest = text.rpartition(OF)
    return _found(principal, organisation) if of else principal.owner_id, rest


def organisation_of(principal: Principal, owner_id: str) -> str | None:
    """The slug of the caller's organisation that this owner is; None for anybody else."""
    return next((slug for slug, its_id in principal.organisations.items() if its_id == owner_id), None)


def owner_of_new(principal: Principal, organisation: str | None) -> str:
    """Who a new thing belongs to: the caller, or their organisation of that slug or id. Raises NotFound."""
    if organisation is None:
        return principal.owner_id
    return _organisation(principal, organisation)


def owners_listed(principal: Principal, organisation: str | None) -> frozenset[str]:
    """Whose things a list shows: all that the caller may see, or one organisation's. Raises NotFound."""
    if organisation is None:
        return principal.owner_ids
    return frozenset({_organisation(principal, organisation)})


def _organisation(principal: Principal, organisation: str) -> str:
    found = _found(principal, organisation)
    if found is None:
        raise NotFound("You are in no such organisation.", code="no_such_organisation")
    return found


def _found(principal: Principal, organisation: str) -> str | None:
    """The id of the caller's organisation of that slug or id. No slug looks like an id."""
    found = principal.organisations.get(organisation)
    return organisation if found is None and organisation in principal.organisations.values() else found
