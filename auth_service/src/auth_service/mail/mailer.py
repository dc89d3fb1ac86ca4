"""How a mail leaves: a Protocol, SMTP, and a folder for local use."""

import asyncio
import os
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path
from typing import Protocol

from auth_service.settings import AuthSettings
from kgents_shared.db import new_id
from kgents_shared.errors import Unavailable

# aiosmtplib's words: True asks for it, None takes it where it is offered.
_START_TLS = {"starttls": True, "offered": None, "implicit": False, "off": False}


class Mailer(Protocol):
    """Sends mails of plain text."""

    async def send(self, to: str, subject: str, text: str) -> None:
        """Hand it over. Raises `Unavailable` where that can't be done now."""
        ...


class FileMailer:
    """Puts each mail into a folder as a file `<time-ordered id>.eml` that its owner alone can read."""

    def __init__(self, folder: Path, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    async def send(self, to: str, subject: str, text: str) -> None:
        """See `Mailer.send`."""
        await asyncio.to_thread(self._write, _message(self._sender, to, subject, text))

    def _write(self, message: EmailMessage) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft = self._folder / f".{new_id()}"
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(message.as_bytes())
            draft.rename(self._folder / f"{draft.name[1:]}.eml")
        except OSError as error:
            raise Unavailable(f"{self._folder} takes no mail: {error.strerror}") from error


class SmtpMailer:
    """Hands mails to an SMTP server; STARTTLS is used where it is offered, and asked for where a login is set."""

    def __init__(self, settings: AuthSettings) -> None:
        self._settings = settings

    async def send(self, to: str, subject: str, text: str) -> None:
        """See `Mailer.send`."""
        import aiosmtplib  # noqa: PLC0415 -- only where an SMTP server is set

        settings = self._settings
        password = settings.smtp_password
        try:
            await aiosmtplib.send(
                _message(settings.mail_from, to, subject, text),
                hostname=settings.smtp_host,
                port=settings.smtp_port,
                username=settings.smtp_user,
                password=None if password is None else password.get_secret_value(),
                use_tls=settings.smtp_tls == "implicit",
                start_tls=_START_TLS[settings.smtp_tls],
                timeout=10,
            )
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Unavailable(f"The mail server took no mail: {type(error).__name__}") from error


def mailer_of(settings: AuthSettings) -> Mailer:
    """The mailer that the settings name: SMTP where a host is set, else the folder."""
    if settings.smtp_host is not None:
        return SmtpMailer(settings)
    return FileMailer(settings.mail_folder or settings.signing_key_file.with_name("outbox"), settings.mail_from)


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, to, subject
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="kgents")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no machine need answer
    message.set_content(text)
    return message
