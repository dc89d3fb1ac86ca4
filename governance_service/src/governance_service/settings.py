"""This service's settings, from the environment under `GOVERNANCE_`."""

from typing import Annotated

from pydantic import Field, PositiveInt
from pydantic_settings import SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings

_MOST_DAYS = 365


class GovernanceSettings(ServiceSettings):
    """How long people have to decide, and how much may wait for them.

    An approval lasts `approval_days` at most, from the question to the deed; whoever asks may ask for less.
    `most_pending` may wait for one owner at once.
    """

    model_config = SettingsConfigDict(env_prefix="GOVERNANCE_")

    approval_days: Annotated[float, Field(gt=0, le=_MOST_DAYS)] = 7
    most_pending: PositiveInt = 1000
