"""What the mails say."""

from auth_service.mail.repository import MailKind


def letter(kind: MailKind, *, place: str, token: str | None) -> tuple[str, str]:
    """Subject and text. `place` is this installation's address; `token` is None where none goes along."""
    if kind == "reset":
        return "Your new password", (
            f"Somebody, probably you, asked for a new password at {place}.\n\n"
            f"    {token}\n\n"
            "Send this token with the new password to POST /auth/password/reset/confirm within half an hour:\n"
            '{"token": "...", "password": "..."}\n\n'
            "If it wasn't you, there is nothing to do: your password is as it was.\n"
        )
    if kind in {"verify", "registered"}:
        return "Is this your address?", (
            f"Somebody, probably you, registered this address at {place}.\n\n"
            f"    {token}\n\n"
            'Send this token to POST /auth/email/verify within a day: {"token": "..."}\n\n'
            "If it wasn't you, there is nothing to do: without this token nobody comes in.\n"
        )
    return "You are registered already", (
        f"Somebody, probably you, registered this address at {place} again. Your account is as it was: log in, or\n"
        "ask for a new password at POST /auth/password/reset.\n"
    )
