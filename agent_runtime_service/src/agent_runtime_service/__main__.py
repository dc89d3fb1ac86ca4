"""`python -m agent_runtime_service`: the API on a port and the workers' door on its own address, in one process."""

import asyncio
import contextlib
from collections.abc import Generator

import uvicorn
import uvloop
from fastapi import FastAPI

from agent_runtime_service.door.app import create_door_app
from agent_runtime_service.main import create_app
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.http.ending import ending_with_signals
from kgents_shared.telemetry.logs import configure_logging

_GRACE_S = 30


class _DoorServer(uvicorn.Server):
    """Leaves the signals to the API's server and ends after it: the last runs still need the door."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(settings: RuntimeSettings) -> None:
    """Serve until SIGTERM or SIGINT; running runs get time to end."""
    app = ending_with_signals(create_app(settings))
    api = uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.bind,
            port=settings.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
    )
    door = _DoorServer(_door_config(settings, app))
    opened = asyncio.create_task(door.serve())
    await api.serve()
    door.should_exit = True
    await opened


def _door_config(settings: RuntimeSettings, app: FastAPI) -> uvicorn.Config:
    where = settings.door.removeprefix("unix:")
    if where != settings.door:
        return uvicorn.Config(create_door_app(app), uds=where, lifespan="off", log_config=None, access_log=False)
    host, _, port = settings.door.removeprefix("tcp:").rpartition(":")
    return uvicorn.Config(
        create_door_app(app), host=host, port=int(port), lifespan="off", log_config=None, access_log=False
    )


def main() -> None:
    """Settings from the environment, logs on stderr."""
    settings = RuntimeSettings.model_validate({})
    configure_logging(as_json=settings.log_json, level=settings.log_level)
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
