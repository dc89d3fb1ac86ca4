"""Which machine-readable codes the sources answer with, found by reading them."""

import ast
from collections.abc import Iterator
from pathlib import Path

# Where a call has the code that it is told under: by position, where that isn't `code=`.
_PLACE_OF_CODE = {"FaultItem": 2, "PydanticCustomError": 0, "RunFailed": 0}
_NO_ANSWERS = frozenset({"testing", "kgents_cli"})


def sources(root: Path) -> list[Path]:
    """Every module of the services and of what they share; nothing of tests and of the command line."""
    found = [*root.glob("*/src/*/**/*.py"), *root.glob("*/*/src/*/**/*.py")]
    return sorted(file for file in found if not _NO_ANSWERS & set(file.relative_to(root).parts))


def codes_in(file: Path) -> set[str]:
    """The codes that one module names where errors and faults are made."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    constants, places = _constants(tree), {**_PLACE_OF_CODE, **dict(_own_places(tree))}
    return {code for node in ast.walk(tree) for code in _codes_of(node, constants, places)}


def texts_in(file: Path) -> set[str]:
    """Every text constant of one module."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def _constants(tree: ast.Module) -> dict[str, str]:
    """The module's own names of texts."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _own_places(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """The module's own functions that take a `code`, and where."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args]
            if "code" in names:
                yield node.name, names.index("code")


def _codes_of(node: ast.AST, constants: dict[str, str], places: dict[str, int]) -> Iterator[str]:
    if isinstance(node, ast.Assign) and any(
        isinstance(name, ast.Name) and name.id == "default_code" for name in node.targets
    ):
        yield from _texts(node.value, constants)
    if isinstance(node, ast.FunctionDef):
        for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
            if argument.arg == "code" and default is not None:
                yield from _texts(default, constants)
    if isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg == "code":
                yield from _texts(keyword.value, constants)
        place = places.get(_name(node.func))
        if place is not None and len(node.args) > place:
            yield from _texts(node.args[place], constants)


def _texts(node: ast.expr, constants: dict[str, str]) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Name) and node.id in constants:
        yield constants[node.id]
    elif isinstance(node, ast.IfExp):
        yield from _texts(node.body, constants)
        yield from _texts(node.orelse, constants)


def _name(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
