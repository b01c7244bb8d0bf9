"""`desk agents`: how the desk's agents are; pause, resume and configure them; what they remember."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.markup import escape
from rich.table import Table

from desk.api import Address, connect_operator
from desk.book_cli import AsJson
from desk.switch_cli import Secret, Why
from desk.terminal import console, refusals
from desk.trading_text import styled, when
from shared.domain.agents import CONTEXT_CHARS, Memory, Remembered, context
from shared.domain.errors import InvalidMessageError

app = typer.Typer(name="agents", help="Agents: how they are, and what they may do.")

Agent = Annotated[str, typer.Argument(metavar="AGENT", help="Its name: `risk` and `risk-agent` are one.")]
_AGENTS: Final = "/api/v1/agents"
_COMMAND: Final = "/api/v1/engine/agent/command"
_WIDTH: Final = 80


@app.callback(invoke_without_command=True)
def default(context: typer.Context) -> None:
    """List agents when nothing else is asked for."""
    if context.invoked_subcommand is None:
        list_all()


@app.command("list")
def list_all(api: Address = None, token: Secret = None, as_json: AsJson = False) -> None:
    """List agents: how each is, since when, how far it goes by itself, and what is wrong."""
    with refusals():
        items = connect_operator(api, token).get(_AGENTS)["items"]
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("agent", "state", "last beat", "autonomy", "last run"):
        table.add_column(name, no_wrap=True)
    for item in items:
        autonomy = "" if item["settings"] is None else item["settings"]["autonomy"]
        beat = "never" if item["last_beat_ms"] is None else when(item["last_beat_ms"])
        table.add_row(item["agent"], styled(item["state"]), beat, autonomy, _ran(item["last_run"]))
    screen = console(highlight=False)
    screen.print(table)
    for item in items:
        for sentence in _wrong(item):
            screen.print(f"{item['agent']}: [dim]{escape(sentence)}[/]", soft_wrap=True)


@app.command()
def pause(agent: Agent, reason: Why = "", api: Address = None, token: Secret = None, as_json: AsJson = False) -> None:
    """Have an agent do nothing until it is resumed; to stop trading, `desk halt` is the way."""
    done = _command(agent, "pause", {"reason": reason}, api, token)
    if as_json:
        typer.echo(json.dumps(done, indent=2))
        return
    typer.echo(f"{done['agent']} is {done['state']} by {done['paused_by']}, everywhere within 5 s")
    typer.echo(f"  {done['paused_means']}")


@app.command()
def resume(agent: Agent, api: Address = None, token: Secret = None, as_json: AsJson = False) -> None:
    """Let an agent run again."""
    done = _command(agent, "resume", {}, api, token)
    typer.echo(json.dumps(done, indent=2) if as_json else f"{done['agent']} may run again, it is {done['state']}")


@app.command()
def run(
    agent: Agent,
    trader: Annotated[str | None, typer.Option("--trader", metavar="ID", help="Evaluate this trader.")] = None,
    task: Annotated[str | None, typer.Option("--task", metavar="NAME", help="Do this task.")] = None,
    *,
    instruments: Annotated[
        list[str] | None, typer.Option("--instrument", metavar="SYMBOL", help="Look at this one; repeat for more.")
    ] = None,
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Have an agent run now, without waiting for it."""
    asked = {
        name: value for name, value in (("trader_id", trader), ("task", task), ("instruments", instruments)) if value
    }
    done = _command(agent, "run_now", asked, api, token)
    said = f"{done['function']} was started with {json.dumps(done['message'])}"
    typer.echo(json.dumps(done, indent=2) if as_json else said)


@app.command()
def config(
    agent: Agent,
    settings: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME=VALUE]...", help="limits.max_leverage=2; `none` is the deployment's again."),
    ] = None,
    *,
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """Show what an agent goes by, or set some of it."""
    with refusals():
        given = _settings(settings or [])
    done = _command(agent, "set_config" if given else "status", given, api, token)
    if as_json:
        typer.echo(json.dumps(done, indent=2))
        return
    own = _flat(done["operators_settings"])
    told = _flat(done["settings"] or {})
    width = max(map(len, told), default=0)
    for name, value in told.items():
        typer.echo(f"{name:{width}}  {_worded(value):24} {'set by an operator' if name in own else ''}".rstrip())
    for sentence in _wrong(done):
        typer.echo(sentence, err=True)


