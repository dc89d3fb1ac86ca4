"""This service's settings, from the environment under `MANAGEMENT_`."""

from pydantic import DirectoryPath
from pydantic_settings import SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings


class ManagementSettings(ServiceSettings):
    """What the agent management service needs to run.

    `templates_dir` is a folder of templates of your own, beside the built-in ones.
    """

    model_config = SettingsConfigDict(env_prefix="MANAGEMENT_")

    templates_dir: DirectoryPath | None = None
