"""What goes wrong at a venue, as named faults with parameters that can be switched on while the simulator runs.

`GET /_faults` lists the faults that are on and how often each kind has struck since the start, `POST /_faults` switches
one on, `DELETE /_faults` and `DELETE /_faults/{kind}` switch off. Without a fault everything passes untouched. A fault
is of the network and of the venue's machines: it lasts in real seconds, and what it does to a frame is drawn from one
seeded generator.
"""

import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Final, Self, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from desk.simulator import wire
from shared.ports import Clock
from shared.validation import problem_in_words

DEFAULT_SEED: Final = 7

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultKind(StrEnum):
    """What can go wrong."""

    DROP = "drop"  # every open socket is gone, without a close frame
    CUT = "cut"  # every open socket is closed in order, as after 24 hours
    HALF_OPEN = "half_open"  # every open socket stays open and says nothing any more, not even a pong
    LOSE = "lose"  # frames that never arrive
    DUPLICATE = "duplicate"  # frames that arrive twice
    TRUNCATE = "truncate"  # frames that end early
    DELAY = "delay"  # frames that arrive `delay_s` late
    REORDER = "reorder"  # frames that arrive up to `delay_s` late, each as it likes
    REST_429 = "rest_429"  # too many requests, `Retry-After: retry_after_s`
    REST_418 = "rest_418"  # banned, `Retry-After: retry_after_s`
    REST_5XX = "rest_5xx"  # the venue's machines fail
    REST_SLOW = "rest_slow"  # answers come `delay_s` late
    CLOCK = "clock"  # the venue's clock is `offset_ms` of market time ahead
    DOWN = "down"  # REST connections are cut without an answer, nothing is done
    PRIVATE_429 = "private_429"  # as rest_429, but only for requests that are signed
    PRIVATE_418 = "private_418"
    PRIVATE_5XX = "private_5xx"
    ANSWER_LOST = "answer_lost"  # an order is placed or cancelled, and the connection cut after `delay_s`
    ANSWER_5XX = "answer_5xx"  # an order is placed or cancelled, and the answer is that nobody knows
    REJECT = "reject"  # new orders are refused
    PARTIAL = "partial"  # an order fills by `filled_rate` of its quantity, and then never again
    CANCEL_RACE = "cancel_race"  # an order that is to be cancelled fills just before
    TRADES_TWICE = "trades_twice"  # lists of the account's trades name each trade twice
    TRADES_SHUFFLED = "trades_shuffled"  # lists of the account's trades are in no order


OF_ORDERS: Final = frozenset(
    {
        FaultKind.DOWN,
        FaultKind.PRIVATE_429,
        FaultKind.PRIVATE_418,
        FaultKind.PRIVATE_5XX,
        FaultKind.ANSWER_LOST,
        FaultKind.ANSWER_5XX,
        FaultKind.REJECT,
        FaultKind.PARTIAL,
        FaultKind.CANCEL_RACE,
        FaultKind.TRADES_TWICE,
        FaultKind.TRADES_SHUFFLED,
    }
)
"""What goes wrong with orders; the others are of market data."""
STRIKES_ONCE: Final = frozenset({FaultKind.DROP, FaultKind.CUT, FaultKind.HALF_OPEN})
_SHARED: Final = frozenset({"kind", "share", "for_s"})
_PARAMETERS: Final = {
    **dict.fromkeys(STRIKES_ONCE, frozenset[str]()),
    FaultKind.DELAY: frozenset({"delay_s"}),
    FaultKind.REORDER: frozenset({"delay_s"}),
    FaultKind.REST_SLOW: frozenset({"delay_s"}),
    FaultKind.REST_429: frozenset({"retry_after_s"}),
    FaultKind.REST_418: frozenset({"retry_after_s"}),
    FaultKind.CLOCK: frozenset({"offset_ms"}),
    FaultKind.PRIVATE_429: frozenset({"retry_after_s"}),
    FaultKind.PRIVATE_418: frozenset({"retry_after_s"}),
    FaultKind.ANSWER_LOST: frozenset({"delay_s"}),
    FaultKind.PARTIAL: frozenset({"filled_rate"}),
}
_DAMAGE: Final = frozenset(
    {FaultKind.LOSE, FaultKind.DUPLICATE, FaultKind.TRUNCATE, FaultKind.DELAY, FaultKind.REORDER}
)
_STATUS: Final = {FaultKind.REST_429: 429, FaultKind.REST_418: 418, FaultKind.REST_5XX: 503}
_PRIVATE_STATUS: Final = {FaultKind.PRIVATE_429: 429, FaultKind.PRIVATE_418: 418, FaultKind.PRIVATE_5XX: 503}


