"""This service's settings, from the environment under `DEPLOYMENT_`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from kgents_shared.http.settings import ServiceSettings

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class DeploymentSettings(ServiceSettings):
    """What the agent deployment service needs to run.

    `run_dir` holds the instances' folders, `logs_dir` a bounded log per agent. `door` is the address of the runtime's
    door as workers are told it; where it is a Unix socket, `door_dir` is its folder on this machine.
    `worker_import_paths` are for a `worker_module` that is not installed. A version that has no label and is asked for
    by number runs until nobody asked for `version_idle_s`, at most `versions_on_demand` of one agent at a time.
    `langflow_dir` is where `kgents langflow install` put what flows run on. `pool_memory_mb` and
    `pool_cpus` are the most that all agents may use together, and all flows together; absent, what the machine has.
    """

    model_config = SettingsConfigDict(env_prefix="DEPLOYMENT_")

    launcher: Literal["process"] = "process"
    run_dir: Path
    logs_dir: Path
    door: str
    door_dir: Path | None = None
    worker_module: str = "agent_worker.main"
    worker_import_paths: tuple[Path, ...] = ()
    require_isolation: bool = False
    langflow_dir: Path | None = None
    pool_memory_mb: Annotated[int, Field(ge=256)] | None = None
    pool_cpus: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None

    health_timeout_s: Seconds = 30.0
    drain_grace_s: Seconds = 30.0
    shutdown_grace_s: Seconds = 5.0
    resync_interval_s: Seconds = 30.0
    sweep_interval_s: Seconds = 5.0
    version_idle_s: Annotated[float, Field(ge=60, allow_inf_nan=False)] = 600.0
    versions_on_demand: Annotated[int, Field(ge=0)] = 3
    restart_limit: Annotated[int, Field(ge=1)] = 6
    restart_window_s: Seconds = 120.0
    restart_backoff_s: Seconds = 0.5
    restart_backoff_max_s: Seconds = 30.0
