"""Fetches uv's own wheel from a package index without pip: the simple API, the pinned hash, nothing else."""

import base64
import hashlib
import html.parser
import io
import os
import platform
import re
import shutil
import ssl
import sys
import urllib.parse
import urllib.request
import zipfile
from dataclasses import dataclass
from pathlib import Path

from kgents_cli.bootstrap.faults import BootstrapError
from kgents_cli.bootstrap.pip_settings import PipSettings

_WHEEL = re.compile(r"^uv-(?P<version>[^-]+)-py3-none-(?P<platforms>[^-]+)\.whl$")


@dataclass(frozen=True, slots=True)
class UvPin:
    """The uv that the checkout was tested with; `hashes` are hex SHA-256 of its files for every platform."""

    version: str
    hashes: frozenset[str]


def read_pin(lock: Path) -> UvPin:
    """The pin in `locks/uv.txt`.

    Raises:
        BootstrapError: the file is missing or holds no pinned, hashed uv.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as fault:
        raise BootstrapError(
            f"{lock} can't be read ({fault.strerror}): restore it with `git checkout locks`."
        ) from fault
    version = re.search(r"^uv==([^\s;\\]+)", text, re.MULTILINE)
    hashes = frozenset(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))
    if version is None or not hashes:
        raise BootstrapError(f"{lock} pins no uv: restore it with `git checkout locks`.")
    return UvPin(version.group(1), hashes)


def fits_platform(tag: str, system: str | None = None, machine: str | None = None, libc: str | None = None) -> bool:
    """Whether a wheel of this platform tag runs here. `libc` is "glibc" or "musl"."""
    system = sys.platform if system is None else system
    machine = (platform.machine() if machine is None else machine).lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine, machine)
    if system == "darwin":
        return tag.startswith("macosx_") and tag.endswith(
            ("_arm64" if machine == "aarch64" else "_x86_64", "_universal2")
        )
    if libc is None:
        libc = "glibc" if platform.libc_ver()[0] == "glibc" else "musl"
    family = "manylinux" if libc == "glibc" else "musllinux"
    return tag.startswith(family) and tag.endswith(f"_{machine}")


class _Links(html.parser.HTMLParser):
    """Collects the `href` of every anchor of a simple-API page (PEP 503)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.found.extend(value for name, value in attrs if name == "href" and value)


class WheelSource:
    """Reads an index the way pip's settings say: certificates, proxy, timeout; `file:` addresses work too."""

    def __init__(self, settings: PipSettings) -> None:
        self._settings = settings
        self._timeout = float(settings.timeout or 60)
        handlers: list[urllib.request.BaseHandler] = []
        if settings.proxy:
            handlers.append(urllib.request.ProxyHandler({"http": settings.proxy, "https": settings.proxy}))
        self._handlers = handlers
        self.faults: list[str] = []

    def wheel_urls(self, version: str) -> list[str]:
        """Addresses of this version's wheels for this platform, from the indexes first and then from the find-links."""
        urls: list[str] = []
        for index in self._settings.indexes:
            urls += self._links(index.rstrip("/") + "/uv/")
        for place in self._settings.find_links:
            folder = Path(place.removeprefix("file://"))
            if folder.is_dir():
                urls += [file.resolve().as_uri() for file in folder.glob("uv-*.whl")]
            elif "://" in place:
                urls += self._links(place)
        return [url for url in urls if _is_wanted(url, version)]

    def read(self, url: str) -> bytes:
        """The body behind an address. Raises OSError (urllib's own errors are among them)."""
        parts = urllib.parse.urlsplit(url)
        handlers = [*self._handlers, urllib.request.HTTPSHandler(context=self._tls(parts.hostname))]
        bare = parts._replace(fragment="", netloc=parts.netloc.rpartition("@")[2]).geturl()
        # file: is meant: an index may be a folder. The pinned hash decides what is accepted.
        request = urllib.request.Request(  # noqa: S310
            bare, headers={"Accept": "text/html", "User-Agent": "kgents-bootstrap"}
        )
        if parts.username is not None:
            request.add_header("Authorization", _basic(parts.username, parts.password or ""))
        with urllib.request.build_opener(*handlers).open(request, timeout=self._timeout) as answer:
            body: bytes = answer.read()
        return body

    def _links(self, page: str) -> list[str]:
        attempts = [page, page + "index.html"] if page.startswith("file:") else [page]
        for url in attempts:
            try:
                body = self.read(url)
            except (OSError, ValueError) as fault:
                self.faults.append(f"{urllib.parse.urlsplit(url).hostname or url}: {fault}")
                continue
            parser = _Links()
            parser.feed(body.decode("utf-8", "replace"))
            return [urllib.parse.urljoin(url, link) for link in parser.found]
        return []

    def _tls(self, host: str | None) -> ssl.SSLContext:
        cert = self._settings.cert
        if cert and Path(cert).is_dir():
            context = ssl.create_default_context(capath=cert)
        else:
            context = ssl.create_default_context(cafile=cert)
        if self._settings.client_cert:
            context.load_cert_chain(self._settings.client_cert)
        if host is not None and any(host == item.partition(":")[0] for item in self._settings.trusted_hosts):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


def _basic(user: str, password: str) -> str:
    pair = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def _is_wanted(url: str, version: str) -> bool:
    name = urllib.parse.unquote(urllib.parse.urlsplit(url).path.rpartition("/")[2])
    match = _WHEEL.match(name)
    return (
        match is not None
        and match["version"] == version
        and any(fits_platform(tag) for tag in match["platforms"].split("."))
    )


def download_uv(pin: UvPin, settings: PipSettings, target: Path) -> Path:
    """Puts the pinned uv into `target/bin/uv` and returns that path.

    Raises:
        BootstrapError: no index offers it for this platform, or what it offers has another hash.
    """
    source = WheelSource(settings)
    faults: list[str] = []
    for url in dict.fromkeys(source.wheel_urls(pin.version)):
        shown = urllib.parse.urlsplit(url)._replace(netloc="", scheme="").geturl().partition("#")[0].rpartition("/")[2]
        try:
            body = source.read(url)
        except (OSError, ValueError) as fault:
            faults.append(f"{shown}: {fault}")
            continue
        if hashlib.sha256(body).hexdigest() not in pin.hashes:
            faults.append(f"{shown}: not the file that locks/uv.txt pins")
            continue
        return _unpack(body, target)
    faults = faults or source.faults
    reason = "; ".join(faults) or f"no index offers uv {pin.version} for {sys.platform} on {platform.machine()}"
    raise BootstrapError(
        f"uv could not be fetched ({reason}): check the network and pip's index-url and cert settings, "
        "or put uv on PATH yourself."
    )


def _unpack(wheel: bytes, target: Path) -> Path:
    program = target / "bin" / "uv"
    program.parent.mkdir(parents=True, exist_ok=True)
    part = program.with_name(f"uv.{os.getpid()}.part")
    with zipfile.ZipFile(io.BytesIO(wheel)) as archive:
        member = next((name for name in archive.namelist() if name.endswith(".data/scripts/uv")), None)
        if member is None:
            raise BootstrapError("uv's wheel holds no uv program: put uv on PATH yourself.")
        with archive.open(member) as packed, part.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked)
    part.chmod(0o755)
    part.replace(program)
    return program
