"""What each venue's reader makes of frames it must not take a candle from: none, and a reason where one is due."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.venues.registry import dialect_of
from shared.domain.errors import InvalidMessageError
from tests.replay.messages import message


@dataclass(frozen=True, kw_only=True)
class Frames:
    """A frame that holds something, and what is said of it with one text in place of another; others by name."""

    whole: str
    damages: tuple[tuple[bytes, bytes, str], ...]
    refused: dict[str, str]
    empty: tuple[str, ...] = field(default=())


VENUES = {
    "binance": Frames(
        whole="kline_closed",
        damages=(
            (b'"36780.01000000"', b'"NaN"', "low <= open"),
            (b'"36780.01000000"', b'"abc"', "could not convert"),
            (b'"36780.01000000"', b"null", "Expected `str`"),
            (b'"i":"1m"', b'"i":"7m"', "unknown interval '7m'"),
            (b'"t":1700000040000', b'"t":1700000040001', "open_time"),
            (b'"v":"41.87563000"', b'"v":"-1"', "candle.volume"),
            (b'"v":"41.87563000"', b'"v":"inf"', "candle.volume"),
            (b'"x":true', b'"x":"yes"', "Expected `bool`"),
            (b'"k":{', b'"z":{', "k: missing"),
        ),
        refused={"kline_impossible": "low <= open"},
        empty=("kline_forming", "subscribe_answer", "server_shutdown"),
    ),
    "bybit": Frames(
        whole="kline_closed",
        damages=(
            (b'"36780.01"', b'"NaN"', "low <= open"),
            (b'"36780.01"', b'"abc"', "could not convert"),
            (b'"36780.01"', b"null", "Expected `str`"),
            (b"kline.1.", b"kline.7.", "expected kline.<interval>.<symbol>, got 'kline.7.BTCUSDT'"),
            (b"kline.1.BTCUSDT", b"kline.1", "topic"),
            (b'"start":1700000040000', b'"start":1700000040001', "open_time"),
            (b'"41.87563"', b'"-1"', "candle.volume"),
            (b'"41.87563"', b'"inf"', "candle.volume"),
            (b'"confirm":true', b'"confirm":"yes"', "Expected `bool`"),
            (b'"confirm":true', b'"z":1', "confirm"),
            (b'"data":[', b'"z":[', "data"),
        ),
        refused={"kline_impossible": "low <= open", "subscribe_refused": "subscribe: error:handler not found"},
        empty=("kline_forming", "subscribe_answer", "pong"),
    ),
    "okx": Frames(
        whole="candle_closed",
        damages=(
            (b'"36780.01"', b'"NaN"', "low <= open"),
            (b'"36780.01"', b'"abc"', "could not convert"),
            (b'"36780.01"', b"36780.01", "Expected `str`"),
            (b"candle1m", b"candle7m", "expected a known candle channel"),
            (b'"instId":"BTC-USDT"', b'"z":1', "instId"),
            (b'"1700000040000"', b'"1700000040001"', "open_time"),
            (b'"1700000040000"', b'"soon"', "ts: invalid literal"),
            (b'"41.87563"', b'"-1"', "candle.volume"),
            (b'"41.87563"', b'"inf"', "candle.volume"),
            (b',"1"]', b',"yes"]', "confirm: expected 0 or 1, got 'yes'"),
            (b',"1"]', b"]", "length >= 9"),
            (b'"data":[', b'"z":[', "data"),
            # candles by the clock of Hong Kong are not ours
            (b"candle1m", b"candle6H", "expected a known candle channel"),
            (b"candle1m", b"candle12H", "expected a known candle channel"),
            (b"candle1m", b"candle1D", "expected a known candle channel"),
        ),
        refused={
            "candle_impossible": "low <= open",
            "subscribe_refused": "60018 Wrong URL or channel:candle1m,instId:NOPE-USDT",
        },
        empty=("candle_forming", "subscribe_answer", "notice", "pong.txt"),
    ),
    "kraken": Frames(
        whole="ohlc_update",
        damages=(
            (b"36780.1", b'"36780.1"', "Expected `float`"),
            (b"36780.1", b"null", "Expected `float`"),
            (b'"interval": 1,', b'"interval": 7,', "unknown interval 7"),
            (b"22:14:00.000000000Z", b"22:14:00.001000000Z", "open_time"),
            (b"22:14:00.000000000Z", b"22:14:00.000000000", "timezone"),
            (b'"volume": 4.187563', b'"volume": -1', "candle.volume"),
            (b'"volume": 4.187563', b'"size": 1', "missing required field `volume`"),
        ),
        refused={"subscribe_refused": "Currency pair not supported XBT/USD", "ohlc_impossible": "low <= open"},
        empty=("ohlc_snapshot", "heartbeat", "status", "pong", "subscribe_answer"),
    ),
    "coinbase": Frames(
        whole="match_taker_buy",
        damages=(
            (b'"36795.51"', b'"abc"', "price"),
            (b'"36795.51"', b'"nan"', "price and a size > 0"),
            (b'"36795.51"', b"null", "Expected `str`"),
            (b'"sell"', b'"sold"', "side of buy or sell"),
            (b'"trade_id"', b'"tradeid"', "trade_id >= 1"),
            (b'"time"', b'"tim"', "expected product_id, time"),
            (b"59.999999Z", b"59.999999", "timezone"),
        ),
        refused={"error": "FOO-USD is not a valid product", "match_impossible": "size > 0"},
        empty=("last_match", "subscriptions", "heartbeat"),
    ),
    "hyperliquid": Frames(
        whole="candle",
        damages=(
            (b'"36780.0"', b'"NaN"', "low <= open"),
            (b'"36780.0"', b'"abc"', "could not convert"),
            (b'"36780.0"', b"null", "Expected `str`"),
            (b'"i": "1m"', b'"i": "7m"', "unknown interval '7m'"),
            (b'"t": 1700000040000', b'"t": 1700000040001', "open_time"),
            (b'"v": "41.87563"', b'"v": "-1"', "candle.volume"),
            (b'"data"', b'"date"', "frame"),
        ),
        refused={"error": "Invalid subscription", "candle_impossible": "low <= open"},
        empty=("pong", "subscription_response"),
    ),
}


@pytest.mark.parametrize(("venue", "name"), [(venue, name) for venue in VENUES for name in VENUES[venue].empty])
def test_what_holds_nothing_for_us(venue: str, name: str) -> None:
    """A forming candle above all: taken for a closed one it overwrites the last close. And a snapshot: unwatched."""
    assert not dialect_of(venue).read(message(venue, name))


@pytest.mark.parametrize(
    ("venue", "name", "reason"), [(venue, *said) for venue in VENUES for said in VENUES[venue].refused.items()]
)
def test_the_impossible_and_refusals_are_refused_aloud(venue: str, name: str, reason: str) -> None:
    with pytest.raises(InvalidMessageError, match=reason):
        dialect_of(venue).read(message(venue, name))


@pytest.mark.parametrize(
    ("venue", "old", "new", "reason"), [(venue, *damage) for venue in VENUES for damage in VENUES[venue].damages]
)
def test_a_damaged_frame_says_what_is_wrong(venue: str, old: bytes, new: bytes, reason: str) -> None:
    frame = message(venue, VENUES[venue].whole)
    assert dialect_of(venue).read(frame)
    assert old in frame
    with pytest.raises(InvalidMessageError, match=reason):
        dialect_of(venue).read(frame.replace(old, new, 1))


@pytest.mark.parametrize("venue", VENUES)
@given(noise=st.binary(max_size=60), cut=st.integers(0, 999))
def test_no_bytes_whatsoever_raise_anything_else(venue: str, noise: bytes, cut: int) -> None:
    whole = message(venue, VENUES[venue].whole).rstrip()
    for frame in (noise, whole[: cut % len(whole)]):
        try:
            assert not dialect_of(venue).read(frame)
        except InvalidMessageError:
            continue
