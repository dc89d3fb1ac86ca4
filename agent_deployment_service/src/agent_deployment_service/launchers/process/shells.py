"""What the fork servers are: one for chat agents, and one for flows on the Python that Langflow's packages are in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent_deployment_service.launchers.process.link import ServerCommand
from agent_deployment_service.launchers.protocol import LaunchError
from kgents_shared.langflow_environment import FLOW_WORKER, INSTALL, environment_python

_FLOW_READY_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class ProcessLauncherOptions:
    """Where things are. `door` is what workers are told (`unix:/host/path/door.sock` or `http://…`); a Unix door's
    folder, `door_dir`, is shown in every sandbox. `import_paths` are for a worker that is not installed.
    `require_isolation` refuses to start where walls are missing. `langflow_dir` is where `kgents langflow install` puts
    what flows run on."""

    run_dir: Path
    logs_dir: Path
    door: str
    door_dir: Path | None
    worker_module: str = "agent_worker.main"
    require_isolation: bool = False
    passed_environment: tuple[str, ...] = ("LD_LIBRARY_PATH", "TZ")
    import_paths: tuple[Path, ...] = ()
    langflow_dir: Path | None = None
    flow_worker_module: str = FLOW_WORKER

    @property
    def roots(self) -> tuple[Path, Path]:
        """The fork servers' templates of what a sandbox sees."""
        return self.run_dir / "root", self.run_dir / "root-langflow"

    def chat(self) -> ServerCommand:
        """The fork server of chat agents, on the platform's own Python."""
        return ServerCommand(
            worker_module=self.worker_module,
            run_dir=self.run_dir,
            root=self.roots[0],
            door_dir=self.door_dir,
            log_path=self.logs_dir / "forkserver.log",
            passed_environment=self.passed_environment,
            import_paths=self.import_paths,
        )

    def langflow(self) -> ServerCommand:
        """The fork server of flows; LaunchError where its environment isn't installed."""
        python = None if self.langflow_dir is None else environment_python(self.langflow_dir)
        if python is None:
            raise LaunchError(f"flows can't run here: what they run on is not installed; {INSTALL}")
        return ServerCommand(
            worker_module=self.flow_worker_module,
            run_dir=self.run_dir,
            root=self.roots[1],
            door_dir=self.door_dir,
            log_path=self.logs_dir / "forkserver-langflow.log",
            passed_environment=self.passed_environment,
            import_paths=self.import_paths,
            title="forkserver (Langflow)",
            number=1,
            python=python,
            ready_seconds=_FLOW_READY_SECONDS,
        )
