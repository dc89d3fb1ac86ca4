"""Shapes of /auth/register, /auth/login and /auth/refresh."""

from typing import Annotated, Literal, Self

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, StringConstraints, model_validator

from auth_service.people.password_rules import MAX_CHARS, MIN_CHARS
from auth_service.users.schemas import PersonName


def normalised(address: str) -> str:
    """An address as it is stored and looked up: without white space around it, lower case."""
    return address.strip().lower()


def _checked_address(address: str) -> str:
    try:
        # Names without a public domain are allowed: many installations live on a network of their own.
        found = validate_email(address.strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from error
    return normalised(found.normalized)


def _is_unicode(secret: SecretStr) -> SecretStr:
    if any("\ud800" <= char <= "\udfff" for char in secret.get_secret_value()):
        raise ValueError("is not valid Unicode: it has half of a surrogate pair in it")
    return secret


GivenPassword = Annotated[SecretStr, Field(max_length=MAX_CHARS), AfterValidator(_is_unicode)]
# No address has a NUL in it, and PostgreSQL takes none.
_Text = Annotated[str, StringConstraints(max_length=320, pattern=r"^[^\x00]*$")]
NewAddress = Annotated[_Text, AfterValidator(_checked_address)]
GivenAddress = Annotated[_Text, AfterValidator(normalised)]
AskedScope = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Registration(_Body):
    """The body of `POST /auth/register`. A password has 8 to 256 characters of any kind."""

    email: NewAddress
    password: Annotated[GivenPassword, Field(min_length=MIN_CHARS)]
    name: PersonName


class NewPerson(_Body):
    """The body of `POST /admin/users`: a password, or a bcrypt or argon2id hash that another system made."""

    email: NewAddress
    name: PersonName
    password: Annotated[GivenPassword, Field(min_length=MIN_CHARS)] | None = None
    password_hash: Annotated[SecretStr, Field(min_length=20, max_length=500)] | None = None

    @model_validator(mode="after")
    def _one_way_in(self) -> Self:
        if (self.password is None) == (self.password_hash is None):
            raise ValueError("give either password or password_hash")
        return self


class Accepted(BaseModel):
    """The answer of whatever is sent to an address, whether or not it is known."""

    status: Literal["accepted"] = "accepted"


class Login(_Body):
    """The body of `POST /auth/login`; `scope` narrows what the tokens may do (space-separated)."""

    email: GivenAddress
    password: GivenPassword
    scope: AskedScope | None = None


class Refresh(_Body):
    """The body of `POST /auth/refresh`."""

    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=512)]


class Logout(_Body):
    """The body of `POST /auth/logout`: a refresh token of another session of the caller's to end as well."""

    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=512)] | None = None


class PasswordChange(_Body):
    """The body of `POST /auth/password`."""

    current_password: GivenPassword
    new_password: Annotated[GivenPassword, Field(min_length=MIN_CHARS)]


class Address(_Body):
    """The body of `POST /auth/password/reset` and `POST /auth/email/verify/resend`."""

    email: GivenAddress


class NewPassword(_Body):
    """The body of `POST /auth/password/reset/confirm`: the token of the mail, and the password from now on."""

    token: Annotated[SecretStr, Field(min_length=1, max_length=512)]
    password: Annotated[GivenPassword, Field(min_length=MIN_CHARS)]


class MailedToken(_Body):
    """The body of `POST /auth/email/verify`: the token of the mail."""

    token: Annotated[SecretStr, Field(min_length=1, max_length=512)]


class TokenPair(BaseModel):
    """The answer of login and refresh. `expires_in` is the access token's lifetime in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 -- RFC 6750's name of the type
    expires_in: int
