"""Build the packages of `serverless.yml`, say how large they are and how quickly functions load, and fail when one is
over its budget of bytes."""

from collections.abc import Mapping
from typing import Annotated

import typer
from rich.table import Table

from desk.local.process import PROJECT
from desk.packaging.build import MIB, Package, build
from desk.packaging.cold import STARTS, ColdImport, cold_import
from desk.packaging.wheels import HERE, LAMBDA, compiler_of
from desk.terminal import console, refusals

_CAPTION = (
    "import: from the start of a process to the function's module; cpu: its time on a processor. "
    f"Medians of {STARTS} on this machine, Python {HERE.python_version}, with the libraries of the package alone: "
    "the same source, other wheels."
)


def main(
    groups: Annotated[list[str] | None, typer.Argument(help="Groups of dependencies; all without.")] = None,
    python: Annotated[
        str | None, typer.Option(help="A Python of Lambda's version, which compiles; without, uv looks for one.")
    ] = None,
) -> None:
    """Build the packages, say how large they are and how quickly functions load, and fail when one is too large."""
    screen = console()
    with refusals():
        compiler = compiler_of(LAMBDA, python)
        packages = build(PROJECT, LAMBDA, groups or (), compiler=compiler)
        imports = {name: cold_import(name) for package in packages for name in package.functions}
    screen.print(table(packages, imports))
    if compiler is None:
        screen.print(
            f"[yellow]without byte code, which makes cold starts slow: there is no Python {LAMBDA.python_version} "
            f"here; say which with LAMBDA_PYTHON, or get one with `uv python install {LAMBDA.python_version}`[/]"
        )
    too_large = [package for package in packages if package.is_too_large]
    for package in too_large:
        screen.print(f"[red]{package.group} is larger than {package.budget / MIB:.0f} MiB[/]")
    if too_large:
        raise typer.Exit(1)


def table(packages: list[Package], imports: Mapping[str, ColdImport]) -> Table:
    """Return a row per function: sizes in MiB, its cold import in ms, and the beginning of its package's SHA-256."""
    made = Table(
        title=f"Packages for {LAMBDA.platform}, Python {LAMBDA.python_version} (MiB), and cold imports (ms)",
        title_justify="left",
        caption=_CAPTION,
        caption_justify="left",
    )
    for column in ("function", "package"):
        made.add_column(column)
    for column in ("zipped", "unzipped", "budget", "files", "import", "cpu"):
        made.add_column(column, justify="right")
    made.add_column("sha256")
    for package in packages:
        archive = package.archive
        sizes = [f"{size / MIB:.1f}" for size in (archive.zipped, archive.unzipped)]
        for function in package.functions:
            row = (function, archive.path.name, *sizes, f"{package.budget / MIB:.0f}", f"{archive.files:,}")
            cold = imports[function]
            made.add_row(*row, f"{cold.import_ms:.0f}", f"{cold.cpu_ms:.0f}", archive.sha256[:12])
    return made


if __name__ == "__main__":
    typer.run(main)
