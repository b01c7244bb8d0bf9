"""What every venue's dialect promises: nothing lost on the way from its words to a candle, and nothing invented."""

import math
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.venues.dialect import SubscriptionRefusedError
from shared.adapters.venues.registry import VENUES, dialect_of
from shared.adapters.venues.rest_client import TokenBucket
from shared.domain.backfill import Window
from shared.domain.candles import Candle
from shared.domain.errors import InvalidMessageError
from shared.domain.pushes import Push, Trade
from shared.domain.timeframe import Timeframe
from shared.domain.urgency import Urgency
from tests.contract.venue_samples import SAMPLES, Sample

every = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.venue)
pushing = pytest.mark.parametrize("sample", [one for one in SAMPLES if one.written], ids=lambda sample: sample.venue)
trading = pytest.mark.parametrize("sample", [one for one in SAMPLES if one.traded], ids=lambda sample: sample.venue)

PRICES = st.floats(1e-7, 1e6, allow_nan=False)
AMOUNTS = st.floats(1e-6, 1e9, allow_nan=False)


@st.composite
def candles(draw: st.DrawFn, timeframe: Timeframe) -> Candle:
    """Return a possible candle in which somebody traded."""
    a_day = 86_400_000 // timeframe.ms
    low, first, last, high = sorted(draw(st.tuples(PRICES, PRICES, PRICES, PRICES)))
    if draw(st.booleans()):
        first, last = last, first
    volume, quote, bought = draw(st.tuples(AMOUNTS, AMOUNTS, AMOUNTS))
    open_time = draw(st.integers(19_000 * a_day, 22_000 * a_day)) * timeframe.ms
    return Candle(open_time, first, high, low, last, volume, quote, float(draw(st.integers(1, 10**6))), bought)


def as_pushed(candle: Candle, sample: Sample) -> Candle:
    unknown: dict[str, Any] = dict.fromkeys(sample.unknown, math.nan)
    return candle._replace(**unknown)


def same(one: Candle, other: Candle, *, derived: frozenset[str] = frozenset()) -> bool:
    return all(
        a == b or (math.isnan(a) and math.isnan(b)) or (name in derived and math.isclose(a, b))
        for name, a, b in zip(Candle._fields, one, other, strict=True)
    )


BTC = Candle(1_700_000_040_000, 36_785.0, 36_790.5, 36_780.1, 36_788.2, 41.87563, 1_540_432.1872319, 873.0, 22.10087)


def test_every_venue_has_a_sample() -> None:
    assert [sample.venue for sample in SAMPLES] == list(VENUES)


def test_an_unknown_venue_is_told_the_known_ones() -> None:
    with pytest.raises(InvalidMessageError, match="binance_usdm"):
        dialect_of("mtgox")


class Noting(TokenBucket):
    """A bucket that notes how urgent a question is, and lets none be asked."""

    def __init__(self) -> None:
        super().__init__(1.0, 1.0)
        self.noted: set[Urgency] = set()

    def turn(self, weight: float, urgency: Urgency) -> Any:
        self.noted.add(urgency)
        raise InvalidMessageError("question", "not asked")


@every
async def test_every_question_takes_its_place_in_the_line(sample: Sample) -> None:
    window = Window.before(Timeframe.M1, BTC.open_time, bars=5)
    async with aiohttp.ClientSession() as session:
        source: Any = dialect_of(sample.venue).source(session, "http://127.0.0.1:9")
        questions: list[tuple[Coroutine[Any, Any, object], set[Urgency]]] = [
            (source.server_time(), {Urgency.REPAIR}),
            (source.candles("BTC", window, now_ms=BTC.open_time, urgency=Urgency.CONFIRM), {Urgency.CONFIRM}),
            (source.listings(), {Urgency.BACKFILL}),
            (source.quote_volumes(), {Urgency.BACKFILL}),
            (source.tickers(["BTC"]), {Urgency.TICKERS}),
        ]
        for question, place in questions:
            source._client.bucket = Noting()
            with suppress(InvalidMessageError):
                await question
            assert source._client.bucket.noted == place
        source._client.bucket = Noting()
        with suppress(InvalidMessageError):
            assert await source.funding(["BTC"]) == {}  # as a spot market says without being asked
        assert source._client.bucket.noted <= {Urgency.TICKERS}


@pushing
@given(data=st.data())
def test_a_candle_is_read_to_the_last_bit(sample: Sample, data: st.DataObject) -> None:
    dialect = dialect_of(sample.venue)
    timeframe = data.draw(st.sampled_from(dialect.timeframes))
    candle = data.draw(candles(timeframe))
    assert sample.written is not None
    (push,) = dialect.read(sample.written(candle, timeframe, True).encode())
    assert isinstance(push, Push)
    assert (push.venue_id, push.timeframe, push.is_closed) == (sample.venue_id, timeframe, dialect.says_closed)
    assert same(push.candle, as_pushed(candle, sample), derived=sample.derived)


