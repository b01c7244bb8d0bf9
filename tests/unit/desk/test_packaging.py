"""What is left out of a package, how large it may be, and what `make package` says of it."""

import io
import sys
from pathlib import Path

import pytest
import typer
from rich.console import Console

from desk.packaging import __main__ as command
from desk.packaging.archive import Archive, write_archive
from desk.packaging.build import LARGEST, MIB, Package
from desk.packaging.cold import ColdImport, cold_import, missing_for, start
from desk.packaging.strip import strip
from desk.packaging.wheels import HERE, LAMBDA, Target, compile_all, compiler_of
from shared.domain.errors import FatalError

READ = {
    "numpy/__init__.py",
    "numpy/testing/__init__.py",
    "numpy.libs/libopenblas.so",
    "botocore/data/endpoints.json",
    "botocore/data/sqs/2012-11-05/service-2.json.gz",
    "certifi/cacert.pem",
    "stamina-26.1.0.dist-info/METADATA",
    "opentelemetry_api-1.45.dist-info/entry_points.txt",
    "ccxt/binance.py",
}
UNREAD = {
    "numpy/tests/test_a.py",
    "numpy/_core/tests/data/a.csv",
    "numpy/__init__.pyi",
    "numpy/__pycache__/a.pyc",
    "talib/_ta_lib.c",
    "botocore/data/ec2/2016-11-15/service-2.json.gz",
    "stamina-26.1.0.dist-info/RECORD",
    "stamina-26.1.0.dist-info/licenses/METADATA",
    "ccxt/pro/binance.py",
    "uvloop/loop.so",
    "h2/connection.py",
    "bin/f2py",
    ".lock",
}


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_what_no_function_reads_is_left_out(tmp_path: Path) -> None:
    for name in READ | UNREAD:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    strip(tmp_path)
    assert files(tmp_path) == READ
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_an_archive_forgets_when_and_by_whom_its_files_were_written(tmp_path: Path) -> None:
    for number, mode in ((1, 0o600), (2, 0o755)):
        file = tmp_path / str(number) / "shared" / "a.py"
        file.parent.mkdir(parents=True)
        file.write_text("a = 1\n")
        file.chmod(mode)
    first, second = (write_archive(tmp_path / str(number), tmp_path / f"{number}.zip") for number in (1, 2))
    assert first.sha256 == second.sha256
    assert (first.unzipped, first.files) == (6, 1)


def test_byte_code_is_made_by_the_same_version_or_not_at_all() -> None:
    assert compiler_of(HERE) is not None
    assert compiler_of(Target(platform=LAMBDA.platform, python_version="3.99")) is None


def test_byte_code_lies_beside_its_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where this environment keeps all of it elsewhere: a package would have none."""
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path / "elsewhere"))
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "a.py").write_text("a = 1\n")
    compile_all(tmp_path / "package", sys.executable)
    assert files(tmp_path / "package") == {"a.py", f"__pycache__/a.{sys.implementation.cache_tag}.pyc"}


def an_interpreter(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_named_python_of_another_version_is_refused() -> None:
    """Its byte code would lie in the package, and every cold start would compile beside it."""
    with pytest.raises(FatalError, match=rf"{sys.executable} is Python {HERE.python_version}, not 3\.99"):
        compiler_of(Target(platform=LAMBDA.platform, python_version="3.99"), sys.executable)


def test_a_named_python_that_does_not_run_is_refused_with_what_it_says(tmp_path: Path) -> None:
    broken = an_interpreter(tmp_path / "python3.99", "echo 'python3.99: command not found' >&2; exit 127")
    with pytest.raises(FatalError, match=r"python3\.99: command not found"):
        compiler_of(HERE, broken)
    with pytest.raises(FatalError, match=r"missing/python cannot be run: No such file"):
        compiler_of(HERE, str(tmp_path / "missing" / "python"))


def test_a_shim_of_pyenv_leads_to_the_version_it_is_asked_for(tmp_path: Path) -> None:
    """A shim refuses a version that is installed until somebody names it; what is returned needs no shim any more."""
    script = f'test "$PYENV_VERSION" = "{HERE.python_version}" || exit 127; exec {sys.executable} "$@"'
    assert compiler_of(HERE, an_interpreter(tmp_path / "python", script)) == sys.executable


def a_package(group: str, unzipped: int) -> Package:
    archive = Archive(path=Path(f"{group}.zip"), zipped=MIB, unzipped=unzipped, files=2, sha256="0123456789abcdef")
    return Package(group=group, functions=("execute-trader", "risk-agent"), archive=archive)


@pytest.mark.parametrize(
    ("group", "unzipped", "is_too_large"),
    [
        ("functions", 120 * MIB, False),
        ("functions", 120 * MIB + 1, True),
        ("trading", 121 * MIB, False),
        ("trading", LARGEST + 1, True),
    ],
)
def test_a_package_has_a_budget(group: str, unzipped: int, is_too_large: bool) -> None:
    assert a_package(group, unzipped).is_too_large is is_too_large


def test_the_table_has_a_row_for_each_function() -> None:
    screen = Console(file=io.StringIO(), width=160)
    imports = {
        "execute-trader": ColdImport(import_ms=431.6, cpu_ms=312.4),
        "risk-agent": ColdImport(import_ms=400, cpu_ms=300),
    }
    screen.print(command.table([a_package("functions", 2 * MIB)], imports))
    assert isinstance(screen.file, io.StringIO)
    said = screen.file.getvalue()
    assert said.count("functions.zip") == 2
    assert all(
        word in said for word in ("execute-trader", "risk-agent", "1.0", "2.0", "120", "432", "312", "0123456789ab")
    )


def test_a_function_is_loaded_with_the_libraries_of_its_package_alone() -> None:
    trader, api = set(missing_for("execute-trader")), set(missing_for("api"))
    assert {"rich", "fastapi", "h2"} <= trader
    assert trader.isdisjoint({"httpx", "numpy", "talib", "pydantic", "typing_extensions", "functions", "shared"})
    assert "h2" in api
    assert "fastapi" not in api
    found = cold_import("notify", starts=1)
    assert found.cpu_ms > 0
    assert found.import_ms > 0


def test_a_module_that_needs_more_than_its_package_has_is_an_error() -> None:
    with pytest.raises(FatalError, match=r"shared\.messages cannot be imported with what is in its package"):
        start("shared.messages", ["pydantic"])


def test_a_group_nobody_has_ends_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended:
        command.main(["peers"])
    assert ended.value.exit_code == 1
    assert "no function is packaged with peers" in capsys.readouterr().err