@app.command()
def memory(
    agent: Agent,
    event_type: Annotated[str | None, typer.Option("--type", help="Only of this kind.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help="The newest so many.")] = 20,
    *,
    as_context: Annotated[
        bool, typer.Option("--context", help="As an agent is told it in a prompt: the oldest first, and bounded.")
    ] = False,
    api: Address = None,
    token: Secret = None,
    as_json: AsJson = False,
) -> None:
    """List what an agent did and saw, the newest first."""
    asked: dict[str, str | int] = {"limit": limit} | ({"event_type": event_type} if event_type else {})
    with refusals():
        items = connect_operator(api, token).get(f"{_AGENTS}/{agent}/memory", asked)["items"]
    if as_json:
        typer.echo(json.dumps(items, indent=2))
        return
    if as_context:
        typer.echo(context([_remembered(agent, item) for item in items], CONTEXT_CHARS))
        return
    table = Table(box=None, pad_edge=False)
    for name in ("at", "kind", "what"):
        table.add_column(name, no_wrap=True)
    if not items:
        typer.echo("nothing is remembered", err=True)
        return
    screen = console(highlight=False)
    before = len(when(0)) + max(len(item["event_type"]) for item in items) + 2 * 2
    room = (screen.width if screen.is_terminal else _WIDTH) - before
    for item in items:
        said = _worded(item["data"])
        said = said if len(said) <= room else f"{said[: room - 1]}…"
        table.add_row(when(item["at_ms"]), item["event_type"], escape(said))
    screen.print(table)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="config/agents.yaml if absent.")] = None,
) -> None:
    """Hold a file of settings to what agents know; exit code 1 with everything that is wrong."""
    from shared.runtime.agent_config import AGENTS_FILE, read_agents

    path = file or AGENTS_FILE
    try:
        found = read_agents(path)
    except InvalidMessageError as error:
        for field, problem in error.errors:
            typer.echo(f"{field}: {problem}", err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{path.name} sets {len(found)} agents: {', '.join(found)}")


def _command(agent: str, action: str, params: dict[str, Any], api: str | None, token: str | None) -> dict[str, Any]:
    with refusals():
        body = {"agent_type": agent, "action": action, "params": params}
        done: dict[str, Any] = connect_operator(api, token).send("POST", _COMMAND, body)["result"]
    return done


def _settings(given: list[str]) -> dict[str, Any]:
    """Return `limits.max_leverage=2` as settings; a value is JSON, or a text, or texts with commas between."""
    found: dict[str, Any] = {}
    for text in given:
        name, equals, value = text.partition("=")
        *places, last = name.split(".")
        if not equals or not last:
            raise InvalidMessageError(text, "expected NAME=VALUE")
        at = found
        for place in places:
            at = at.setdefault(place, {})
        at[last] = _value(value)
    return found


def _value(text: str) -> Any:
    if text == "none":
        return None
    try:
        return json.loads(text, parse_constant=str)
    except ValueError:
        return text.split(",") if "," in text else text


def _flat(settings: dict[str, Any], above: str = "") -> dict[str, Any]:
    """Return settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        found |= _flat(value, f"{above}{name}.") if isinstance(value, dict) else {f"{above}{name}": value}
    return found


def _worded(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _ran(run: dict[str, Any]) -> str:
    """Return the figures of a run that say the most in a few characters."""
    if not run:
        return ""
    failed = f", {run['failed']} failed" if run["failed"] else ""
    took_ms = run["duration_ms"]
    took = f"{took_ms:.0f} ms" if took_ms < 1_000 else f"{took_ms / 1_000:.1f} s"
    return f"{run['messages']} in {took}{failed}"


def _wrong(item: dict[str, Any]) -> list[str]:
    """Return why an agent does nothing, and what went wrong last."""
    found = []
    if item["paused_by"] is not None:
        why = f": {item['paused_reason']}" if item["paused_reason"] else ""
        found.append(f"paused by {item['paused_by']}{why}; {item['paused_means']}")
    if item["problem"] is not None:
        found.append(item["problem"])
    if item["state"] == "degraded":
        found.append(f"{when(item['last_error_at_ms'])} {item['last_error']}")
    return found


def _remembered(agent: str, item: dict[str, Any]) -> Remembered:
    memory = Memory(event_type=item["event_type"], data=item["data"])
    return Remembered(memory_id=item["memory_id"], agent=agent, memory=memory, at_ms=item["at_ms"])
