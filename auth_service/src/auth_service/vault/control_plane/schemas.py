"""Shapes of /cp/platform-credentials and /cp/exchange-setup (document 004). Amounts are decimal strings."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from auth_service.vault.credentials.schemas import SecretBody, SecretFields, SecretText, Slug

ExchangeProvider = Literal["delta_exchange_india"]


def _more_than_nothing(amount: str) -> str:
    if Decimal(amount) <= 0:
        raise PydanticCustomError("not_positive", "must be more than 0")
    return amount


Units = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}(\.[0-9]{1,18})?$"), AfterValidator(_more_than_nothing)]
Rupees = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}(\.[0-9]{1,2})?$"), AfterValidator(_more_than_nothing)]
Coin = Annotated[str, StringConstraints(to_upper=True, pattern=r"^[A-Za-z0-9]{1,20}$")]
PostingIdentity = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")
]


class PlatformCredentials(SecretBody):
    """Body of `PUT /cp/platform-credentials`: what the platform wants, `access_token` and the like, by name."""

    platform: Slug
    credentials: SecretFields
    posting_identity: PostingIdentity | None = None


class PlatformCredentialsView(BaseModel):
    """A connected platform, by reference."""

    credential_ref: str
    platform: str
    posting_identity: str | None
    created_at: datetime
    updated_at: datetime


class RiskLimits(BaseModel):
    """What an order may be at most: units, and rupees where that is bounded too."""

    model_config = ConfigDict(extra="forbid")

    max_units_per_order: Units
    max_notional_inr: Rupees | None = None


class NewExchangeSetup(SecretBody):
    """Body of `PUT /cp/exchange-setup`. Without the keys, those that are there stay; `allowed_coins` absent means
    the default coin alone.
    """

    exchange_provider: ExchangeProvider = "delta_exchange_india"
    api_key: SecretText | None = None
    api_secret: SecretText | None = None
    default_coin: Coin
    allowed_coins: Annotated[list[Coin], Field(min_length=1, max_length=100)] | None = None
    risk_limits: RiskLimits

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            raise PydanticCustomError("half_a_key", "api_key and api_secret go together: send both, or neither")
        if self.allowed_coins is not None and self.default_coin not in self.allowed_coins:
            raise PydanticCustomError("default_not_allowed", "default_coin must be one of allowed_coins")
        return self

    @property
    def coins(self) -> tuple[str, ...]:
        """The allowed coins, each once."""
        return tuple(dict.fromkeys(self.allowed_coins or [self.default_coin]))


class ExchangeSetupView(BaseModel):
    """An exchange setup; `credential_ref` is null once its credential was deleted: not connected any more."""

    exchange_account_id: str
    credential_ref: str | None
    exchange_provider: str
    default_coin: str
    allowed_coins: list[str]
    risk_limits: RiskLimits
    created_at: datetime
    updated_at: datetime
