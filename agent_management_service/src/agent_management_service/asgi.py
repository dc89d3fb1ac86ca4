"""Production entry: `uvicorn agent_management_service.asgi:app`."""

from agent_management_service.main import create_app
from agent_management_service.settings import ManagementSettings
from kgents_shared.telemetry.logs import configure_logging

settings = ManagementSettings.model_validate({})
configure_logging(as_json=settings.log_json, level=settings.log_level)
app = create_app(settings)
