"""pip's index and certificate settings, read without pip, and the same settings in uv's words.

Source: pip's configuration precedence (global, then user, then the environment's own file, then PIP_CONFIG_FILE,
then PIP_* variables), sections `[global]`, `[install]` and `[download]`.
"""

import configparser
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_SECTIONS = ("global", "install", "download")
# What pip and uv ask where nobody told them otherwise: a machine with neither has nobody else to name it.
_DEFAULT_INDEX = "https://pypi.org/simple"


@dataclass(frozen=True, slots=True)
class PipSettings:
    """Where packages come from, as this machine's owner told pip.

    `index_url` is None where pip's own default holds; `timeout` is in seconds, as text.
    """

    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    proxy: str | None = None
    timeout: str | None = None
    no_index: bool = False

    @property
    def indexes(self) -> tuple[str, ...]:
        """Every index to ask, the main one first."""
        if self.no_index:
            return ()
        return (self.index_url or _DEFAULT_INDEX, *self.extra_index_urls)


def config_files(env: Mapping[str, str], home: Path, prefix: Path, platform: str = sys.platform) -> list[Path]:
    """pip's configuration files in the order in which they override each other; they need not exist."""
    named = env.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    if platform == "darwin":
        shared = [Path("/Library/Application Support/pip/pip.conf")]
        private = home / "Library/Application Support/pip/pip.conf"
        user = private if private.parent.is_dir() else home / ".config/pip/pip.conf"
    else:
        folders = [item for item in env.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":") if item]
        shared = [*(Path(folder) / "pip/pip.conf" for folder in folders), Path("/etc/pip.conf")]
        user = Path(env.get("XDG_CONFIG_HOME") or home / ".config") / "pip/pip.conf"
    files = [*shared, home / ".pip/pip.conf", user, prefix / "pip.conf"]
    return [*files, Path(named)] if named else files


def read_pip_settings(
    env: Mapping[str, str] | None = None, home: Path | None = None, prefix: Path | None = None
) -> PipSettings:
    """What pip would use here. A file that can't be read or parsed counts as absent, as for a missing one."""
    env = os.environ if env is None else env
    home = Path(env.get("HOME") or "/") if home is None else home
    merged: dict[str, str] = {}
    for file in config_files(env, home, prefix or Path(sys.prefix)):
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (OSError, UnicodeDecodeError, configparser.Error):
            continue
        for section in _SECTIONS:
            if parser.has_section(section):
                merged |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    merged |= {
        key.removeprefix("PIP_").lower().replace("_", "-"): value
        for key, value in env.items()
        if key.startswith("PIP_") and value
    }
    return PipSettings(
        index_url=merged.get("index-url") or None,
        extra_index_urls=tuple(merged.get("extra-index-url", "").split()),
        find_links=tuple(merged.get("find-links", "").split()),
        cert=merged.get("cert") or None,
        client_cert=merged.get("client-cert") or None,
        trusted_hosts=tuple(merged.get("trusted-host", "").split()),
        proxy=merged.get("proxy") or None,
        timeout=merged.get("timeout") or merged.get("default-timeout") or None,
        no_index=merged.get("no-index", "").lower() in {"1", "true", "yes", "on"},
    )


def uv_environment(settings: PipSettings, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """A whole environment for uv in which pip's settings hold; what the caller set for uv itself stays.

    The strategy is pip's: every index may offer the locked version, and the hash decides whether it is the right file.
    """
    env = os.environ if env is None else env
    defaults = {"UV_INDEX_STRATEGY": "unsafe-best-match"}
    values: dict[str, str] = {}
    if settings.index_url:
        defaults["UV_DEFAULT_INDEX"] = settings.index_url
    if settings.extra_index_urls:
        defaults["UV_INDEX"] = " ".join(settings.extra_index_urls)
    if settings.find_links:
        defaults["UV_FIND_LINKS"] = ",".join(settings.find_links)
    if settings.cert:
        values["SSL_CERT_FILE"] = settings.cert
    if settings.client_cert:
        values["SSL_CLIENT_CERT"] = settings.client_cert
    if settings.trusted_hosts:
        defaults["UV_INSECURE_HOST"] = " ".join(settings.trusted_hosts)
    if settings.timeout:
        defaults["UV_HTTP_TIMEOUT"] = settings.timeout
    if settings.proxy:
        values |= {"HTTP_PROXY": settings.proxy, "HTTPS_PROXY": settings.proxy}
    if settings.no_index:
        defaults["UV_NO_INDEX"] = "1"
    merged = defaults | dict(env) | values
    # These would send uv to another environment or let it fetch a Python.
    for key in ("VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "UV_PYTHON", "UV_SYSTEM_PYTHON", "PYTHONHOME", "PYTHONPATH"):
        merged.pop(key, None)
    return merged | {"UV_PYTHON_DOWNLOADS": "never"}
