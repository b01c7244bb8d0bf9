"""What a demo is asked to run."""

from dataclasses import dataclass
from pathlib import Path

from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """The options of `desk demo`; without `candles` the market is synthetic."""

    candles: dict[str, Path]
    timeframe: Timeframe = Timeframe.M1
    symbols: int = 20
    traders: int = 100
    speed: float = 20.0
    boundaries: int = 20
    report: Path | None = None
    seed: int = 7
    headless: bool = False

    @property
    def timeframes(self) -> tuple[Timeframe, ...]:
        """Return the timeframes that run: the tape's own, and five and fifteen times it where they exist."""
        wanted = {self.timeframe.ms * factor for factor in (1, 5, 15)}
        return tuple(timeframe for timeframe in Timeframe if timeframe.ms in wanted)


def parse_candles(pairs: list[str]) -> dict[str, Path]:
    """Read `SYMBOL=FILE` pairs; raise `InvalidMessageError` for another shape, a missing file, a repeated symbol."""
    found: dict[str, Path] = {}
    for pair in pairs:
        symbol, separator, name = pair.partition("=")
        base, slash, quote = symbol.partition("/")
        if not (separator and slash and base.isalnum() and quote.isalnum() and symbol.isupper()):
            raise InvalidMessageError("--candles", f"expected SYMBOL=FILE such as BTC/USDT=btc.csv.gz, got {pair!r}")
        if symbol in found:
            raise InvalidMessageError("--candles", f"{symbol} is given twice")
        path = Path(name).expanduser()
        if not path.is_file():
            raise InvalidMessageError("--candles", f"no file {name!r}")
        found[symbol] = path.resolve()
    quotes = {symbol.partition("/")[2] for symbol in found}
    if len(quotes) > 1:
        raise InvalidMessageError("--candles", f"expected one quote currency, got {', '.join(sorted(quotes))}")
    return found
