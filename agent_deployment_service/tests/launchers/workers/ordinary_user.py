"""A launcher as whoever runs this: prints, as JSON, how far it is isolated and what a worker could do."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any
from uuid import uuid4

from agent_deployment_service.launchers.process.launcher import ProcessLauncher, ProcessLauncherOptions
from agent_deployment_service.launchers.protocol import LaunchRequest
from kgents_shared.contracts.agent_spec import AgentSpec

PROBES = {
    "who": "import os; result = os.getuid()",
    "host_files": "import os; os.stat('/root'); os.listdir('/home')",
    "network": "import socket; socket.create_connection(('1.1.1.1', 80), 2)",
    "vsock": "import socket; socket.socket(40, socket.SOCK_STREAM)",
    "home": "import os; os.stat({home!r})",
    "secret": "open({home!r} + '/secret').read()",
    "scratch": "import os; folder = '/scratch' if os.path.isdir('/scratch') else '/tmp'; "
    "open(folder + '/x', 'w').write('x'); result = 'written'",
    "exec": "import os; os.execv('/bin/true', ['true'])",
}


async def ask(endpoint_url: str, source: str) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(endpoint_url.removeprefix("unix:"))
    writer.write(b"POST /run HTTP/1.1\r\nContent-Length: %d\r\n\r\n%s" % (len(source), source.encode()))
    await reader.readuntil(b"\r\n\r\n")
    answer = json.loads(await reader.read())
    writer.close()
    return {"result": answer["result"]} if "result" in answer else {"error": answer["error"]}


async def main(home: Path) -> None:
    (home / "secret").write_text("secret", encoding="utf-8")
    options = ProcessLauncherOptions(
        home / "run",
        home / "logs",
        f"unix:{home}/door/d.sock",
        home / "door",
        "scripted_worker",
        import_paths=(Path(__file__).parent,),
    )
    launcher = ProcessLauncher(options)
    await launcher.start()
    protections = await launcher.protections()
    spec = AgentSpec(name="one", system_prompt="x")
    launched = await launcher.launch(LaunchRequest(uuid4(), uuid4(), "one", 1, spec, "t"))
    await launcher.wait_healthy(launched.instance_id, 20)
    answers = {name: await ask(launched.endpoint_url, source.format(home=str(home))) for name, source in PROBES.items()}
    await launcher.close(2)
    told = {"uid": os.getuid(), "off": [item.name for item in protections if not item.on], "answers": answers}
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
