"""The committed lock files: how they are made from the workspace, and whether they still say what its members ask for.

`locks/*.txt` carry versions, markers and hashes, no index address and no path, so that a checkout installs the same
files from whichever index its machine uses. `uv.lock`, from which they are exported, names hosts and is not committed.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from kgents_cli.bootstrap.faults import BootstrapError
from kgents_cli.bootstrap.install import workspace_members
from kgents_cli.bootstrap.pip_settings import read_pip_settings, uv_environment
from kgents_cli.bootstrap.uv_program import find_uv, obtain_uv

_EXPORT = (
    "export", "--quiet", "--frozen", "--format", "requirements.txt", "--no-header", "--no-annotate",
    "--no-emit-workspace", "--no-emit-local",
)  # fmt: skip
_HEADER = "# Made by `./kgents locks`; do not edit. Install with --require-hashes.\n"
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?==(?P<version>[^\s;\\]+)(?P<marker>\s*;[^\\]*)?"
)
_WHOLE: Mapping[str, tuple[str, ...]] = {
    "kgents.txt": ("--all-packages", "--no-dev", "--group", "build"),
    "dev.txt": ("--all-packages", "--group", "dev"),
    "bench.txt": ("--all-packages", "--group", "bench"),
    "build.txt": ("--only-group", "build"),
}
# What fits no member's environment, with its requirements beside its lock: what flows run on; MCP servers of others,
# the Node.js for those of npm, and what compiles the samples of WASM tools, for the tests.
_APART = ("langflow-runtime", "mcp-servers", "nodejs", "wasm-samples")


@dataclass(slots=True)
class LockedPackage:
    """The pins of one package in one lock file: several where markers split them."""

    versions: list[Version] = field(default_factory=list[Version])
    hashes: int = 0


def lock_exports(root: Path) -> dict[str, tuple[str, ...]]:
    """File name in `locks/` → the arguments of `uv export` that make it. Each service and the worker have one."""
    exports = dict(_WHOLE)
    for member in workspace_members(root):
        project = _project(root / member)
        name = str(project["name"])
        if name.endswith("-service") or name == "agent-worker":
            exports[f"{name.replace('-', '_')}.txt"] = ("--package", name, "--no-dev")
    return exports


def _project(folder: Path) -> dict[str, Any]:
    with (folder / "pyproject.toml").open("rb") as file:
        project: dict[str, Any] = tomllib.load(file)["project"]
    return project


def parse_lock(text: str) -> dict[str, LockedPackage]:
    """Canonical name → what a lock file pins for it."""
    packages: dict[str, LockedPackage] = {}
    current: LockedPackage | None = None
    for line in text.splitlines():
        pin = _PIN.match(line)
        if pin is not None:
            current = packages.setdefault(canonicalize_name(pin["name"]), LockedPackage())
            current.versions.append(Version(pin["version"]))
        elif current is not None and "--hash=sha256:" in line:
            current.hashes += 1
    return packages


def find_faults(root: Path) -> list[str]:
    """What is wrong with the committed locks, judged without network or uv; empty if they are fit to install.

    Every requirement of every member must be met by the pins of each file that installs the member, everything must
    carry hashes, and no line may name an index or a path.
    """
    faults: list[str] = []
    own = {canonicalize_name(str(_project(root / member)["name"])) for member in workspace_members(root)}
    for name in [*lock_exports(root), *_compiled(root)]:
        file = root / "locks" / name
        if not file.is_file():
            faults.append(f"locks/{name} is missing")
            continue
        text = file.read_text(encoding="utf-8")
        packages = parse_lock(text)
        faults += [f"locks/{name}: {key} has no hash" for key, item in packages.items() if not item.hashes]
        faults += [
            f"locks/{name}:{number}: names an index or a path: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), 1)
            if (re.match(r"\s*(-|\.|/)", line) and "--hash=" not in line) or "://" in line
        ]
        for origin, requirement in _requirements_for(root, name):
            if canonicalize_name(requirement.name) not in own:
                faults += _unmet(name, origin, requirement, packages)
    return faults


def _compiled(root: Path) -> list[str]:
    """The locks that are no export of `uv.lock`."""
    return ["uv.txt", *(f"{name}.txt" for name in _apart(root))]


def _apart(root: Path) -> list[str]:
    return [name for name in _APART if (root / "locks" / f"{name}.in").is_file()]


def _requirements_for(root: Path, lock: str) -> Iterable[tuple[str, Requirement]]:
    members: dict[str, Path] = {str(_project(root / m)["name"]): root / m for m in workspace_members(root)}
    name = lock.removesuffix(".txt")
    if name in _APART:
        lines = (root / "locks" / f"{name}.in").read_text(encoding="utf-8").splitlines()
        yield from ((f"{name}.in", Requirement(line)) for line in lines if line and not line.startswith("#"))
        return
    if lock in ("uv.txt", "build.txt"):
        return
    if lock in _WHOLE:
        for name, folder in members.items():
            extras = _project(folder).get("optional-dependencies", {}) if lock != "kgents.txt" else {}
            yield from _declared(name, folder, extras)
        return
    pending: list[tuple[str, frozenset[str]]] = [(lock.removesuffix(".txt").replace("_", "-"), frozenset())]
    seen: set[tuple[str, frozenset[str]]] = set()
    while pending:
        name, extras = pending.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        for origin, requirement in _declared(name, members[name], extras):
            key = canonicalize_name(requirement.name)
            if key in members:
                pending.append((key, frozenset(requirement.extras)))
            yield origin, requirement


def _declared(name: str, folder: Path, extras: Iterable[str]) -> Iterable[tuple[str, Requirement]]:
    project = _project(folder)
    lines: list[str] = list(project.get("dependencies", []))
    for extra in extras:
        lines += project.get("optional-dependencies", {}).get(extra, [])
    for line in lines:
        try:
            yield name, Requirement(line)
        except InvalidRequirement as fault:
            raise BootstrapError(f"{folder / 'pyproject.toml'}: {line!r} is not a requirement: {fault}") from fault


def _unmet(lock: str, origin: str, wanted: Requirement, packages: Mapping[str, LockedPackage]) -> list[str]:
    marker = wanted.marker
    if marker is not None and not any(marker.evaluate({"sys_platform": name}) for name in ("linux", "darwin")):
        return []
    locked = packages.get(canonicalize_name(wanted.name))
    if locked is None:
        return [f"locks/{lock}: {origin} needs {wanted}, which is not locked"]
    if not any(wanted.specifier.contains(version, prereleases=True) for version in locked.versions):
        found = ", ".join(str(version) for version in locked.versions)
        return [f"locks/{lock}: {origin} needs {wanted}, but {found} is locked"]
    return []


class LockMaker:
    """Makes the lock files with uv.

    Raises:
        BootstrapError: from every method, when uv fails; the text holds its last words.
    """

    def __init__(self, root: Path, uv: Path) -> None:
        self._root = root
        self._uv = uv
        # Only the main index: what else this machine knows (a folder of wheels) must not shape the locks.
        self._env = uv_environment(replace(read_pip_settings(), extra_index_urls=(), find_links=()))

    def resolve(self, *, upgrade: bool) -> None:
        """Brings `uv.lock` up to date with the members. What is locked already keeps its version unless `upgrade`."""
        if not upgrade and not (self._root / "uv.lock").exists():
            self._seed()
        self._run(self._root, "lock", *(["--upgrade"] if upgrade else []))

    def is_resolved(self) -> bool:
        """Whether `uv.lock` is what the members' pyprojects ask for."""
        command = [str(self._uv), "lock", "--check", "--offline", "--quiet"]
        return subprocess.run(command, cwd=self._root, env=self._env, capture_output=True, check=False).returncode == 0

    def texts(self) -> dict[str, str]:
        """File name → content of every export of `uv.lock`."""
        return {
            name: _HEADER + self._run(self._root, *_EXPORT, *words) for name, words in lock_exports(self._root).items()
        }

    def uv_text(self, *, upgrade: bool) -> str:
        """The content of `uv.txt`: uv itself, pinned, with the hashes of its files for every platform."""
        file = self._root / "locks/uv.txt"
        pinned = parse_lock(file.read_text(encoding="utf-8")).get("uv") if file.exists() else None
        wanted = f"uv=={pinned.versions[0]}" if pinned and not upgrade else "uv"
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "uv.in").write_text(wanted + "\n", encoding="utf-8")
            words = ("pip", "compile", "uv.in", "--universal", "--generate-hashes", "--no-header", "--no-annotate")
            return _HEADER + self._run(Path(folder), *words, "--quiet", "--python-version", "3.11")

    def text_apart(self, name: str, *, upgrade: bool) -> str:
        """The content of the lock made of `locks/<name>.in`; what is pinned keeps its version unless `upgrade`."""
        locks = self._root / "locks"
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(locks / f"{name}.in", folder)
            made = Path(folder) / f"{name}.txt"
            if (locks / made.name).exists() and not upgrade:
                shutil.copy(locks / made.name, made)
            words = ("pip", "compile", f"{name}.in", "--universal", "--generate-hashes", "--no-header")
            self._run(Path(folder), *words, "--no-annotate", "--quiet", "--python-version", "3.11", "-o", made.name)
            return _HEADER + made.read_text(encoding="utf-8")

    def _seed(self) -> None:
        """Makes a first `uv.lock` from the committed pins, so that resolving again moves nothing without need."""
        pins: list[str] = []
        for line in (self._root / "locks/bench.txt").read_text(encoding="utf-8").splitlines():
            match = _PIN.match(line)
            if match is not None:
                pins.append(match.group(0).strip())
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for member in workspace_members(self._root):
                shutil.copytree(self._root / member, folder / member, ignore=_only_metadata, dirs_exist_ok=True)
            text = (self._root / "pyproject.toml").read_text(encoding="utf-8")
            listed = f"[tool.uv]\nconstraint-dependencies = {json.dumps(pins)}\n"
            (folder / "pyproject.toml").write_text(text.replace("[tool.uv]\n", listed, 1), encoding="utf-8")
            try:
                self._run(folder, "lock")
            except BootstrapError:
                # The members now ask for something that the old pins rule out: resolve without them.
                return
            shutil.copyfile(folder / "uv.lock", self._root / "uv.lock")

    def _run(self, folder: Path, *words: str) -> str:
        command = [str(self._uv), *words]
        answer = subprocess.run(command, cwd=folder, env=self._env, capture_output=True, text=True, check=False)
        if answer.returncode != 0:
            reason = "\n".join(answer.stderr.strip().splitlines()[-12:])
            raise BootstrapError(f"`uv {words[0]}` failed:\n{reason}")
        return answer.stdout


