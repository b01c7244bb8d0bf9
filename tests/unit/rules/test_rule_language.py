"""What compiles, what does not, and how a refusal reads."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.errors import InvalidMessageError
from shared.domain.rules import RuleError, compile_rule, reference
from shared.domain.timeframe import Timeframe

NORMAL_FORMS = {
    "ema(50) > sma(volume, 20)": "ema(close, 50) > sma(volume, 20)",
    "highest(20) < lowest(5)": "highest(high, 20) < lowest(low, 5)",
    "rsi() < 30.0": "rsi(close, 14) < 30",
    "macd(signal=5).histogram[1] > 0": "macd(close, 12, 26, 5).histogram[1] > 0",
    "bbands(width=2.5).upper < close": "bbands(close, 20, 2.5).upper < close",
    "rsi(length=7, source=hl2) > 5": "rsi(hl2, 7) > 5",
    "close[1][2] > close[0]": "close[3] > close",
    "(close - open)[1] > 0": "(close - open)[1] > 0",
    "(close > open)[1]": "(close > open)[1]",
    "2 * 3 < close": "6 < close",
    "close > -(-open)": "close > open",
    "not not close > 1": "close > 1",
    "(close > 1 and open > 1) and low > 1": "close > 1 and open > 1 and low > 1",
    "close > 1 and (open > 1 or low > 1)": "close > 1 and (open > 1 or low > 1)",
    "not (close > 1 and open > 1)": "not (close > 1 and open > 1)",
    "close - (open - low) > 0": "close - (open - low) > 0",
    "(close - open) - low > 0": "close - open - low > 0",
    "1 < close <= 5": "1 < close <= 5",
    'on("1h", close>ema(200))': 'on("1h", close > ema(close, 200))',
    "close\n  > 1\n  and\topen > 2": "close > 1 and open > 2",
    "engulfing() > 0": "engulfing() > 0",
    "crosses_above(rsi(), 30)": "crosses_above(rsi(close, 14), 30)",
}


@pytest.mark.parametrize(("text", "normal"), NORMAL_FORMS.items())
def test_a_rule_has_one_normal_form(text: str, normal: str) -> None:
    assert compile_rule(text).normal_form == normal


REFUSALS = {
    "": "a rule is empty",
    "  \n ": "a rule is empty",
    "ema(50)": "a rule is a condition",
    "close and 1": "expected a condition, this is a number",
    "(close > 1) + 1 > 2": "expected a number, this is true or false",
    "not close": "expected a condition",
    "5 > 3": "compares two plain numbers",
    "crosses_above(1, 2)": "two plain numbers never cross",
    "close / 0 > 1": "division by zero",
    "macd() > 0": "macd gives several values, write macd(…).macd",
    "macd().histgram > 0": "did you mean 'histogram'?",
    "rsi().k > 0": "nothing here has a value named 'k'",
    "clsoe > 1": "did you mean 'close'?",
    "emaa(5) > 1": "did you mean 'ema'?",
    "ema > 5": "ema is a function, write ema([close, ]length)",
    "close(5) > 1": "close n candles ago is close[n]",
    "ema() > 1": "ema needs length",
    "ema(50.5) > 1": "length is a whole number",
    "ema(0) > 1": "length is between 1 and 1000",
    "ema(close, lenght=5) > 1": "did you mean 'length'?",
    "sma(20, length=20) > 1": "was given length twice",
    "sma(open, 20, source=close) > 1": "was given source twice",
    "atr(close, 14) > 1": "atr takes fewer arguments",
    "atr(close) > 1": "atr reads candles by itself",
    "macd(26, 12).macd > 0": "fast is below slow",
    "bbands(20, -1).upper > close": "width is between 0.01 and 100",
    "ema(300) > 1": "looks back 1,038 candles, at most 1,000",
    "sma(close, 999)[2] > 1": "looks back 1,001 candles",
    "highest(stdev(close, 500), 500) > 1": "numbers a symbol",
    "close[-1] > 1": "look into the future",
    "close[1.5] > 1": "whole number of candles",
    "close[1:2] > 1": "unexpected character ':'",
    "close[open] > 1": "whole number of candles",
    "close[1000] > 1": "a lag is below 1,000",
    "5[1] > close": "a plain number has no past",
    'on("7m", close) > 1': "unknown timeframe '7m'",
    "on(close) > 1": 'write on("1h", expression)',
    'on("1h", on("4h", close)) > 1': "does not stand inside on(…)",
    'on("1h", 5) > 1': "plain number",
    '"a" > 1': "text stands only for a timeframe",
    "close.__class__ > 1": "names do not begin with an underscore",
    "__import__('os') > 1": "names do not begin with an underscore",
    "().__class__": "names do not begin with an underscore",
    "close ** 2 > 1": "powers are not part",
    "close // 2 > 1": "whole division",
    "9**9**9 > close": "powers are not part",
    "close > 1e999": "a number is at most 1e+15",
    "close > 99999999999999999999": "a number is at most 1e+15",
    "1e15 * 1e15 > close": "a number is at most 1e+15",
    "lambda: 1": "'lambda' is not part",
    "[close for x in close]": "'for' is not part",
    "[close] > 1": "a list is not part",
    "(close, open) > 1": "a list of values is not part",
    "ema(*close) > 1": "a starred argument is not part",
    "close > 1 if open else 2": "'if' is not part",
    "close is open": "'is' is not part",
    "True": "'True' is not part",
    "... > close": "is not part",
    "f'a' > close": "formatted text is not part",
    "close > 1 # yes": "comments are not part",
    "close > 1 & open > 2": "write 'and'",
    "(x := 1) > close": "unexpected character ':'",
    "close > 1; open > 2": "unexpected character ';'",
    "1or close > 2": "a number and a name run together",
    "0x10 > close": "a number and a name run together",
    "close > 007": "does not read as a rule",
    "(close > 1": "never closed",
    "close >": "does not read as a rule",
    "\uff43lose > 1": "unexpected character",
    "close\x00 > 1": "unexpected character",
}


@pytest.mark.parametrize(("text", "reason"), REFUSALS.items())
def test_what_is_not_a_rule_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(RuleError) as caught:
        compile_rule(text)
    assert reason in caught.value.message
    assert caught.value.field == "rule"
    assert isinstance(caught.value, InvalidMessageError)


ABUSES = {
    "five megabytes": "x" * 5_000_000,
    "brackets": "(" * 1_999,
    "square brackets": "close" + "[" * 1_900,
    "signs": "-" * 1_990 + "close",
    "nots": "not " * 450 + "close > 1",
    "lags": "close" + "[1]" * 600 + " > 1",
    "attributes": "close" + ".a" * 900 + " > 1",
    "sums": "1+" * 900 + "close > 1",
    "calls": "ema(" * 400 + "close",
    "nested averages": "ema(" * 31 + "close" + ", 2)" * 31 + " > 1",
    "many parts": " or ".join(["close > 1"] * 120),
    "digits": "9" * 1_990 + " > close",
}


@pytest.mark.parametrize("text", ABUSES.values(), ids=ABUSES.keys())
def test_an_abusive_text_is_refused_before_it_costs_anything(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        compile_rule(text)
    assert len(caught.value.pretty()) < 400


def test_nested_averages_compile_as_long_as_their_history_fits() -> None:
    rule = compile_rule("ema(" * 20 + "close" + ", 2)" * 20 + " > 1")
    assert rule.lookback == 20 * (20 - 1) + 1  # floor(13.8 / (2/3)) candles each


def test_the_caret_stands_under_the_place() -> None:
    with pytest.raises(RuleError) as caught:
        compile_rule("close > 1 and\n  volume > emma(volume, 20)")
    error = caught.value
    assert (error.line, error.column) == (2, 12)
    assert error.pretty() == ("  volume > emma(volume, 20)\n           ^ unknown function 'emma', did you mean 'ema'?")


@pytest.mark.parametrize(
    ("rule", "candles"),
    [
        ("close > 1", 1),
        ("close[3] > 1", 4),
        ("sma(20) > 1", 20),
        ("ema(200) > 1", 693),
        ("ema(9) > 1", 69),
        ("ema(50) > 1", 300),
        ("rsi(14) > 1", 194),
        ("atr(14) > 1", 194),
        ("macd(12, 26, 9).macd > 0", 186),
        ("macd(12, 26, 9).signal > 0", 186 + 68),
        ("stoch(14, 3, 3).d > 0", 18),
        ("stochrsi(14, 14, 3).d > 0", 194 + 13 + 2),
        ("adx(14) > 0", 193 + 42 + 1 + 63),
        ("psar() > 0", 200 + 63),
        ("crosses_above(sma(5), sma(20))", 21),
        ("(close > sma(20))[5]", 25),
        ("highest(sma(20), 10) > 1", 29),
    ],
)
def test_the_lookback_adds_up(rule: str, candles: int) -> None:
    assert compile_rule(rule).lookback == candles


def test_the_lookback_of_a_higher_timeframe_counts_its_own_candles() -> None:
    rule = compile_rule('on("1h", ema(200)) > 1 and on("1h", close)[30] > 2')
    assert rule.timeframes == (Timeframe.H1,)
    assert rule.needs(Timeframe.M5) == {Timeframe.M5: 1, Timeframe.H1: 693 + 3}
    assert rule.needs(Timeframe.H1) == {Timeframe.H1: 693 + 30}
    assert rule.needs(Timeframe.M5, 25) == {Timeframe.M5: 25, Timeframe.H1: 693 + 5}


def test_a_rule_cannot_look_at_a_shorter_timeframe_or_a_crooked_one() -> None:
    with pytest.raises(RuleError, match="is shorter than the trader's timeframe 4h"):
        compile_rule('on("1h", close) > 1').check_timeframe(Timeframe.H4)
    with pytest.raises(RuleError, match="is no multiple of the trader's timeframe 4h"):
        compile_rule('on("6h", close) > 1').check_timeframe(Timeframe.H4)
    with pytest.raises(RuleError, match="looks back 1,001 1m candles"):
        compile_rule("sma(1000) > 1").check_timeframe(Timeframe.M1, 2)


def test_leaves_are_the_outermost_series_and_functions() -> None:
    rule = compile_rule('on("1h", close > ema(9)) and (close - open) / sma(rsi(14), 3) > 1 and (low > high)[2]')
    assert [leaf.text for leaf in rule.leaves] == [
        'on("1h", close)',
        'on("1h", ema(close, 9))',
        "close",
        "open",
        "sma(rsi(close, 14), 3)",
        "low[2]",
        "high[2]",
    ]


def test_the_reference_lists_every_word_with_a_meaning() -> None:
    words = reference()
    assert {"open", "taker_buy_volume", "ema([close, ]length)", "crosses_above(a, b)"} <= {w.signature for w in words}
    assert all(word.doc for word in words)


@given(st.text(max_size=60))
def test_any_text_compiles_or_is_refused(text: str) -> None:
    _judge(text)


def _judge(text: str) -> None:
    """Compile or refuse; anything else escapes and fails the test."""
    with suppress(RuleError):
        compile_rule(text)


WORDS = ["close", "ema", "on", '"1h"', *"()[],.>=-", "macd", "histogram", "and", "not", "1", "0.5"]


@settings(max_examples=300)
@given(st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join))
def test_any_sequence_of_words_compiles_or_is_refused(text: str) -> None:
    _judge(text)


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_normal_form_is_its_own_normal_form(data: st.DataObject, rules: st.SearchStrategy[str]) -> None:
    rule = compile_rule(data.draw(rules))
    again = compile_rule(rule.normal_form)
    assert (again.normal_form, again.rule_hash) == (rule.normal_form, rule.rule_hash)
    assert [leaf.text for leaf in again.leaves] == [leaf.text for leaf in rule.leaves]
