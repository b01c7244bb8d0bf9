"""What risk says to an intent: yes, yes to less, or no with every reason, and the figures it was said on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from shared.domain.trading.states import IntentState


class Reason(StrEnum):
    """Why an intent is denied, or made smaller."""

    TRADING_STATE = "trading_state"
    BOOK_STATE = "book_state"
    MODE = "mode"
    VENUE = "venue"
    QUOTE = "quote"
    INSTRUMENT = "instrument"
    INTENT = "intent"
    EXPIRED = "expired"
    STOP_SIDE = "stop_side"
    SPOT_SHORT = "spot_short"
    MARKET_DATA = "market_data"
    EQUITY = "equity"
    DRAWDOWN = "drawdown"
    OPEN_POSITIONS = "open_positions"
    EDGE = "edge"
    DUPLICATE = "duplicate"
    COOLDOWN = "cooldown"
    NOT_HELD = "not_held"
    SIZING = "sizing"
    MINIMUM = "minimum"
    LEVERAGE = "leverage"
    CONCENTRATION = "concentration"
    TRADE_NOTIONAL = "trade_notional"
    BOOK_NOTIONAL = "book_notional"
    CORRELATED = "correlated"
    VALUE_AT_RISK = "value_at_risk"
    INSUFFICIENT_DATA = "insufficient_data"
    STRESS = "stress"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """One reason with a sentence that has its numbers; `value` and `limit` where it is one number against another."""

    reason: Reason
    sentence: str
    value: Decimal | None = None
    limit: Decimal | None = None


Figure: TypeAlias = Decimal | str | int | None
Figures: TypeAlias = Mapping[str, Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """Yes to all of it: `qty` base units, why so many, what was not checked and which limits are the desk's
    own (`notes`), and the figures."""

    qty: Decimal
    why: str
    notes: tuple[str, ...] = ()
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Modified:
    """Yes to `qty` of the `asked_qty` base units: `reasons` are the limits that all of it would break."""

    qty: Decimal
    asked_qty: Decimal
    why: str
    reasons: tuple[Objection, ...]
    notes: tuple[str, ...] = ()
    figures: Figures = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied:
    """No, for all of these reasons."""

    reasons: tuple[Objection, ...]
    why: str | None = None
    notes: tuple[str, ...] = ()
    figures: Figures = field(default_factory=dict)


Decision: TypeAlias = Approved | Modified | Denied


def state_of(decision: Decision) -> IntentState:
    """Return the state a decision leads to."""
    if isinstance(decision, Approved):
        return IntentState.APPROVED
    return IntentState.MODIFIED if isinstance(decision, Modified) else IntentState.DENIED


def summary(decision: Decision) -> str:
    """Return the decision in one line: the sentences of its reasons, or why so many."""
    if isinstance(decision, Approved):
        return decision.why
    said = "; ".join(objection.sentence for objection in decision.reasons)
    return f"{decision.why}; {said}" if isinstance(decision, Modified) else said


def to_json(decision: Decision) -> dict[str, object]:
    """Return a decision as it is stored and shown: every Decimal as the text of its digits."""
    return {
        "state": state_of(decision).value,
        "qty": None if isinstance(decision, Denied) else plain(decision.qty),
        "asked_qty": plain(decision.asked_qty) if isinstance(decision, Modified) else None,
        "why": decision.why,
        "reasons": [] if isinstance(decision, Approved) else [_objection(each) for each in decision.reasons],
        "notes": list(decision.notes),
        "figures": {name: _figure(value) for name, value in decision.figures.items()},
    }


def _objection(objection: Objection) -> dict[str, object]:
    return {
        "reason": objection.reason.value,
        "sentence": objection.sentence,
        "value": _figure(objection.value),
        "limit": _figure(objection.limit),
    }


def _figure(value: Figure) -> str | int | None:
    return plain(value) if isinstance(value, Decimal) else value


def plain(value: Decimal) -> str:
    """Return a number's digits without an exponent and without zeros at its end."""
    text = f"{value:f}"
    return (text.rstrip("0").rstrip(".") or "0") if "." in text else text


def short(value: Decimal) -> str:
    """Return a number for a sentence: four places, all of its digits before the point."""
    return plain(value.quantize(Decimal("0.0001"))) if abs(value) < Decimal("1e15") else f"{value:.4e}"
