"""The production entry: `uvicorn auth_service.asgi:app`."""

from auth_service.main import create_app
from auth_service.settings import AuthSettings
from kgents_shared.http.ending import ending_with_signals
from kgents_shared.telemetry.logs import configure_logging

_settings = AuthSettings()  # pyright: ignore[reportCallIssue] -- the values come from the environment
configure_logging(as_json=_settings.log_json, level=_settings.log_level)
app = ending_with_signals(create_app(_settings))
