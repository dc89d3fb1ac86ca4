"""Token exchange: a client acts for a person, and never with more than both may do (RFC 8693)."""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

from auth_service.machines.repository import ClientRecord
from auth_service.machines.service import Machines, TargetRefused
from auth_service.storage import Work
from auth_service.tokens.access_tokens import AccessTokens, Standing
from auth_service.tokens.presented import ShownToken
from auth_service.tokens.scopes import narrowed
from auth_service.tokens.service import TokenGrant
from kgents_shared.auth import PEOPLE_AUDIENCE, Principal

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 -- a type's name
_MOST_ACTORS = 8


class MayNotExchange(Exception):
    """The client was not given leave to act for people."""


class SubjectRefused(Exception):
    """The subject token is none that this client may exchange; the sentence says no more than its holder may know."""


class Exchange:
    """Gives clients tokens of people that name who acts."""

    def __init__(self, access_tokens: AccessTokens, machines: Machines) -> None:
        self._access_tokens = access_tokens
        self._machines = machines

    async def grant(
        self, work: Work, client: ClientRecord, presented: ShownToken | None, *, audience: str | None, scope: str | None
    ) -> TokenGrant:
        """A token of the subject's with which the client acts. It ends with the subject's token, session and person,
        with the client, and with every client that acted before.

        Raises MayNotExchange, SubjectRefused, TargetRefused, or ScopeNotGranted.
        """
        if not client.may_exchange:
            raise MayNotExchange
        if presented is None or await work.revocations.refuses(presented.principal):
            raise SubjectRefused("The subject token is not valid.")
        subject = presented.principal
        _check_subject(client, presented)
        if audience not in {None, PEOPLE_AUDIENCE}:
            raise TargetRefused
        scopes, standing = await self._bounds(work, client, subject)
        scopes = narrowed(scopes, scope)
        actor: dict[str, Any] = {"sub": client.client_id}
        if presented.actor is not None:
            actor["act"] = presented.actor
        token = self._access_tokens.issue(
            subject=subject.subject,
            audience=PEOPLE_AUDIENCE,
            client_id=client.client_id,
            scopes=scopes,
            # What roles would say beside the scopes, only the person may.
            roles=(),
            epoch=subject.epoch,
            session_id=None if subject.session_id is None else UUID(subject.session_id),
            standing=Standing(
                organisations=subject.organisations,
                actor=actor,
                depends_on={**dict(subject.depends_on), **standing.depends_on, client.client_id: client.token_epoch},
                derived_from=subject.derived_from | {subject.token_id},
                ends_at=subject.expires_at,
            ),
        )
        lifetime_s = min(self._access_tokens.lifetime_s, subject.expires_at - int(time.time()))
        return TokenGrant(token, scopes, lifetime_s, is_exchanged=True)

    async def _bounds(self, work: Work, client: ClientRecord, subject: Principal) -> tuple[frozenset[str], Standing]:
        """The scopes of the subject's token that the client may use; a service of the platform may use all of them."""
        if client.kind == "service":
            return subject.scopes, Standing()
        reach = await self._machines.reach(work, client)
        return subject.scopes & reach.scopes, reach.standing


def _check_subject(client: ClientRecord, presented: ShownToken) -> None:
    if presented.principal.kind != "person":
        raise SubjectRefused("The subject token must be a person's.")
    # An application that was called by another acts for itself, or asks the person: only the platform passes people on.
    if presented.actor is not None and client.kind != "service":
        raise SubjectRefused("Somebody acts with the subject token already; only a service of the platform may go on.")
    actors, actor = 0, presented.actor
    while actor is not None and actors < _MOST_ACTORS:
        actors, actor = actors + 1, actor.get("act")
    if actors == _MOST_ACTORS:
        raise SubjectRefused("Too many act with the subject token already.")
