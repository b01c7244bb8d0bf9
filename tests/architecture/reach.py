"""Which settings the parts a function is wired with ask for, read from the code of `shared/runtime`."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from desk.local.process import PROJECT

RUNTIME = PROJECT / "shared" / "runtime"
EVERY_CALL = (RUNTIME / "entrypoint.py", RUNTIME / "agent_run.py")
"""What surrounds every call of a function."""
OF_THE_API = (RUNTIME / "door.py", *(PROJECT / "functions" / "routes").glob("*.py"))


class Part(NamedTuple):
    """A property of `Deps`: the others it is made of, and the settings it asks for."""

    parts: set[str]
    settings: set[str]


def settings_of(handler: str) -> set[str]:
    """Return the settings that a handler of `functions/`, and what surrounds its calls, may ask for."""
    module = PROJECT / f"{handler.rpartition('.')[0].replace('.', '/')}.py"
    around = OF_THE_API if module.stem == "api" else ()
    known, waiting = _parts(), [*_used([module, *around, *EVERY_CALL])]
    found, seen = set[str](), set[str]()
    while waiting:
        if (name := waiting.pop()) in known and name not in seen:
            seen.add(name)
            waiting += known[name].parts
            found |= known[name].settings
    return found


def _parts() -> dict[str, Part]:
    parts: dict[str, Part] = {}
    for path in RUNTIME.glob("*.py"):
        for body in (node.body for node in ast.parse(path.read_text()).body if isinstance(node, ast.ClassDef)):
            for method in (node for node in body if isinstance(node, ast.FunctionDef)):
                part = parts.setdefault(method.name, Part(set(), set()))
                part.parts.update(_attributes_of("self", method))
                part.settings.update(_needed(method))
    return parts


def _used(paths: Iterable[Path]) -> set[str]:
    """Return what modules take from `deps`."""
    return {name for path in paths for name in _attributes_of("deps", ast.parse(path.read_text()))}


def _attributes_of(owner: str, tree: ast.AST) -> Iterator[str]:
    """Yield x of `owner.x` and of `self.owner.x`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and getattr(node.value, "id", getattr(node.value, "attr", None)) == owner:
            yield node.attr


def _needed(tree: ast.AST) -> Iterator[str]:
    """Yield x of `settings.need("x")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "attr", None) == "need":
            yield from (
                each.value for each in node.args if isinstance(each, ast.Constant) and isinstance(each.value, str)
            )
