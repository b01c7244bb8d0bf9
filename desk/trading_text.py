"""How rows of trading read in a terminal: numbers, times, and the story of an intent as lines."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal
from typing import Any, Final

from desk.units import wait
from shared.domain.trading.decisions import plain

UNKNOWN: Final = "?"
SHORT_ID: Final = 8
_UUID_LENGTH: Final = 36
_PLACES: Final = Decimal("0.01")
_DIGITS: Final = Context(prec=12)
_STATE_STYLES: Final = {
    "active": "green", "executed": "green", "filled": "green", "reducing": "yellow", "modified": "yellow",
    "halted": "red", "denied": "red", "failed": "red", "rejected": "red", "unknown": "red",
}  # fmt: skip


def when(time_ms: int | None) -> str:
    """Write epoch milliseconds as a UTC time of the day with its date."""
    return UNKNOWN if time_ms is None else f"{datetime.fromtimestamp(time_ms / 1_000, UTC):%m-%d %H:%M:%S}"


def money(text: str | None) -> str:
    """Write quote units to two places, with thousands apart."""
    return UNKNOWN if text is None else f"{Decimal(text).quantize(_PLACES) or 0:,.2f}"


def exact(text: str | None) -> str:
    """Write a quantity or a price with the digits it has, at most twelve that count."""
    return UNKNOWN if text is None else plain(_DIGITS.plus(Decimal(text)))


def percent(text: str | None) -> str:
    """Write a fraction in percent."""
    return UNKNOWN if text is None else f"{100 * Decimal(text):.2f} %"


def styled(state: str) -> str:
    """Mark a state with its colour."""
    style = _STATE_STYLES.get(state)
    return f"[{style}]{state}[/]" if style else state


def wish(intent: dict[str, Any]) -> str:
    """Say what an intent asks for."""
    verb = "leave" if intent["purpose"] == "exit" else "be"
    sizing = intent["sizing"]
    return f"{verb} {intent['direction']} {intent['symbol']}, {sizing['method']} {exact(sizing['value'])}"


def story(trace: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (time, subject, sentence) of every step of a trace; times are how long after the first."""
    steps = trace["steps"]
    began = _instant(steps[0]["at"]) if steps else None
    for step in steps:
        at = _instant(step["at"])
        gone = "" if began is None or at is None else f"+{wait(round((at - began).total_seconds() * 1_000))}"
        yield gone, step["subject"], _sentence(step)
        for line in _more(step):
            yield "", "", line


def first_instant(trace: dict[str, Any]) -> str:
    """Return when a trace begins, in words."""
    at = _instant(trace["steps"][0]["at"]) if trace["steps"] else None
    return UNKNOWN if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1_000:03} UTC"


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _sentence(step: dict[str, Any]) -> str:
    details = step["details"] or {}
    subject, after = step["subject"], step["after"]
    if subject == "signal":
        price = details.get("price")
        return f"{details.get('symbol', '')} {details.get('side', '')} at {exact(price)}, trader {step['actor']}"
    if subject == "fill":
        fee = f"fee {exact(details.get('fee_qty'))} {details.get('fee_asset', '')}"
        return f"{details.get('side')} {exact(details.get('qty'))} at {exact(details.get('price'))}, {fee}"
    what = _subject(step) if step["before"] is None and details else step["reason"]
    by = f" by {_actor(step['actor'])}" if step["actor"] else ""
    return f"{after}{by}: {what}" if what else f"{after}{by}"


def _actor(actor: str) -> str:
    """Return who did something; a person by the beginning of their id."""
    return f"person {actor[:SHORT_ID]}" if len(actor) == _UUID_LENGTH else actor


def _subject(step: dict[str, Any]) -> str:
    details = step["details"]
    if step["subject"] == "intent":
        return wish(details)
    if step["subject"] == "proposal":
        return f"be {details['direction']} {details['instrument']}, {step['reason']}"
    price = details.get("limit_price") or details.get("trigger_price")
    at = f" at {exact(price)}" if price else ""
    return f"{details['side']} {exact(details['qty'])} {details['symbol']} {details['kind']}{at} on {details['venue']}"


def _more(step: dict[str, Any]) -> Iterator[str]:
    """Yield what a decision or a plan has beside its line."""
    details = step["details"] or {}
    if step["subject"] != "intent":
        return
    for reason in details.get("reasons", []) if step["after"] in ("modified", "denied") else []:
        yield f"- {reason['reason']}: {reason['sentence']}"
    for note in details.get("notes", []) if step["after"] in ("approved", "modified") else []:
        yield f"- {note}"
    if step["after"] == "executing":
        slices: Sequence[dict[str, Any]] = details.get("slices") or []
        for each in slices if isinstance(slices, list) else []:
            yield f"- slice {each.get('slice_no')}: {exact(each.get('qty'))} on {each.get('venue')}"
