"""Closing what a venue does not call closed: by the next push, by the clock, and never on a broken watch."""

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.candles import Candle, no_trade_candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Closer, Closing, Late, Trade, confirmed
from shared.domain.timeframe import Timeframe

M1, M5 = Timeframe.M1, Timeframe.M5
START = 1_700_000_100_000 // M5.ms * M5.ms
GRACE = 1_500


def candle(minute: int, price: float = 1.0, volume: float = 2.0) -> Candle:
    return Candle(START + minute * M1.ms, price, price, price, price, volume, price * volume, 1.0, volume)


def trade(time: int, price: float, quantity: float = 1.0, *, bought: bool = True) -> Trade:
    return Trade("X", time, price, quantity, bought)


def closings_of(news: Sequence[Closing | Late]) -> list[Closing]:
    """Return them, where nothing is late."""
    closings = [one for one in news if isinstance(one, Closing)]
    assert len(closings) == len(news)
    return closings


def watched(*timeframes: Timeframe) -> Closer:
    closer = Closer(timeframes or (M1,))
    closer.watch(["X"], START)
    return closer


def test_the_next_candle_closes_the_one_before() -> None:
    closer = watched()
    assert closer.push(M1, "X", candle(0, 1.0)) == []
    assert closer.push(M1, "X", candle(0, 2.0)) == []
    assert closer.push(M1, "X", candle(1, 3.0)) == [Closing(M1, "X", candle(0, 2.0), True)]


def test_the_clock_closes_after_the_grace_and_only_once() -> None:
    closer = watched()
    closer.push(M1, "X", candle(0))
    close_time = START + M1.ms
    assert closer.due(close_time + GRACE - 1, grace_ms=GRACE, symbols=["X"]) == []
    assert closer.due(close_time + GRACE, grace_ms=GRACE, symbols=["X"]) == [Closing(M1, "X", candle(0), False)]
    assert closer.due(close_time + GRACE + 1, grace_ms=GRACE, symbols=["X"]) == []
    assert closer.push(M1, "X", candle(0, 9.0)) == [Late(M1, "X", START, candle(0, 9.0))]  # REST will say


def test_a_quiet_minute_is_closed_as_such_where_it_was_watched() -> None:
    closer = watched()
    closer.push(M1, "X", candle(0, 5.0))
    closer.due(START + M1.ms + GRACE, grace_ms=GRACE, symbols=["X"])
    quiet = Closing(M1, "X", no_trade_candle(START + M1.ms, 5.0), False)
    assert closer.due(START + 2 * M1.ms + GRACE, grace_ms=GRACE, symbols=["X"]) == [quiet]


def test_quiet_minutes_before_a_push_keep_the_price_they_had() -> None:
    """The price of the push came later; a no-trade candle repeats the close before it."""
    closer = watched()
    closer.push(M1, "X", candle(0, 5.0))
    closings = closings_of(closer.push(M1, "X", candle(3, 9.0)))
    assert [closing.candle for closing in closings] == [
        candle(0, 5.0),
        no_trade_candle(START + M1.ms, 5.0),
        no_trade_candle(START + 2 * M1.ms, 5.0),
    ]


def test_a_candle_whose_open_nobody_watched_is_not_believed() -> None:
    closer = Closer([M1])
    closer.watch(["X"], START + 1)
    closer.push(M1, "X", candle(0))
    assert closer.push(M1, "X", candle(1)) == []
    assert closer.push(M1, "X", candle(2)) == [Closing(M1, "X", candle(1), True)]


def test_a_broken_watch_is_believed_no_more() -> None:
    closer = watched()
    closer.push(M1, "X", candle(0))
    closer.lose(["X"])
    closer.watch(["X"], START + 30_000)
    assert closer.push(M1, "X", candle(1)) == []
    assert closer.due(START + 2 * M1.ms + GRACE, grace_ms=GRACE, symbols=["X"]) == [Closing(M1, "X", candle(1), False)]


