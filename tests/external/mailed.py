"""The mails that a running auth service wrote into its folder."""

from __future__ import annotations

import email
import email.policy
import re

from kgents_shared.testing.polling import eventually
from tests.external.running_auth import RunningAuth


def mails_to(auth: RunningAuth, address: str) -> list[str]:
    """The texts of the mails to an address."""
    folder = auth.settings.mail_folder or auth.settings.signing_key_file.with_name("outbox")
    found = (email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in folder.glob("*.eml"))
    return [message.get_content() for message in found if message["To"] == address]


async def token_mailed_to(auth: RunningAuth, address: str, mails: int = 1) -> str:
    """The token in the newest of so many mails to an address."""

    async def has_come() -> bool:
        return len(mails_to(auth, address)) >= mails

    await eventually(has_come, describe="the mail comes")
    found = re.search(r"^    (\S{43})$", mails_to(auth, address)[-1], re.MULTILINE)
    assert found is not None
    return found[1]
