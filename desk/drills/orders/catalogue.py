"""The drills of trading, as data: what each breaks, and what must exist at the venue in the end.

The market's clock stands still but for `Pass`, which lets a minute go by and both agents sweep, as their schedules
would have them.
"""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from desk.drills.catalogue import choose
from desk.simulator.faults import Fault, FaultKind
from shared.domain.trading.intents import Algorithm, AlgorithmName, Completion, Purpose

SYMBOL = "BTC/USDT"


class Do(StrEnum):
    """What is done to the desk and the venue."""

    WORK = "deliver every message that is due"
    WORK_TWICE = "deliver every message that is due, and again"
    KILL_BEFORE_CALL = "work in a process that is killed between the row and the call"
    KILL_AFTER_CALL = "work in a process that is killed between the call and the row"
    WORK_AT_ONCE = "work the same intents in two processes at once"
    HALT = "halt the desk"
    REPAIR = "end every fault"


class Exist(StrEnum):
    """What of the approved quantity must exist at the venue in the end."""

    ALL = "all"
    NONE = "none"
    AS_HALTED = "as_halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """Raise and decide intents, each of a notional in quote units (an exit leaves all that is held).

    `away_rate` sets a limit price so far on the side where it rests; `guard_rate` a stop and a target so far away.
    `exists` is what of each must exist in the end, `says` is in the reason it ended with.
    """

    count: int = 1
    notional: Decimal = Decimal(1_000)
    purpose: Purpose = Purpose.ENTER
    algorithm: Algorithm = field(default_factory=Algorithm)
    away_rate: Decimal | None = None
    guard_rate: Decimal | None = None
    exists: Exist = Exist.ALL
    says: str = ""


@dataclass(frozen=True, slots=True)
class Pass:
    """Let minutes of the market pass."""

    minutes: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """Somebody else with the same key places an order; `away_rate` lets it rest."""

    side: str
    notional: Decimal
    away_rate: Decimal | None = None


Step = Do | Raise | Pass | Foreign | Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill of trading; every fault of it must strike. `foreign` counts the differences that are to be reported.

    `balances` is what the account holds; `min_notional` what the desk believes the venue's least order to be.
    """

    name: str
    breaks: str
    steps: tuple[Step, ...]
    foreign: int = 0
    balances: tuple[tuple[str, str], ...] = (("USDT", "1000000"), ("BTC", "2"))
    min_notional: Decimal | None = None


_TWAP = Algorithm(name=AlgorithmName.TWAP, duration_ms=600_000, slices=5, completion=Completion.TAKE)
_RESTS = Algorithm(name=AlgorithmName.LIMIT, duration_ms=120_000)
_WAITS = Algorithm(name=AlgorithmName.LIMIT)
_LARGE = Decimal(40_000)  # several levels of the venue's book, and so several fills
_FAR = Decimal("0.05")


def _on(kind: FaultKind, **parameters: float) -> Fault:
    return Fault.model_validate({"kind": kind, **parameters})


def order_drills() -> dict[str, Drill]:
    """Return every drill by name."""
    return {drill.name: drill for drill in (*_answers(), *_fills(), *_refusals(), *_processes(), *_others())}


def choose_order_drills(names: list[str]) -> list[Drill]:
    """Return the drills of these names, all for none; raise `InvalidMessageError` that lists what there is."""
    return choose(order_drills(), names)


def _answers() -> tuple[Drill, ...]:
    lost = _on(FaultKind.ANSWER_LOST, delay_s=0.05)
    return (
        Drill(
            name="accept_then_timeout",
            breaks="orders are placed and their answers never come",
            steps=(lost, Raise(count=3), Do.WORK, Do.REPAIR, Pass()),
        ),
        Drill(
            name="accept_then_5xx",
            breaks="orders are placed, cancelled, and nobody knows",
            steps=(
                _on(FaultKind.ANSWER_5XX),
                Raise(guard_rate=_FAR),
                Raise(algorithm=_RESTS, away_rate=_FAR, exists=Exist.NONE),
                Do.WORK,
                Pass(3),
                Do.REPAIR,
                Raise(purpose=Purpose.EXIT),
                Do.WORK,
                Pass(2),
            ),
        ),
        Drill(
            name="cancel_race",
            breaks="an order that is to be cancelled fills just before",
            steps=(
                Raise(algorithm=_RESTS, away_rate=_FAR),
                Do.WORK,
                _on(FaultKind.CANCEL_RACE),
                Pass(3),
            ),
        ),
    )


def _fills() -> tuple[Drill, ...]:
    return (
        Drill(
            name="partial_then_silence",
            breaks="orders fill in part, and then never again",
            steps=(
                _on(FaultKind.PARTIAL, filled_rate=0.4),
                Raise(count=2),
                Do.WORK,
                Do.REPAIR,
                Pass(2),
            ),
        ),
        Drill(
            name="fill_twice",
            breaks="every fill is listed twice",
            steps=(_on(FaultKind.TRADES_TWICE), Raise(count=2, notional=_LARGE), Do.WORK, Pass(2)),
        ),
        Drill(
            name="fills_out_of_order",
            breaks="fills are listed in no order",
            steps=(
                _on(FaultKind.TRADES_SHUFFLED),
                _on(FaultKind.TRADES_TWICE, share=0.5),
                Raise(count=3, notional=_LARGE),
                Do.WORK,
                Pass(),
                Raise(purpose=Purpose.EXIT),
                Do.WORK,
                Pass(),
            ),
        ),
    )