def test_a_symbol_nobody_ever_traded_is_closed_once_rest_has_said_where_it_stands() -> None:
    closer = watched()
    assert closer.due(START + M1.ms + GRACE, grace_ms=GRACE, symbols=["X"]) == []
    closer.know(M1, "X", candle(0, 7.0))
    quiet = Closing(M1, "X", no_trade_candle(START + M1.ms, 7.0), False)
    assert closer.due(START + 2 * M1.ms + GRACE, grace_ms=GRACE, symbols=["X"]) == [quiet]


def numbered(number: int, time: int, price: float = 1.0) -> Trade:
    return trade(time, price)._replace(number=number)


def test_the_first_trade_of_all_only_says_where_the_count_stands() -> None:
    """Between the subscription and it one may have been missed."""
    closer = watched()
    assert closer.trade("X", numbered(7, START + 1_000)) == []
    assert closer.trade("X", numbered(8, START + M1.ms)) == []
    closings = closings_of(closer.trade("X", numbered(9, START + 2 * M1.ms)))
    assert [(closing.candle.open_time, closing.candle.trades) for closing in closings] == [(START + M1.ms, 1.0)]


def test_a_jump_of_the_count_makes_its_candle_unbelievable_and_no_other() -> None:
    closer = watched()
    for number, minute in ((1, 0), (2, 1), (3, 1), (5, 2), (6, 3)):
        news = closer.trade("X", numbered(number, START + minute * M1.ms + 1_000))
        closed = [closing.candle for closing in closings_of(news)]
        if minute == 2:  # number 4 may have been of minute 1 or of minute 2
            assert closed == []
    assert closed == []
    closed = [closing.candle for closing in closings_of(closer.trade("X", numbered(7, START + 4 * M1.ms)))]
    assert [candle.open_time for candle in closed] == [START + 3 * M1.ms]


def test_a_trade_that_comes_twice_counts_once() -> None:
    closer = watched()
    for number, minute in ((1, 0), (2, 1), (2, 1), (3, 1), (2, 1), (3, 1)):
        closer.trade("X", numbered(number, START + minute * M1.ms + 1_000))
    (closing,) = closings_of(closer.trade("X", numbered(4, START + 2 * M1.ms)))
    assert (closing.candle.trades, closing.candle.volume) == (2.0, 2.0)


def test_a_count_that_goes_on_over_a_broken_watch_shows_that_nothing_was_missed() -> None:
    closer = watched()
    closer.trade("X", numbered(1, START))
    closer.lose(["X"])
    closer.watch(["X"], START + 1_000)
    closer.trade("X", numbered(2, START + M1.ms))
    assert [one.candle.trades for one in closings_of(closer.trade("X", numbered(3, START + 2 * M1.ms)))] == [1.0]


def test_what_closes_after_a_doubt_is_to_be_confirmed_and_only_that() -> None:
    """A frame that could not be read may have been the last of its candle, or the only one."""
    closer = watched(M1, M5)
    closer.push(M1, "X", candle(0, 5.0))
    closer.doubt(["X"])
    closings = closings_of(closer.push(M1, "X", candle(2, 6.0)))
    assert [(one.candle.open_time, one.is_confirmed) for one in closings] == [(START, False), (START + M1.ms, False)]
    assert closer.push(M1, "X", candle(3)) == [Closing(M1, "X", candle(2, 6.0), True)]
    closer.push(M5, "X", candle(0))
    assert closer.push(M5, "X", candle(5)) == [Closing(M5, "X", candle(0), False)]


def test_what_comes_for_a_candle_its_successor_has_closed_is_late() -> None:
    """However long ago: nothing else would tell that what was closed is wrong."""
    closer = watched()
    for minute in (0, 1, 4):
        closer.push(M1, "X", candle(minute))
    for minute in (3, 1, 0):
        late = candle(minute, 9.0)
        assert closer.push(M1, "X", late) == [Late(M1, "X", late.open_time, late)]
    assert closer.push(M1, "X", candle(5)) == [Closing(M1, "X", candle(4), True)]


