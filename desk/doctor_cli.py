"""`desk doctor`: what is wrong with a desk's settings and surroundings, and what to do about it."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from desk.terminal import console, refusals
from shared.domain.errors import FatalError, NotFoundError

if TYPE_CHECKING:
    from desk.doctor import Finding
    from shared.status_ports import QueueDepths

_STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red", "skip": "dim"}

Deployed = Annotated[
    bool,
    typer.Option(
        "--deployed", help="Look at a deployment by this environment's variables, not at the desk running here."
    ),
]
Stage = Annotated[
    str | None, typer.Option("--stage", help="Of this stage: its queues are found by name with AWS's credentials.")
]
Api = Annotated[str | None, typer.Option("--api", envvar="NIGHTDESK_API_URL", metavar="URL", help="Its API's address.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def doctor(*, deployed: Deployed = False, stage: Stage = None, api: Api = None, as_json: AsJson = False) -> None:
    """Check variables, keys, database and migrations, Redis, queues, tokens, clocks, schedules and channels.

    Of the desk running here, or of a deployment whose variables this environment has. Exit code 1 when anything fails.
    Nothing secret is printed.
    """
    with refusals():
        findings = []
        for finding in _findings(deployed=deployed or stage is not None, stage=stage, api=api):
            findings.append(finding)
            if not as_json:
                print_finding(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    raise typer.Exit(int(any(finding.state == "fail" for finding in findings)))


def _findings(*, deployed: bool, stage: str | None, api: str | None) -> "Iterator[Finding]":
    from desk.doctor import examine
    from desk.doctor_settings import check_settings, secret_values
    from desk.surroundings import look_at_api, surroundings
    from shared.runtime.config import Settings

    env, queue_urls, address = _environment(deployed=deployed, api=api)
    hidden = secret_values(env)
    found = [*check_settings(env)]
    yield from (_masked(each, hidden) for each in found)
    try:
        settings = Settings.from_env(env)
    except FatalError:
        return  # said above; nothing can be reached by settings that cannot be read
    os.environ.update({name: value for name, value in env.items() if name.startswith("AWS_")})  # boto3's own settings
    queues = _queues(stage, queue_urls)
    urgent = len([url for url in env.get("ALERT_URLS", "").split(",") if url.strip()])
    around = surroundings(settings, queues=queues, urgent_urls=urgent)
    yield from (_masked(each, hidden) for each in examine(around))
    if address is not None:
        yield _masked(look_at_api(address), hidden)


def _environment(*, deployed: bool, api: str | None) -> tuple[Mapping[str, str], Mapping[str, str], str | None]:
    """Return variables, queue URLs by queue, and the API's address: of the desk running here, or of a deployment."""
    from desk.api import running

    if not deployed:
        try:
            here: dict[str, Any] = running(instead="--deployed")
        except NotFoundError:
            if not any(name in os.environ for name in ("SUPABASE_URL", "UPSTASH_REDIS_REST_URL")):
                raise
        else:
            named = {name.rpartition("-")[2]: url for name, url in here["queues"].items() if not name.endswith("-dead")}
            return here["variables"], named, api or here["api_url"]
    suffix = "_QUEUE_URL"
    urls = {name.removesuffix(suffix).lower(): url for name, url in os.environ.items() if name.endswith(suffix)}
    urls.pop("dead_letter", None)
    return os.environ, urls, api


def _queues(stage: str | None, urls: Mapping[str, str]) -> "QueueDepths | None":
    from shared.adapters.sqs_depths import SqsDepths

    if stage is not None:
        urls = dict(urls) | _queues_of(stage)
    return SqsDepths(urls) if urls else None


def _queues_of(stage: str) -> dict[str, str]:
    """Return the URLs of a stage's queues, found by the names serverless.yml gives them."""
    import boto3
    import yaml
    from botocore.exceptions import BotoCoreError, ClientError

    from desk.doctor_settings import SERVERLESS

    raw = yaml.safe_load(SERVERLESS.read_text())
    resources = raw["resources"]["Resources"].values()
    names = [each["Properties"]["QueueName"] for each in resources if each["Type"] == "AWS::SQS::Queue"]
    ends = [name.rpartition("}-")[2] for name in names if not name.endswith("-dead")]
    try:
        client = boto3.client("sqs")
        return {end: client.get_queue_url(QueueName=f"{raw['service']}-{stage}-{end}")["QueueUrl"] for end in ends}
    except (BotoCoreError, ClientError) as error:
        raise FatalError(f"the queues of stage {stage} cannot be found: {error}") from error


def _masked(finding: "Finding", hidden: frozenset[str]) -> "Finding":
    """Return a finding with every secret in it covered, whoever put it there."""
    from desk.doctor import Finding

    found = finding.found
    for value in sorted(hidden, key=len, reverse=True):
        found = found.replace(value, "***")
    return Finding(finding.name, finding.state, found, finding.advice)


def print_finding(finding: "Finding") -> None:
    """Print a finding, and below it what to do about it."""
    from rich.markup import escape

    screen = console(highlight=False)
    state = f"[{_STYLES[finding.state]}]{finding.state:4}[/]"
    screen.print(f"{state}  {finding.name:11}  {escape(finding.found)}", soft_wrap=True)
    if finding.advice and finding.state != "ok":
        screen.print(f"{'':19}[dim]→ {escape(finding.advice)}[/]", soft_wrap=True)
