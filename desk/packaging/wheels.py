"""Install a locked group of dependencies for a machine that is not this one: wheels only, by hash."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from desk.local.process import PROJECT
from shared.domain.errors import FatalError, TransientError

REQUIREMENTS: Final = PROJECT / "requirements"
_UNREACHABLE: Final = ("dns error", "Connection refused", "error sending request", "operation timed out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a package runs: a platform as uv names it (None is this machine's) and a Python version, e.g. `3.13`."""

    platform: str | None
    python_version: str


LAMBDA: Final = Target(platform="aarch64-manylinux_2_34", python_version="3.13")
"""Lambda on Graviton: the runtime python3.13 stands on Amazon Linux 2023, whose glibc is 2.34."""
HERE: Final = Target(platform=None, python_version=sysconfig.get_python_version())


def install(requirements: Path, folder: Path, target: Target) -> None:
    """Put the wheels of a hashed requirements file into a folder.

    Raises `TransientError` when the package index cannot be reached, `FatalError` when a wheel is not to be had.
    """
    platform = ("--python-platform", target.platform) if target.platform else ("--python", sys.executable)
    uv(
        *("pip", "install", "--quiet", "--target", str(folder)),
        *("--python-version", target.python_version, *platform),
        *("--only-binary", ":all:", "--no-deps", "--require-hashes", "--requirement", str(requirements)),
    )


def compiler_of(target: Target, python: str | None = None) -> str | None:
    """Return a Python whose byte code is the target's: the one that is named, or one of this machine; None for none.

    Raise `FatalError` when the one that is named does not run, or is of another version.
    """
    if python is not None:
        return _checked(python, target)
    if target.python_version == HERE.python_version:
        return sys.executable
    with suppress(FatalError):
        return uv("python", "find", "--no-project", target.python_version, env=_asked_of_pyenv(target)).strip()
    return None


def _checked(python: str, target: Target) -> str:
    tell = "import sys, sysconfig; print(sysconfig.get_python_version(), sys.executable)"
    version, _, executable = _run([python, "-c", tell], env=_asked_of_pyenv(target)).strip().partition(" ")
    if version != target.python_version:
        raise FatalError(f"{python} is Python {version}, not {target.python_version}, whose byte code is wanted")
    return executable


def _asked_of_pyenv(target: Target) -> Mapping[str, str]:
    """Return what makes pyenv's shims lead to a version that is installed, though not switched on."""
    return {"PYENV_VERSION": target.python_version}


def compile_all(folder: Path, python: str) -> None:
    """Leave the byte code of every module beside it, as a Python of the target's version makes it.

    Byte code that is never compared with its source (PEP 552) is the same whenever and wherever it is made.
    """
    beside = ("-X", "pycache_prefix=")  # whatever PYTHONPYCACHEPREFIX says
    never_compared = ("--invalidation-mode", "unchecked-hash")
    _run(
        [python, *beside, "-m", "compileall", "-q", *never_compared, "-s", str(folder), str(folder)],
        env={"PYTHONHASHSEED": "0"},
    )


def uv(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Run uv and return what it prints; raise as `install` does."""
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise FatalError("uv is missing: `make setup` installs it")
    return _run([program, *arguments], env)


def _run(argv: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    except OSError as error:
        raise FatalError(f"{argv[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        asked = " ".join(word for word in argv[1:3] if " " not in word)  # a command, and not a program of its own
        what = f"{argv[0]} {asked} failed: {said[-2000:]}"
        raise TransientError(what) if any(sign in said for sign in _UNREACHABLE) else FatalError(what)
    return done.stdout
