"""The production entry: `uvicorn tool_registry_service.asgi:app`."""

from kgents_shared.http.ending import ending_with_signals
from kgents_shared.telemetry.logs import configure_logging
from tool_registry_service.main import create_app
from tool_registry_service.settings import ToolsSettings

settings = ToolsSettings()  # pyright: ignore[reportCallIssue] -- from the environment
configure_logging(as_json=settings.log_json, level=settings.log_level)
app = ending_with_signals(create_app(settings))
