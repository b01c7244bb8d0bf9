"""`desk deploy-check`: whether a live desk works, seen from outside."""

import json
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from desk.doctor_cli import print_finding
from desk.terminal import refusals

Api = Annotated[
    str | None,
    typer.Option("--api", envvar="NIGHTDESK_API_URL", metavar="URL", help="Its address; the local desk's if absent."),
]
Venue = Annotated[str, typer.Option("--venue", help="The venue whose newest close is announced again.")]
WaitS = Annotated[float, typer.Option("--wait-s", min=0.0, max=3_600.0, help="Wait this long for a signal.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def deploy_check(*, api: Api = None, venue: Venue = "binance", wait_s: WaitS = 0.0, as_json: AsJson = False) -> None:
    """Try a live desk from outside: /health, the age of its data, one signed trigger, one signal seen.

    TRIGGER_SECRET signs, NIGHTDESK_TOKEN reads signals; both from the environment, or the local desk's own. Exit code 1
    when anything fails or no signal is there. Nothing secret is printed.
    """
    import httpx

    from desk.api import running
    from desk.deploy_check import LiveDesk, check

    with refusals():
        secret, token = os.environ.get("TRIGGER_SECRET"), os.environ.get("NIGHTDESK_TOKEN")
        if api is None:
            here: dict[str, Any] = running(instead="--api")
            api, secret, token = here["api_url"], here["variables"].get("TRIGGER_SECRET"), here["token"]
        findings = []
        with httpx.Client(base_url=api, timeout=30.0) as client:
            desk = LiveDesk(client=client, venue=venue, trigger_secret=secret or None, token=token or None)
            for finding in check(desk, wait_s=wait_s):
                findings.append(finding)
                if not as_json:
                    print_finding(finding)
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    missing = any(
        finding.state == "fail" or (finding.name, finding.state) == ("signal", "warn") for finding in findings
    )
    raise typer.Exit(int(missing))