@trading
@given(
    trade=st.builds(
        Trade,
        st.just("BTC-USD"),
        st.integers(1_700_000_000_000, 1_800_000_000_000),
        PRICES,
        AMOUNTS,
        st.booleans(),
        st.integers(1, 10**12),
    )
)
def test_a_trade_is_read_to_the_last_bit(sample: Sample, trade: Trade) -> None:
    assert sample.traded is not None
    trade = trade._replace(venue_id=sample.venue_id)
    assert list(dialect_of(sample.venue).read(sample.traded(trade).encode())) == [trade]


@pushing
def test_a_forming_candle_is_never_taken_for_a_closed_one(sample: Sample) -> None:
    dialect = dialect_of(sample.venue)
    assert sample.written is not None
    pushes = dialect.read(sample.written(BTC, Timeframe.M1, False).encode())
    assert [push for push in pushes if isinstance(push, Push) and push.is_closed] == []
    assert bool(pushes) is not dialect.says_closed  # a venue that says so need not be listened to until then


@every
def test_other_messages_hold_nothing(sample: Sample) -> None:
    for message in sample.other:
        assert not dialect_of(sample.venue).read(message.encode())


@every
def test_data_is_told_from_everything_else_by_its_mark(sample: Sample) -> None:
    """A connection that brings answers, pongs and heartbeats alone is as dead as one that brings nothing."""
    mark = dialect_of(sample.venue).data_mark
    if sample.written is not None:
        data = [sample.written(BTC, Timeframe.M1, is_closed) for is_closed in (True, False)]
    else:
        data = [_traded(sample)]
    assert all(mark in frame.encode() for frame in data)
    assert not any(mark in frame.encode() for frame in (*sample.other, *sample.refused))


@every
def test_a_refused_subscription_is_loud(sample: Sample) -> None:
    for message in sample.refused:
        with pytest.raises(SubscriptionRefusedError):
            dialect_of(sample.venue).read(message.encode())
    assert sample.refused


@every
@given(data=st.data())
def test_a_damaged_frame_is_refused_or_says_nothing_wrong(sample: Sample, data: st.DataObject) -> None:
    """Cut or scratched anywhere: never another error, and what is read is still a possible candle on the grid."""
    dialect = dialect_of(sample.venue)
    frame = bytearray((sample.written(BTC, Timeframe.M1, True) if sample.written else _traded(sample)).encode())
    if data.draw(st.booleans()):
        frame = frame[: data.draw(st.integers(0, len(frame) - 1))]
    for _ in range(data.draw(st.integers(1, 3)) if frame else 0):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        pushes = dialect.read(bytes(frame))
    except InvalidMessageError:
        return
    for push in pushes:
        if isinstance(push, Push):
            assert push.candle.open_time % push.timeframe.ms == 0
            assert 0 < push.candle.low <= push.candle.close <= push.candle.high < math.inf


def _traded(sample: Sample) -> str:
    assert sample.traded is not None
    return sample.traded(Trade(sample.venue_id, BTC.open_time, BTC.close, BTC.volume, True, 1))


@every
def test_every_series_is_subscribed_to_once(sample: Sample) -> None:
    dialect = dialect_of(sample.venue)
    ids = [sample.venue_id, f"X{sample.venue_id}", f"Y{sample.venue_id}"]
    topics = list(dict.fromkeys(dialect.topic(one, tf) for one in ids for tf in dialect.timeframes))
    url, messages = dialect.url("wss://venue", topics), dialect.subscribe(topics)
    assert url.startswith("wss://venue")
    for told in (url, "".join(messages)) if dialect.subscribes_by_url else ("".join(messages),):
        assert all(one in told or one.lower() in told for one in ids)
    assert len(topics) <= len(ids) * len(dialect.timeframes)
    assert dialect.limits.topics >= 1


@every
def test_what_was_subscribed_to_is_let_go_in_the_same_words(sample: Sample) -> None:
    dialect = dialect_of(sample.venue)
    topics = list(dict.fromkeys(dialect.topic(sample.venue_id, timeframe) for timeframe in dialect.timeframes))
    asked, taken_back = dialect.subscribe(topics), dialect.unsubscribe(topics)
    plain = [message.replace(',"snapshot":false', "") for message in asked]
    assert taken_back == [one.replace("subscribe", "unsubscribe").replace("SUBSCRIBE", "UNSUBSCRIBE") for one in plain]
    assert taken_back != asked


@every
def test_a_venue_can_push_the_timeframes_of_the_desk(sample: Sample) -> None:
    assert {Timeframe.M1, Timeframe.M5, Timeframe.M15, Timeframe.H1, Timeframe.D1} <= set(
        dialect_of(sample.venue).timeframes
    )