def test_a_trade_behind_its_time_is_late_where_its_candle_has_closed_and_else_a_part_of_it() -> None:
    closer = watched(M1, M5)
    closer.trade("X", numbered(1, START + 4 * M1.ms - 2))
    closer.trade("X", numbered(2, START + 4 * M1.ms))
    assert closer.trade("X", numbered(3, START + 4 * M1.ms - 1)) == [Late(M1, "X", START + 3 * M1.ms, None)]
    closed = closer.trade("X", numbered(4, START + 5 * M1.ms))
    assert [(one.timeframe, one.candle.trades) for one in closings_of(closed)] == [(M1, 1.0)]


def test_a_trade_that_comes_twice_is_not_late() -> None:
    closer = watched()
    for number, minute in ((1, 0), (2, 1), (3, 2)):
        closer.trade("X", numbered(number, START + minute * M1.ms))
    assert closer.trade("X", numbered(2, START + M1.ms)) == []


def test_the_clock_moves_on_while_nobody_asks_what_is_due() -> None:
    """History may take an hour, and what the sockets bring meanwhile is not from the future."""
    closer = watched()
    closer.push(M1, "X", candle(0, 5.0))
    closer.note_time(START + 90 * M1.ms)
    assert len(closer.push(M1, "X", candle(90))) == 90
    with pytest.raises(InvalidMessageError, match="ahead"):
        closer.push(M1, "X", candle(151))


def test_a_number_gone_wild_closes_no_thousand_years() -> None:
    closer = watched()
    closer.push(M1, "X", candle(0, 5.0))
    with pytest.raises(InvalidMessageError, match="ahead"):
        closer.push(M1, "X", candle(10**9))
    with pytest.raises(InvalidMessageError, match="ahead"):
        closer.trade("X", trade(START + 10**15, 1.0))
    assert closer.push(M1, "X", candle(-(10**7))) == []
    assert closer.trade("X", trade(0, 1.0)) == []
    assert closer.push(M1, "X", candle(1)) == [Closing(M1, "X", candle(0, 5.0), True)]


Ticks = list[tuple[int, float, float, bool]]
TICKS = st.lists(
    st.tuples(st.integers(0, 12 * M1.ms - 1), st.floats(1.0, 100.0), st.floats(0.001, 10.0), st.booleans()),
    max_size=40,
)


def bars(ticks: Ticks, timeframe: Timeframe) -> dict[int, Candle]:
    """Build candles from trades the slow way, quiet ones between and after traded ones included."""
    found: dict[int, Candle] = {}
    last = math.nan
    for open_time in range(START, START + 10 * M1.ms, timeframe.ms):
        inside = [t for t in ticks if open_time <= START + t[0] < open_time + timeframe.ms]
        if inside:
            prices = [price for _, price, _, _ in inside]
            found[open_time] = Candle(
                open_time,
                prices[0],
                max(prices),
                min(prices),
                last := prices[-1],
                sum(quantity for _, _, quantity, _ in inside),
                sum(price * quantity for _, price, quantity, _ in inside),
                float(len(inside)),
                sum(quantity for _, _, quantity, bought in inside if bought),
            )
        elif not math.isnan(last):
            found[open_time] = no_trade_candle(open_time, last)
    return found


@given(ticks=TICKS, looks=st.lists(st.integers(0, 12 * M1.ms), max_size=20))
def test_trades_make_the_candles_they_are(ticks: Ticks, looks: list[int]) -> None:
    """However often the clock is looked at, each candle closes once, in order, and is what its trades make it."""
    ticks.sort(key=lambda tick: tick[0])
    closer = watched(M1, M5)
    closings: list[Closing] = []
    events: list[tuple[int, Trade | None]] = [(START + t, trade(START + t, p, q, bought=b)) for t, p, q, b in ticks]
    events += [(START + look, None) for look in looks] + [(START + 12 * M1.ms + GRACE, None)]
    for time, tick in sorted(events, key=lambda event: event[0]):
        news = closer.due(time, grace_ms=GRACE, symbols=["X"]) if tick is None else closer.trade("X", tick)
        closings += closings_of(news)
    for timeframe in (M1, M5):
        closed = [closing.candle for closing in closings if closing.timeframe is timeframe]
        times = [one.open_time for one in closed]
        assert times == sorted(set(times))
        expected = bars(ticks, timeframe)
        for one in closed:
            if one.open_time in expected:
                assert confirmed(one, expected[one.open_time]) is None
        assert set(expected) <= set(times)


