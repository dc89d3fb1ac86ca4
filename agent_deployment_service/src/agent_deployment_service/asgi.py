"""Production entry: `uvicorn agent_deployment_service.asgi:app`."""

from agent_deployment_service.main import create_app
from agent_deployment_service.settings import DeploymentSettings
from kgents_shared.telemetry.logs import configure_logging

settings = DeploymentSettings.model_validate({})
configure_logging(as_json=settings.log_json, level=settings.log_level)
app = create_app(settings)
