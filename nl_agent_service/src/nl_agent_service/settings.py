"""This service's settings, from the environment under `NL_`."""

from typing import Annotated

from pydantic import Field, PositiveInt
from pydantic_settings import SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings


class NlSettings(ServiceSettings):
    """What drafting agents needs and may use. Times are seconds.

    `timeout_s` bounds a whole drafting, `model_timeout_s` each question to the model, `most_tokens` each draft that
    it writes. `most_drafts` may be under way at once, `most_drafts_of_owner` of one person. A drafting is kept for
    `keep_days`.
    """

    model_config = SettingsConfigDict(env_prefix="NL_")

    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 240.0
    model_timeout_s: Annotated[float, Field(gt=0, le=300)] = 90.0
    most_tokens: PositiveInt = 8192
    most_drafts: PositiveInt = 32
    most_drafts_of_owner: PositiveInt = 3
    keep_days: PositiveInt = 30
