"""What the fork servers are: one for chat agents, one for those whose models have wires of their own, and one for flows
on the Python that Langflow's packages are in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from agent_deployment_service.launchers.process.limits import NO_POOL, Pool
from agent_deployment_service.launchers.process.link import ServerCommand
from agent_deployment_service.launchers.protocol import LaunchError
from kgents_shared.contracts.agent_spec import AgentSpec
from kgents_shared.langflow_environment import FLOW_WORKER, INSTALL, environment_python

CHAT: Final = "Chat"
LANGFLOW: Final = "Langflow"
PROVIDERS: Final = "providers"
_OWN_WIRES: Final = frozenset({"anthropic", "google", "ollama"})
_FLOW_READY_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class ProcessLauncherOptions:
    """Where things are. `door` is what workers are told (`unix:/host/path/door.sock` or `http://…`); a Unix door's
    folder, `door_dir`, is shown in every sandbox. `import_paths` are for a worker that is not installed.
    `require_isolation` refuses to start where walls are missing. `langflow_dir` is where `kgents langflow install` puts
    what flows run on. `pool` is what all agents of a fork server may use together."""

    run_dir: Path
    logs_dir: Path
    door: str
    door_dir: Path | None
    worker_module: str = "agent_worker.main"
    providers_module: str = "agent_worker.with_providers"
    require_isolation: bool = False
    passed_environment: tuple[str, ...] = ("LD_LIBRARY_PATH", "TZ")
    import_paths: tuple[Path, ...] = ()
    langflow_dir: Path | None = None
    flow_worker_module: str = FLOW_WORKER
    pool: Pool = NO_POOL

    @property
    def roots(self) -> tuple[Path, ...]:
        """The fork servers' templates of what a sandbox sees."""
        return self.run_dir / "root", self.run_dir / "root-langflow", self.run_dir / "root-providers"

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
            pool=self.pool,
        )

    def providers(self) -> ServerCommand:
        """The fork server of agents whose model has a wire of its own: what that takes is loaded once."""
        return replace(
            self.chat(),
            worker_module=self.providers_module,
            root=self.roots[2],
            log_path=self.logs_dir / "forkserver-providers.log",
            title="forkserver (providers)",
            number=2,
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
            pool=self.pool,
            ready_seconds=_FLOW_READY_SECONDS,
        )


def server_of(spec: AgentSpec) -> str:
    """Which fork server's children run an agent."""
    if spec.runtime.shell == LANGFLOW:
        return LANGFLOW
    named = {spec.llm.provider, *(fallback.provider for fallback in spec.llm.fallbacks)}
    return PROVIDERS if spec.runtime.shell == CHAT and named & _OWN_WIRES else CHAT
