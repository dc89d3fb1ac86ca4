"""POST /auth/logout, /auth/password, /auth/password/reset…, /auth/email/verify…"""

from uuid import UUID

from fastapi import status

from auth_service.dependencies import InPerson, Network, ReadyParts
from auth_service.people.events import USER_LOGGED_OUT, UserChanged
from auth_service.people.passwords import MailedTokenRefused
from auth_service.people.schemas import Accepted, Address, Logout, MailedToken, NewPassword, PasswordChange
from auth_service.users import service as users
from kgents_shared.http.openapi import refusals
from kgents_shared.http.routing import Router

router = Router(prefix="/api/v1/auth", tags=["auth"])


@router.post("/logout", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404))
async def log_out(body: Logout, principal: InPerson, parts: ReadyParts) -> None:
    """End the session of the caller's token: refused by every service within a second."""
    async with parts.storage.transaction() as work:
        user = (await users.profile(work, principal.subject)).user
        if principal.session_id is not None:
            await parts.sessions.end(work, UUID(principal.session_id))
        if body.refresh_token is not None:
            named = await parts.sessions.family_of(work, body.refresh_token.get_secret_value(), user.id)
            if named is not None and str(named) != principal.session_id:
                await parts.sessions.end(work, named)
        await work.tell(USER_LOGGED_OUT, user.id, UserChanged(user_id=user.id))


@router.post("/password", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(404, 429))
async def change_password(body: PasswordChange, principal: InPerson, parts: ReadyParts, network: Network) -> None:
    """Change the caller's password; every other session of theirs ends."""
    async with parts.limits.guessing("password", network, account=principal.subject):
        await parts.passwords.change(
            principal, body.current_password.get_secret_value(), body.new_password.get_secret_value()
        )


@router.post("/password/reset", status_code=status.HTTP_202_ACCEPTED, responses=refusals(429))
async def ask_for_a_new_password(body: Address, parts: ReadyParts, network: Network) -> Accepted:
    """Have a token sent to the address, if it is known; the answer is the same."""
    await parts.limits.mail("reset", body.email, network)
    async with parts.storage.transaction() as work:
        await work.mail.ask("reset", body.email)
    parts.post_office.wake()
    return Accepted()


@router.post("/password/reset/confirm", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(429))
async def set_new_password(body: NewPassword, parts: ReadyParts, network: Network) -> None:
    """Set the password of whoever got the token; every session and token of theirs ends."""
    try:
        await parts.passwords.reset(body.token.get_secret_value(), body.password.get_secret_value())
    except MailedTokenRefused:
        await parts.limits.wrong("mail", network)
        raise


@router.post("/email/verify", status_code=status.HTTP_204_NO_CONTENT, responses=refusals(429))
async def verify_address(body: MailedToken, parts: ReadyParts, network: Network) -> None:
    """Show that an address is yours, by the token that was sent to it."""
    try:
        await parts.passwords.verify(body.token.get_secret_value())
    except MailedTokenRefused:
        await parts.limits.wrong("mail", network)
        raise


@router.post("/email/verify/resend", status_code=status.HTTP_202_ACCEPTED, responses=refusals(429))
async def send_verification_again(body: Address, parts: ReadyParts, network: Network) -> Accepted:
    """Have the token sent again, if the address is known and not verified yet; the answer is the same."""
    await parts.limits.mail("verify", body.email, network)
    async with parts.storage.transaction() as work:
        await work.mail.ask("verify", body.email)
    parts.post_office.wake()
    return Accepted()
