"""Production entry for an ASGI server of one's own: `app` is the API, `door` the workers' door; one process for both.

`python -m agent_runtime_service` serves the two, and is what the image runs.
"""

from agent_runtime_service.door.app import create_door_app
from agent_runtime_service.main import create_app
from agent_runtime_service.settings import RuntimeSettings
from kgents_shared.telemetry.logs import configure_logging

settings = RuntimeSettings.model_validate({})
configure_logging(as_json=settings.log_json, level=settings.log_level)
app = create_app(settings)
door = create_door_app(app)
