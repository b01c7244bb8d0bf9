"""Build what `serverless.yml` uploads: for each artifact it names, the code and the group of dependencies so called."""

import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from desk.local.process import PROJECT
from desk.packaging.archive import Archive, write_archive
from desk.packaging.strip import strip
from desk.packaging.wheels import REQUIREMENTS, Target, compile_all, install
from shared.domain.errors import FatalError

MIB: Final = 1024 * 1024
LARGEST: Final = 250 * MIB
"""What Lambda takes of code and layers, unzipped."""
BUDGETS: Final[Mapping[str, int]] = {"functions": 120 * MIB}
"""What the groups whose cold starts somebody waits for may take, unzipped; all others what Lambda takes."""
CODE: Final = ("functions", "shared")
FILES: Final = ("config/agents.yaml",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A group's archive and the functions that run from it."""

    group: str
    functions: tuple[str, ...]
    archive: Archive

    @property
    def budget(self) -> int:
        """Return how many bytes it may take, unzipped."""
        return BUDGETS.get(self.group, LARGEST)

    @property
    def is_too_large(self) -> bool:
        """Tell whether it takes more."""
        return self.archive.unzipped > self.budget


def artifacts(serverless: Path = PROJECT / "serverless.yml") -> dict[str, Path]:
    """Return each function's artifact, relative to the file; raise `FatalError` for a function that names none."""
    functions = yaml.safe_load(serverless.read_text())["functions"]
    named = {name: str((body.get("package") or {}).get("artifact", "")) for name, body in functions.items()}
    if missing := [name for name, path in named.items() if not path]:
        raise FatalError(f"{serverless.name}: no package.artifact of {', '.join(missing)}")
    return {name: Path(path) for name, path in named.items()}


def build(out: Path, target: Target, groups: Collection[str] = (), *, compiler: str | None) -> list[Package]:
    """Write the artifacts of the named groups, or of all, under a folder; raise as `install` does.

    Without a `compiler`, a Python of the target's version, they have no byte code: the code directory of Lambda cannot
    be written to, so that every cold start compiles what it imports.
    """
    paths = artifacts()
    known = {path.stem: path for path in paths.values()}
    if unknown := set(groups) - known.keys():
        raise FatalError(f"no function is packaged with {', '.join(sorted(unknown))}, only with {', '.join(known)}")
    made = []
    for group in groups or known:
        functions = tuple(name for name, path in paths.items() if path == known[group])
        archive = package(REQUIREMENTS / f"{group}.txt", out / known[group], target, compiler)
        made.append(Package(group=group, functions=functions, archive=archive))
    return made


def copy_code(folder: Path, project: Path = PROJECT) -> None:
    """Copy what the desk itself puts into every package."""
    for name in CODE:
        shutil.copytree(project / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in FILES:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(project / file, folder / file)


def package(requirements: Path, path: Path, target: Target, compiler: str | None) -> Archive:
    """Write one archive of the desk's code and what a hashed requirements file names; raise as `install` does."""
    with tempfile.TemporaryDirectory(prefix="package-") as scratch:
        folder = Path(scratch)
        install(requirements, folder, target)
        strip(folder)
        copy_code(folder)
        if compiler:
            compile_all(folder, compiler)
        return write_archive(folder, path)