@given(ticks=TICKS)
def test_whatever_order_trades_come_in_each_is_in_its_candle_or_late_for_it(ticks: Ticks) -> None:
    closer = watched(M1, M5)
    news: list[Closing | Late] = []
    for time, price, quantity, bought in ticks:
        news += closer.trade("X", trade(START + time, price, quantity, bought=bought))
    news += closer.due(START + 12 * M1.ms + GRACE, grace_ms=GRACE, symbols=["X"])
    for closing in (one for one in news if isinstance(one, Closing)):
        cell = (closing.timeframe, closing.candle.open_time)
        late = sum((one.timeframe, one.open_time) == cell for one in news if isinstance(one, Late))
        told = sum(cell[1] <= START + time < cell[1] + closing.timeframe.ms for time, *_ in ticks)
        assert closing.candle.trades + late == told


@given(ticks=TICKS, breaks=st.lists(st.integers(0, 12 * M1.ms), min_size=1, max_size=5))
def test_nothing_is_invented_when_the_watch_breaks(ticks: Ticks, breaks: list[int]) -> None:
    """Trades of the ten seconds after each break are lost; what is closed all the same is right."""
    ticks.sort(key=lambda tick: tick[0])
    closer = watched()
    closings: list[Closing] = []
    events: list[tuple[int, int, Trade | None]] = []
    for since in breaks:
        events += [(START + since, 0, None), (START + since + 10_000, 1, None)]
    events += [
        (START + t, 2, trade(START + t, p, q, bought=b))
        for t, p, q, b in ticks
        if not any(since <= t < since + 10_000 for since in breaks)
    ]
    down = 0
    for time, kind, tick in sorted(events, key=lambda event: event[:2]):
        if tick is not None:
            closings += closings_of(closer.trade("X", tick))
        elif kind == 0:
            down += 1
            closer.lose(["X"])
        else:
            down -= 1
            if not down:
                closer.watch(["X"], time)
        closings += closer.due(time, grace_ms=GRACE, symbols=["X"])
    expected = bars(ticks, M1)
    for closing in closings:
        if closing.candle.open_time in expected:
            assert confirmed(closing.candle, expected[closing.candle.open_time]) is None


def test_rest_corrects_what_it_knows_and_leaves_the_rest() -> None:
    pushed = candle(0, 5.0)
    asked = pushed._replace(volume=2.0 * (1 + 1e-12), quote_volume=math.nan, trades=math.nan)
    assert confirmed(pushed, asked) is None
    better = confirmed(pushed, asked._replace(high=6.0))
    assert better is not None
    assert (better.high, better.quote_volume, better.trades) == (6.0, 10.0, 1.0)


def test_what_rest_does_not_know_of_a_candle_whose_trades_were_missed_nobody_knows() -> None:
    """The zeros of a quiet minute that was none would say that all its volume was sold, in no trade."""
    asked = candle(0, 5.0)._replace(trades=math.nan, taker_buy_volume=math.nan)
    for pushed in (no_trade_candle(START, 5.0), candle(0, 5.0, volume=1.0)):
        better = confirmed(pushed, asked)
        assert better is asked


@given(ticks=TICKS, lost=st.sets(st.integers(0, 39)), doubled=st.sets(st.integers(0, 39)))
def test_of_numbered_trades_any_may_be_lost_or_doubled(ticks: Ticks, lost: set[int], doubled: set[int]) -> None:
    """What the next trade closes is right, however many frames the venue dropped, without any word of it."""
    ticks.sort(key=lambda tick: tick[0])
    closer = watched(M1, M5)
    closings: list[Closing] = []
    for index, (time, price, quantity, bought) in enumerate(ticks):
        one = trade(START + time, price, quantity, bought=bought)._replace(number=index + 1)
        for _ in range(0 if index in lost else 2 if index in doubled else 1):
            closings += closings_of(closer.trade("X", one))
    for timeframe in (M1, M5):
        expected = bars(ticks, timeframe)
        for closing in closings:
            if closing.timeframe is timeframe and closing.candle.open_time in expected:
                assert confirmed(closing.candle, expected[closing.candle.open_time]) is None
