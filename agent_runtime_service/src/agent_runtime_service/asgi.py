"""Production entry: `python -m agent_runtime_service.asgi` serves the API and the workers' door, one process.

`uvicorn agent_runtime_service.asgi:app` serves the API alone.
"""

from agent_runtime_service.door.app import create_door_app
from agent_runtime_service.main import create_app
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.telemetry.logs import configure_logging

settings = RuntimeSettings.model_validate({})
configure_logging(as_json=settings.log_json, level=settings.log_level)
app = create_app(settings)
door = create_door_app(app)
