"""What every mailer does: each is tried over what it really uses, a folder or a socket."""

import email.policy
import socket
from collections.abc import AsyncGenerator, Callable
from email.message import EmailMessage
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import SecretStr

from auth_service.mail.mailer import FileMailer, Mailer, SmtpMailer, mailer_of
from auth_service.settings import AuthSettings
from kgents_shared.errors import Unavailable

# aiosmtpd's word for a server that takes logins without TLS, which on loopback is what is wanted here.
pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
Sent = Callable[[], list[EmailMessage]]


def _free_port() -> int:
    # aiosmtpd's controller can't tell which port it was given.
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Inbox:
    """An SMTP server's handler that keeps what came in."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 -- aiosmtpd's
        del server, session
        assert isinstance(envelope.content, bytes)
        self.messages.append(envelope.content)
        return "250 OK"


def _let_in(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    del server, session, envelope, mechanism
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (b"kgents", b"smtp-secret")
    return AuthResult(success=right)


@pytest.fixture(scope="module")
def shared_inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def inbox(shared_inbox: Inbox) -> Inbox:
    """What came in during this test."""
    shared_inbox.messages.clear()
    return shared_inbox


@pytest.fixture(scope="module")
async def smtp(shared_inbox: Inbox) -> AsyncGenerator[Controller]:
    """A mail server that wants a login."""
    server = Controller(
        shared_inbox,
        hostname="127.0.0.1",
        port=_free_port(),
        authenticator=_let_in,
        auth_required=True,
        auth_require_tls=False,
    )
    server.start()
    yield server
    server.stop()


def with_smtp(settings: AuthSettings, smtp: Controller, **more: object) -> AuthSettings:
    found = {
        "smtp_host": "127.0.0.1",
        "smtp_port": smtp.port,
        "smtp_tls": "off",
        "smtp_user": "kgents",
        "smtp_password": SecretStr("smtp-secret"),
    }
    return settings.model_copy(update=found | more)


@pytest.fixture(params=["smtp", "folder"])
def mailer(
    request: pytest.FixtureRequest, auth_settings: AuthSettings, smtp: Controller, inbox: Inbox, tmp_path: Path
) -> tuple[Mailer, Sent]:
    """Each mailer in turn, and what came out of it."""
    if request.param == "smtp":
        raw: Callable[[], list[bytes]] = lambda: inbox.messages  # noqa: E731 -- one of two
        made = mailer_of(with_smtp(auth_settings, smtp))
        assert isinstance(made, SmtpMailer)
    else:
        raw = lambda: [file.read_bytes() for file in sorted(tmp_path.glob("*.eml"))]  # noqa: E731 -- the other
        made = mailer_of(auth_settings.model_copy(update={"mail_folder": tmp_path}))
        assert isinstance(made, FileMailer)
    return made, lambda: [email.message_from_bytes(each, policy=email.policy.default) for each in raw()]


async def test_a_mail_arrives_as_it_was_written(mailer: tuple[Mailer, Sent]):
    sends, sent = mailer
    await sends.send("ada@example.org", "Grüße", "Zeile eins\nund zwei\n")
    (message,) = sent()
    assert (message["To"], message["Subject"]) == ("ada@example.org", "Grüße")
    assert message.get_content().replace("\r\n", "\n") == "Zeile eins\nund zwei\n"
    assert message["Auto-Submitted"] == "auto-generated"


async def test_an_address_cant_bring_headers_of_its_own(mailer: tuple[Mailer, Sent]):
    sends, sent = mailer
    with pytest.raises(ValueError, match="linefeed"):
        await sends.send("ada@example.org\nBcc: mallory@example.org", "Hello", "text")
    assert sent() == []


async def test_mails_in_the_folder_are_their_owners_alone(auth_settings: AuthSettings, tmp_path: Path):
    await FileMailer(tmp_path / "new", "kgents@localhost").send("ada@example.org", "Hello", "text")
    (file,) = (tmp_path / "new").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize(
    "wrong",
    [{"smtp_port": 1}, {"smtp_tls": "starttls"}],
    ids=["no server", "no TLS where it is asked for"],
)
async def test_a_server_that_takes_no_mail_is_unavailable(
    auth_settings: AuthSettings, smtp: Controller, wrong: dict[str, object]
):
    with pytest.raises(Unavailable):
        await SmtpMailer(with_smtp(auth_settings, smtp, **wrong)).send("ada@example.org", "Hello", "text")


async def test_a_folder_that_takes_no_mail_is_unavailable(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        await FileMailer(tmp_path / "file", "kgents@localhost").send("ada@example.org", "Hello", "text")
