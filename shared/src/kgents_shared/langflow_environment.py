"""Where what flows of Langflow run on is installed: an environment of its own, since its packages fit no other.

`<folder>/current` names the environment to use, a folder beside it; `kgents langflow install` writes it last.
"""

import importlib.util
from pathlib import Path
from typing import Final

INSTALL: Final = "run `kgents langflow install` where the platform's agents run"
FLOW_WORKER: Final = "lfx_worker.main"
FORK_SERVER: Final = "agent_deployment_service.launchers.process.forkserver"
_OURS: Final = ("agent_deployment_service", "lfx_worker", "kgents_shared")
_CURRENT: Final = "current"


def installed(folder: Path) -> str | None:
    """The name of the environment that is installed, whole; None where there is none."""
    try:
        name = (folder / _CURRENT).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return name if name and Path(name).name == name and python_in(folder / name).is_file() else None


def environment_python(folder: Path) -> Path | None:
    """The Python of the environment; None where there is none."""
    name = installed(folder)
    return None if name is None else python_in(folder / name)


def python_in(environment: Path) -> Path:
    """Where an environment's Python stands."""
    return environment / "bin" / "python"


def choose(folder: Path, name: str) -> None:
    """Have `name` used from now on."""
    part = folder / f"{_CURRENT}.part"
    part.write_text(f"{name}\n", encoding="ascii")
    part.replace(folder / _CURRENT)


def our_packages() -> tuple[Path, ...]:
    """The folders from which that environment's Python imports the platform's own code, after its own packages.

    `ModuleNotFoundError` where this is no whole platform.
    """
    found: dict[Path, None] = {}
    for name in _OURS:
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"the package {name} is not installed here", name=name)
        found[Path(spec.origin).parents[1]] = None
    return tuple(found)


def command(python: Path, statements: str, *arguments: str) -> list[str]:
    """A command line that runs `statements` on that Python, with our packages; `sys.argv[1:]` are `arguments`."""
    ours = our_packages()
    start = f"import sys; sys.path += sys.argv[-{len(ours)}:]; del sys.argv[-{len(ours)}:]; {statements}"
    return [str(python), "-I", "-c", start, *arguments, *map(str, ours)]
