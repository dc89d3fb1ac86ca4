"""A process that launches two workers, prints the pids (fork server first) and waits to be killed."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from uuid import uuid4

from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.protocol import LaunchRequest
from kgents_shared.contracts.agent_spec import AgentSpec


async def main(home: Path) -> None:
    here = Path(__file__).parent
    launcher = ProcessLauncher(
        ProcessLauncherOptions(
            home / "run",
            home / "logs",
            f"unix:{home}/door/d.sock",
            home / "door",
            "scripted_worker",
            import_paths=(here,),
        )
    )
    await launcher.start()
    for name in ("one", "two"):
        spec = AgentSpec(name=name, system_prompt="x")
        launched = await launcher.launch(LaunchRequest(uuid4(), uuid4(), name, 1, spec, "t"))
        await launcher.wait_healthy(launched.instance_id, 20)
    sys.stdout.write(" ".join(str(row.pid) for row in launcher.processes() if row.state != "spare") + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
