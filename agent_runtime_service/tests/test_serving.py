"""`python -m agent_runtime_service`, as the image runs it: the API on a port, the door on its socket, one process."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import httpx

from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.testing.plain_http import PLAIN
from kgents_shared.testing.polling import eventually
from platform_host.embedded.ports import choose_port


async def test_the_api_and_the_door_are_served_until_sigterm(make_settings: Callable[..., RuntimeSettings]):
    settings = make_settings()
    port = choose_port()
    with tempfile.TemporaryDirectory(prefix="kg") as folder:
        door = Path(folder) / "door.sock"
        environment = {
            "PATH": os.environ["PATH"],
            "RUNTIME_DATABASE_URL": settings.database_url.get_secret_value(),
            "RUNTIME_NATS_URL": settings.nats_url,
            "RUNTIME_CLIENT_SECRET": "for-this-test-only",
            "RUNTIME_BIND": "127.0.0.1",
            "RUNTIME_PORT": str(port),
            "RUNTIME_DOOR": f"unix:{door}",
            "OPENAI_BASE_URL": "",
            "OPENAI_MODEL": "",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "agent_runtime_service", env=environment, stderr=asyncio.subprocess.PIPE
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60, verify=PLAIN) as client:

                async def serves() -> None:
                    health = (await client.get("/health")).json()
                    # No auth service is there to say what was revoked, and it says so.
                    assert health["parts"] == {"database": True, "revocations": False}, health

                await eventually(serves, timeout=60, retry_on=(httpx.TransportError,))
            transport = httpx.AsyncHTTPTransport(uds=str(door), verify=PLAIN)
            async with httpx.AsyncClient(transport=transport, base_url="http://door") as worker:
                assert (await worker.post("/internal/tools/call")).status_code == 401
            process.send_signal(signal.SIGTERM)
            _, log = await asyncio.wait_for(process.communicate(), 60)
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode in {0, -signal.SIGTERM}
        assert all(line.startswith(b"{") for line in log.splitlines()), log.decode()
