"""Writes and sends the mails that were asked for: again while the mailer is away, each token made at that moment.

A mail is asked for by a row without any token, for unknown addresses too, so that neither the answer nor its time tells
who is known, and nothing at rest opens anything: of a token only the hash is kept. A crash between sending and the
commit sends a mail twice; the token of the second is the one that works.
"""

import asyncio
import hashlib
import secrets

import structlog

from auth_service.mail.letters import letter
from auth_service.mail.mailer import Mailer
from auth_service.mail.repository import Due, MailKind, Purpose
from auth_service.people.identity_provider import Identity, IdentityProvider
from auth_service.storage import Storage, Work
from kgents_shared.errors import Unavailable
from kgents_shared.waking import woken

_LIFETIME_S: dict[Purpose, int] = {"reset": 1800, "verify": 86_400}
_PURPOSES: dict[MailKind, Purpose | None] = {
    "registered": "verify",
    "registered_again": None,
    "verify": "verify",
    "reset": "reset",
}
_IDLE_S = 5.0  # for what another process leaves behind
_TOKEN_BYTES = 32
_log = structlog.get_logger("auth.mail")


class PostOffice:
    """The background task of mails. `verifies` says whether addresses must be shown to be their people's."""

    def __init__(
        self, storage: Storage, provider: IdentityProvider, mailer: Mailer, *, place: str, verifies: bool
    ) -> None:
        self._storage = storage
        self._provider = provider
        self._mailer = mailer
        self._place = place
        self._verifies = verifies
        self._asked = asyncio.Event()

    def wake(self) -> None:
        """Say that a mail was asked for."""
        self._asked.set()

    async def run(self) -> None:
        """Send for ever; raises where the database is away, to be run again."""
        while True:
            while await self.send_next():
                pass
            await woken(self._asked, _IDLE_S)

    async def send_next(self) -> bool:
        """Send one mail whose time has come; whether there was one."""
        async with self._storage.transaction() as work:
            due = await work.mail.due()
            if due is None:
                return False
            try:
                await self._send(work, due)
            except Unavailable as error:
                _log.warning("mail_put_off", kind=due.kind, attempts=due.attempts + 1, reason=str(error))
                asyncio.get_running_loop().call_later(await work.mail.put_off(due), self.wake)
            else:
                await work.mail.done(due.id)
            return True

    async def _send(self, work: Work, due: Due) -> None:
        identity = await self._provider.find(due.email)
        if identity is None:
            return
        purpose = _PURPOSES[due.kind]
        if purpose == "verify" and not await self._wants_verifying(identity):
            return
        token = None
        if purpose is not None:
            token = secrets.token_urlsafe(_TOKEN_BYTES)
            await work.mail.keep_token(purpose, identity, digest(token), _LIFETIME_S[purpose])
        subject, text = letter(due.kind, place=self._place, token=token)
        await self._mailer.send(identity.email, subject, text)

    async def _wants_verifying(self, identity: Identity) -> bool:
        return self._verifies and not await self._provider.is_verified(identity.subject)


def digest(token: str) -> bytes:
    """What is stored of a token: it is 256 random bits, so that a plain hash is enough."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
