"""This service's settings, from the environment under `MANAGEMENT_`."""

from pydantic import DirectoryPath, PositiveFloat, PositiveInt
from pydantic_settings import SettingsConfigDict

from kgents_shared.definitions.limits import SystemLimits
from kgents_shared.http.settings import ServiceSettings, Words


class ManagementSettings(ServiceSettings):
    """What the agent management service needs to run.

    `templates_dir` is a folder of templates of your own, beside the built-in ones. `most_memory_mb`, `most_cpu` and
    `most_processes` (each of every one of `most_replicas`), `most_steps`, `most_timeout_s` and `most_tokens` are the
    most that a definition may ask for, `providers` the model providers that it may name (`openai, echo`); what is
    absent bounds nothing. `flow_code` lets Langflow's flows bring code of their authors.
    """

    model_config = SettingsConfigDict(env_prefix="MANAGEMENT_")

    templates_dir: DirectoryPath | None = None
    most_memory_mb: PositiveInt | None = None
    most_cpu: PositiveFloat | None = None
    most_processes: PositiveInt | None = None
    most_replicas: PositiveInt | None = None
    most_steps: PositiveInt | None = None
    most_timeout_s: PositiveInt | None = None
    most_tokens: PositiveInt | None = None
    providers: Words | None = None
    flow_code: bool = False

    @property
    def system_limits(self) -> SystemLimits:
        """What definitions are held to."""
        return SystemLimits(
            memory_mb=self.most_memory_mb,
            cpu=self.most_cpu,
            processes=self.most_processes,
            replicas=self.most_replicas,
            max_steps=self.most_steps,
            timeout_s=self.most_timeout_s,
            max_tokens=self.most_tokens,
            providers=None if self.providers is None else tuple(self.providers),
            flow_code=self.flow_code,
        )