def _only_metadata(folder: str, names: list[str]) -> set[str]:
    keep = {"pyproject.toml", "README.md"}
    return {name for name in names if name not in keep and not (Path(folder) / name / "pyproject.toml").is_file()}


def write_locks(root: Path, *, upgrade: bool = False) -> list[str]:
    """Makes every lock file anew and returns the names of those that changed.

    Raises:
        BootstrapError: uv is not to be had, or could not resolve.
    """
    maker = LockMaker(root, obtain_uv(root, read_pip_settings(), lambda text: print(text, file=sys.stderr)))
    maker.resolve(upgrade=upgrade)
    changed: list[str] = []
    made = {**maker.texts(), "uv.txt": maker.uv_text(upgrade=upgrade)}
    made |= {f"{name}.txt": maker.text_apart(name, upgrade=upgrade) for name in _apart(root)}
    for name, text in made.items():
        file = root / "locks" / name
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.parent.mkdir(exist_ok=True)
            file.write_text(text, encoding="utf-8")
            changed.append(name)
    return changed


def check_locks(root: Path) -> list[str]:
    """Faults of the committed locks: what `find_faults` sees; with uv and `uv.lock` here, their exact text too."""
    faults = find_faults(root)
    uv = find_uv(root) if (root / "uv.lock").exists() else None
    if faults or uv is None:
        return faults
    maker = LockMaker(root, uv)
    if not maker.is_resolved():
        # uv.lock is this machine's own and may simply be older than the commit; the committed files were judged above.
        return []
    return [
        f"locks/{name} differs from what uv.lock exports"
        for name, text in maker.texts().items()
        if (root / "locks" / name).read_text(encoding="utf-8") != text
    ]


def run(root: Path, *, check: bool = False, upgrade: bool = False) -> int:
    """`kgents locks`: 0 current or written, 1 not current or not to be made."""
    try:
        if check:
            faults = check_locks(root)
            for fault in faults:
                print(fault, file=sys.stderr)
            if faults:
                print("The lock files are not current: run ./kgents locks and commit locks/.", file=sys.stderr)
            return 1 if faults else 0
        changed = write_locks(root, upgrade=upgrade)
    except BootstrapError as fault:
        print(f"kgents: {fault}", file=sys.stderr)
        return 1
    print("changed: " + (", ".join(changed) or "nothing"))
    return 0


if __name__ == "__main__":
    sys.exit(run(Path.cwd(), check="--check" in sys.argv[1:], upgrade="--upgrade" in sys.argv[1:]))
