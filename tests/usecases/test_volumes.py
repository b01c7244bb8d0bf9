"""What follows the volume follows that of the venues it goes to, by candles there are; without such it is refused."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pytest

from shared.domain.candles import VOLUME, CandleFrame
from shared.domain.timeframe import Timeframe
from shared.domain.trading.books import VarPolicy
from shared.domain.trading.intents import Algorithm, AlgorithmName, Intent, Sizing, SizingMethod
from shared.domain.trading.money import total
from shared.domain.trading.states import IntentState
from shared.domain.venues import Venue
from shared.usecases.execution_agent import work_intent
from tests.usecases.trading_in_memory import SYMBOL, D, HandLog
from tests.usecases.two_venues import VENUES, TwoVenues

MINUTE_MS = 60_000
VWAP = Algorithm(name=AlgorithmName.VWAP, duration_ms=60 * MINUTE_MS, slices=4)
CAPPED = Algorithm(
    name=AlgorithmName.TWAP, duration_ms=60 * MINUTE_MS, slices=4, participation_rate=D("0.1")
)  # a tenth of what trades
POV = Algorithm(name=AlgorithmName.POV, duration_ms=60 * MINUTE_MS, slices=12, participation_rate=D("0.1"))
LARGE = Sizing(method=SizingMethod.NOTIONAL, value=D(20_000))


@dataclass(kw_only=True)
class Log(HandLog):
    """Candles in which so much trades at each venue in a minute; nothing that is not collected."""

    traded: Mapping[str, float]
    collected: Mapping[str, tuple[Timeframe, ...]]

    def frame(self, venue: str, timeframe: Timeframe, *, bars: int) -> CandleFrame:
        """Return candles of a venue."""
        assert timeframe in self.collected[venue], f"{venue} {timeframe} was never collected"
        frame = super().frame(venue, timeframe, bars=bars)
        values = np.array(frame.values)
        values[VOLUME] = self.traded.get(venue, 0.0) * timeframe.ms / MINUTE_MS
        symbols = (SYMBOL,) if venue in self.traded else ("ETH/USDT",)
        return replace(frame, values=values, symbols=symbols)


def desk_with(traded: Mapping[str, float], **collected: tuple[Timeframe, ...]) -> TwoVenues:
    """Return a desk whose venues trade so much a minute, and are collected in these timeframes."""
    desk = TwoVenues()
    known = {name: collected.get(name, (Timeframe.M1, Timeframe.M15)) for name in VENUES}
    desk.trading.database.venues[:] = [Venue(venue=name, timeframes=known[name]) for name in VENUES]
    book = desk.trading.books.get(desk.trading.book.book_id)
    loose = replace(book.limits, var_policy=VarPolicy.IGNORE)  # not every desk here collects what risk is told by
    desk.trading.books.update(replace(book, limits=loose), expected_version=book.version)
    log = Log(market=desk.trading.market, traded=traded, collected=known)
    desk.trading.execution = replace(desk.trading.execution, candles=log)
    return desk


def cheaper_at(desk: TwoVenues, venue: str) -> None:
    """Make a venue the one that is chosen."""
    desk.instruments = [
        replace(one, taker_fee_rate=D("0.0001") if one.venue == venue else one.taker_fee_rate)
        for one in desk.instruments
    ]
    desk.trading.instruments.record(desk.instruments)


def why(desk: TwoVenues, intent: Intent) -> str:
    """Return the last words said of an intent."""
    return str(desk.trading.intents.trace(intent.correlation_id)[-1]["reason"])


@pytest.mark.parametrize("venue", VENUES)
def test_a_cap_is_a_fraction_of_what_trades_where_the_slices_go(venue: str) -> None:
    desk = desk_with({"binance": 1.0, "okx": 0.01})
    cheaper_at(desk, venue)
    plan = desk.plan(desk.wish(algorithm=CAPPED, sizing=LARGE))
    assert {part.venue for part in plan.slices} == {venue}
    hour = D(60) if venue == "binance" else D("0.6")
    assert total(part.qty for part in plan.slices) <= hour / 10
    assert (plan.unplaced_qty > 0) is (venue == "okx")


def test_what_follows_the_volume_goes_only_where_it_is_known() -> None:
    desk = desk_with({"binance": 1.0, "okx": 1.0}, okx=(Timeframe.H1, Timeframe.H4))
    cheaper_at(desk, "okx")
    assert {part.venue for part in desk.plan(desk.wish(algorithm=replace(VWAP, slices=8))).slices} == {"binance"}
    unlisted = desk_with({"binance": 1.0})
    cheaper_at(unlisted, "okx")
    assert {part.venue for part in unlisted.plan(unlisted.wish(algorithm=VWAP)).slices} == {"binance"}


@pytest.mark.parametrize(
    ("algorithm", "said"),
    [(VWAP, "okx: vwap needs candles of 15m or shorter, collected are 1h, 4h"),
     (POV, "okx: pov needs candles of 5m or shorter, collected are 1h, 4h")],
)  # fmt: skip
def test_an_intent_is_refused_by_the_name_of_the_timeframe_that_is_missing(algorithm: Algorithm, said: str) -> None:
    long = (Timeframe.H1, Timeframe.H4)
    desk = desk_with(dict.fromkeys(VENUES, 1.0), okx=long, binance=long)
    intent = desk.wish(algorithm=algorithm)
    assert desk.trading.view(intent).intent.state is IntentState.EXPIRED
    assert said in why(desk, intent)
    assert why(desk, intent).startswith("it cannot be planned: volumes: binance: ")


def test_an_intent_in_what_the_log_does_not_have_is_refused() -> None:
    desk = desk_with({})
    intent = desk.wish(algorithm=VWAP)
    assert desk.trading.view(intent).intent.state is IntentState.EXPIRED
    assert "okx: the log has no 15m candles of BTC/USDT" in why(desk, intent)


@pytest.mark.parametrize(
    ("venue", "most"), [(None, "0.144"), ("binance", "0.12"), ("okx", "0.024")], ids=["both", "binance", "okx"]
)
def test_pov_stays_a_fraction_of_what_trades_at_the_venues_it_may_use(venue: str | None, most: str) -> None:
    desk = desk_with({"binance": 0.02, "okx": 0.004}, okx=(Timeframe.M5,))
    intent = desk.wish(algorithm=POV, sizing=LARGE, venue=venue)
    assert desk.plan(intent).venues == ((venue,) if venue else VENUES)
    desk.trading.sweep(61)
    view = desk.trading.view(intent)
    filled = total(order.filled_qty for order in view.orders)
    assert view.intent.state is IntentState.EXECUTED
    assert D(most) * D("0.85") < filled <= D(most)  # what trades after its last slice is nobody's


def test_pov_that_sees_no_candle_says_what_it_waits_for() -> None:
    desk = desk_with({"binance": 0.2, "okx": 0.2})
    intent = desk.wish(algorithm=POV, venue="okx")
    said = work_intent(intent.intent_id, desk=desk.trading.execution)
    assert said == "waiting for a candle of what trades at okx since it was planned"
