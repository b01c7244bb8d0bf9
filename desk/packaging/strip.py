"""Take out of a folder of wheels what no function reads."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

SOURCES: Final = frozenset({".a", ".c", ".cpp", ".f90", ".h", ".hpp", ".pxd", ".pxi", ".pyi", ".pyx"})
"""What compilers and type checkers read."""
METADATA: Final = frozenset({"METADATA", "entry_points.txt", "top_level.txt"})
"""What `importlib.metadata` answers from: versions, plugins, owners of modules."""
SERVICES: Final = frozenset({"lambda", "sqs", "xray"})
"""What botocore speaks to, here and in the X-Ray SDK; it refuses by name what it has no description of."""
UNUSED: Final = ("bin", "ccxt/async_support", "ccxt/pro", "uvloop", "h2", "hpack", "hyperframe")
"""Scripts, the half of ccxt that waits for sockets (the desk asks venues over its synchronous half), and HTTP/2, which
httpx imports where it is and nobody speaks."""


def strip(folder: Path) -> None:
    """Remove tests, caches, sources of extensions, and descriptions of services the desk does not use."""
    for name in UNUSED:
        shutil.rmtree(folder / name, ignore_errors=True)
    for path in [*_unused_folders(folder)]:
        shutil.rmtree(path, ignore_errors=True)  # it may have been inside one removed before
    for path in [*folder.rglob("*")]:
        if path.is_file() and not _is_read(path.relative_to(folder)):
            path.unlink()
    for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()


def _unused_folders(folder: Path) -> Iterator[Path]:
    for name in ("__pycache__", "test", "tests"):
        yield from (path for path in folder.rglob(name) if path.is_dir())
    for path in (folder / "botocore" / "data").glob("*"):
        if path.is_dir() and path.name not in SERVICES:
            yield path


def _is_read(path: Path) -> bool:
    if path.parts[0].endswith(".dist-info"):
        return len(path.parts) == 2 and path.name in METADATA
    return path.suffix not in SOURCES and path.name not in {".lock", "py.typed"}