class Fault(BaseModel):
    """One fault: the share of the frames, requests or sockets it hits, and for how many real seconds (None: for good).

    A kind takes the parameter its comment in `FaultKind` names, needs it, and refuses the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: FaultKind
    share: float = Field(1.0, gt=0, le=1)
    for_s: float | None = Field(None, gt=0)
    delay_s: float = Field(0.0, ge=0, le=600)
    retry_after_s: int = Field(0, ge=0, le=3_600)
    offset_ms: int = Field(0, ge=-86_400_000, le=86_400_000)
    filled_rate: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _takes_its_own_parameters(self) -> Self:
        own = _PARAMETERS.get(self.kind, frozenset[str]())
        if missing := own - self.model_fields_set:
            raise ValueError(f"{self.kind} needs {', '.join(sorted(missing))}")
        if surplus := self.model_fields_set - own - _SHARED:
            raise ValueError(f"{self.kind} has no {', '.join(sorted(surplus))}")
        if self.kind in STRIKES_ONCE and self.for_s is not None:
            raise ValueError(f"{self.kind} strikes once: it has no for_s")
        return self


class Faults:
    """The faults of one venue: at most one of a kind at a time, and a later one replaces an earlier.

    `strike` carries out what strikes once. `hits` counts by kind what a fault has done since the start.
    """

    def __init__(self, *, seed: int = DEFAULT_SEED, now_s: Callable[[], float] = time.monotonic) -> None:
        self.hits: Counter[str] = Counter()
        self._random = random.Random(seed)  # noqa: S311 a venue's mishaps, not a secret
        self._now_s = now_s
        self._on: dict[FaultKind, tuple[Fault, float]] = {}
        self._strike: Callable[[Fault], Awaitable[None]] | None = None

    def on_strike(self, strike: Callable[[Fault], Awaitable[None]]) -> None:
        """Say who carries out the faults that strike once."""
        self._strike = strike

    async def switch_on(self, fault: Fault) -> None:
        """Let a fault begin; one that strikes once is over when this returns."""
        if fault.kind not in STRIKES_ONCE:
            self._on[fault.kind] = (fault, float("inf") if fault.for_s is None else self._now_s() + fault.for_s)
        elif self._strike is not None:
            await self._strike(fault)

    def switch_off(self, kind: FaultKind | None = None) -> None:
        """End a fault, or all of them."""
        for one in tuple(self._on) if kind is None else (kind,):
            self._on.pop(one, None)

    def active(self) -> list[Fault]:
        """Return the faults that are on."""
        now_s = self._now_s()
        self._on = {kind: (fault, until_s) for kind, (fault, until_s) in self._on.items() if now_s < until_s}
        return [fault for fault, _ in self._on.values()]

    def is_hit(self, fault: Fault) -> bool:
        """Draw whether a fault hits what is at hand, and count it if so."""
        if fault.share < 1 and self._random.random() >= fault.share:
            return False
        self.hits[fault.kind] += 1
        return True

    def deliveries(self, text: str) -> list[tuple[float, str]]:
        """Return what becomes of a frame: nothing, or one or more (seconds late, text)."""
        if not self._on:
            return [(0.0, text)]
        late_s, copies = 0.0, 1
        for fault in self.active():
            if fault.kind not in _DAMAGE or not self.is_hit(fault):
                continue
            match fault.kind:
                case FaultKind.LOSE:
                    return []
                case FaultKind.DUPLICATE:
                    copies += 1
                case FaultKind.TRUNCATE:
                    text = text[: self._random.randrange(len(text))]
                case FaultKind.DELAY:
                    late_s += fault.delay_s
                case FaultKind.REORDER:
                    late_s += self._random.uniform(0.0, fault.delay_s)
        return [(late_s, text)] * copies

    def hit(self, kind: FaultKind) -> Fault | None:
        """Return the fault of a kind if it is on and hits what is at hand, and count it."""
        return next((fault for fault in self.active() if fault.kind is kind and self.is_hit(fault)), None)

    def shuffled(self, rows: list[T]) -> list[T]:
        """Return rows in another order."""
        return self._random.sample(rows, len(rows))

    def refusal(self, *, is_private: bool = False) -> tuple[float, int | None, int]:
        """Return what becomes of a REST request: seconds late, an HTTP status instead of the answer, Retry-After."""
        late_s, status, retry_after_s = 0.0, None, 0
        statuses = _STATUS | _PRIVATE_STATUS if is_private else _STATUS
        for fault in self.active():
            if fault.kind is FaultKind.REST_SLOW and self.is_hit(fault):
                late_s = fault.delay_s
            elif fault.kind in statuses and status is None and self.is_hit(fault):
                status, retry_after_s = statuses[fault.kind], fault.retry_after_s
        return late_s, status, retry_after_s

    def offset_ms(self) -> int:
        """Return by how much the venue's clock is ahead, in market time."""
        entry = self._on.get(FaultKind.CLOCK)
        if entry is None or self._now_s() >= entry[1]:
            return 0
        self.hits[FaultKind.CLOCK] += 1
        return entry[0].offset_ms

    def routes(self) -> list[web.RouteDef]:
        """Return the routes, all below /_faults."""
        return [
            web.get("/_faults", self._list),
            web.post("/_faults", self._post),
            web.delete("/_faults", self._delete),
            web.delete("/_faults/{kind}", self._delete),
        ]

    async def _list(self, _: web.Request) -> web.Response:
        faults = [fault.model_dump(mode="json", exclude_unset=True) for fault in self.active()]
        return _answer({"faults": faults, "hits": dict(self.hits)})

    async def _post(self, request: web.Request) -> web.Response:
        try:
            fault = Fault.model_validate_json(await request.read())
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            field = ".".join(str(part) for part in first["loc"]) or "fault"
            return _answer({"error": f"{field}: {problem_in_words(first)}"}, status=400)
        await self.switch_on(fault)
        return await self._list(request)

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info.get("kind")
        if name is not None and name not in list(FaultKind):
            return _answer({"error": f"kind: expected one of {', '.join(FaultKind)}"}, status=404)
        self.switch_off(None if name is None else FaultKind(name))
        return await self._list(request)


class FaultyClock:
    """The venue's clock: the market's, and what a fault adds to it."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self._faults = faults

    def now_ms(self) -> int:
        """Return epoch milliseconds as the venue believes them to be."""
        return self._clock.now_ms() + self._faults.offset_ms()


def _answer(body: object, *, status: int = 200) -> web.Response:
    return web.Response(body=wire.to_json(body), status=status, content_type="application/json")