def _refusals() -> tuple[Drill, ...]:
    return (
        Drill(
            name="reject",
            breaks="the venue refuses every order",
            steps=(
                _on(FaultKind.REJECT),
                Raise(count=2, exists=Exist.NONE, says="rejected by the venue"),
                Do.WORK,
                Pass(3),
            ),
        ),
        Drill(
            name="rate_limited",
            breaks="the venue answers 429",
            steps=(_on(FaultKind.PRIVATE_429, retry_after_s=1), Raise(count=2), Do.WORK, Do.REPAIR, Pass(2)),
        ),
        Drill(
            name="banned",
            breaks="the venue answers 418, and so for a minute of sweeps",
            steps=(_on(FaultKind.PRIVATE_418, retry_after_s=60), Raise(count=2), Do.WORK, Pass(), Do.REPAIR, Pass(2)),
        ),
        Drill(
            name="venue_failing",
            breaks="the venue's machines answer 503 to whatever is signed",
            steps=(_on(FaultKind.PRIVATE_5XX), Raise(count=2), Do.WORK, Do.REPAIR, Pass(2)),
        ),
        Drill(
            name="clock_skew",
            breaks="the venue's clock steps 90 s ahead, and back",
            steps=(
                Raise(),
                Do.WORK,
                _on(FaultKind.CLOCK, offset_ms=90_000),
                Raise(),
                Do.WORK,
                Do.REPAIR,
                Raise(),
                Do.WORK,
                Pass(),
            ),
        ),
        Drill(
            name="insufficient_balance",
            breaks="the account holds less than the book believes",
            steps=(Raise(exists=Exist.NONE, says="insufficient balance"), Do.WORK, Pass(3)),
            balances=(("USDT", "100"),),
        ),
        Drill(
            name="filter_failure",
            breaks="the venue has raised its least notional, and the desk does not know",
            steps=(Raise(notional=Decimal(3), exists=Exist.NONE, says="NOTIONAL"), Do.WORK, Pass(3)),
            min_notional=Decimal("0.1"),
        ),
    )


def _processes() -> tuple[Drill, ...]:
    return (
        Drill(
            name="killed_before_call",
            breaks="the function is killed between the row and the call",
            steps=(Raise(), Do.KILL_BEFORE_CALL, Pass(3)),
        ),
        Drill(
            name="killed_after_call",
            breaks="the function is killed between the call and the row",
            steps=(Raise(), Do.KILL_AFTER_CALL, Pass(3)),
        ),
        Drill(
            name="redelivered",
            breaks="every message arrives twice",
            steps=(
                Raise(count=2, guard_rate=_FAR),
                Raise(algorithm=_TWAP),
                Do.WORK_TWICE,
                *(step for _ in range(12) for step in (Pass(), Do.WORK_TWICE)),
            ),
        ),
        Drill(
            name="two_executors",
            breaks="two processes work the same intents at once",
            steps=(Raise(count=4), Raise(count=2, guard_rate=_FAR), Do.WORK_AT_ONCE, Pass(2)),
        ),
    )


def _others() -> tuple[Drill, ...]:
    return (
        Drill(
            name="venue_down",
            breaks="the venue is away while intents are planned and worked",
            steps=(
                Raise(algorithm=_TWAP),
                Do.WORK,
                _on(FaultKind.DOWN),
                Raise(count=2),
                Do.WORK,
                Pass(4),
                Do.REPAIR,
                Pass(12),
            ),
        ),
        Drill(
            name="foreign_order",
            breaks="somebody else rests an order with the same key",
            steps=(
                Raise(),
                Do.WORK,
                Foreign(side="BUY", notional=Decimal(500), away_rate=Decimal("0.1")),
                Pass(),
            ),
            foreign=1,
        ),
        Drill(
            name="foreign_fill",
            breaks="somebody else trades with the same key",
            steps=(Raise(), Do.WORK, Foreign(side="SELL", notional=Decimal(700)), Pass()),
            foreign=1,
        ),
        Drill(
            name="halt_in_the_middle",
            breaks="the desk is halted with slices to come, orders that rest, and one in doubt",
            steps=(
                Raise(algorithm=_TWAP, exists=Exist.AS_HALTED, says="trading is halted"),
                Raise(count=3, algorithm=_WAITS, away_rate=_FAR, exists=Exist.NONE, says="trading is halted"),
                Do.WORK,
                Pass(3),
                Do.WORK,
                _on(FaultKind.ANSWER_LOST, delay_s=0.05),
                Raise(),
                Do.WORK,
                Do.REPAIR,
                Do.HALT,
                Pass(8),
            ),
        ),
    )
