"""`desk secrets`: what functions read from the Parameter Store, and writing it there."""

import os
from typing import Annotated

import typer

from desk.terminal import refusals

app = typer.Typer(name="secrets", help="Secrets of a deployment, in AWS' Parameter Store.", no_args_is_help=True)

Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="These alone.")]
Stage = Annotated[str, typer.Option(help="Whose secrets: dev, prod, …")]


@app.command("list")
def list_secrets() -> None:
    """List the names of the secrets functions read, and whether this environment has them; no value is shown."""
    from desk.deployed_secrets import secrets_of_deployment

    for secret in secrets_of_deployment():
        state = "here" if os.environ.get(secret.name) else "-" if secret.is_optional else "missing"
        typer.echo(f"{secret.name:32} {'optional' if secret.is_optional else 'required':10} {state}")


@app.command()
def put(names: Names = None, *, stage: Stage) -> None:
    """Write secrets of this environment to a stage's parameters; functions read them from the next deployment on."""
    from desk.deployed_secrets import chosen, parameter
    from desk.deployed_secrets import put as write

    with refusals():
        values = chosen(os.environ, names or ())
        write(values, stage=stage)
        for name in values:
            typer.echo(f"wrote {parameter(name, stage)}")


@app.command()
def remove(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="At most ten.")], *, stage: Stage
) -> None:
    """Remove secrets from a stage's parameters, after a rotation for example; exit code 1 if one is not there."""
    from desk.deployed_secrets import remove as take_away

    with refusals():
        gone = take_away(names, stage=stage)
    typer.echo(f"removed {', '.join(gone) or 'nothing'}")
    raise typer.Exit(int(set(gone) != set(names)))
