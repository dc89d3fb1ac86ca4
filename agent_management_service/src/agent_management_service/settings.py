"""This service's settings, from the environment under `MANAGEMENT_`."""

from pydantic_settings import SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings


class ManagementSettings(ServiceSettings):
    """What the agent management service needs to run."""

    model_config = SettingsConfigDict(env_prefix="MANAGEMENT_")
