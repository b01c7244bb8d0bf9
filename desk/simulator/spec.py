"""What to put on a tape: a small JSON file that the simulator and whoever checks it read alike."""

from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from desk.candle_files import read_frame
from desk.simulator.instruments import check_symbol, instrument_of
from desk.simulator.synthetic import MAX_SYMBOLS, synthetic_market
from desk.simulator.tape import Tape
from shared.domain.candles import COLUMNS, CandleFrame
from shared.domain.errors import InvalidMessageError
from shared.domain.timeframe import Timeframe
from shared.validation import problem_in_words

MAX_HISTORY_BARS: Final = 20_000
DEFAULT_LIVE_FROM: Final = 1_704_067_200_000  # 2024-01-01T00:00Z


class _Spec(BaseModel):
    """What both kinds of tape have; `history_bars` counts candles of the longest of `timeframes`.

    History is cut to 20,000 base candles, and to what a file has. `live_bars` None means that the tape does not end
    (synthetic) or ends with its files.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    timeframe: Timeframe = Timeframe.M1
    timeframes: tuple[Timeframe, ...] = ()
    history_bars: int = Field(1_000, ge=1)
    live_bars: int | None = Field(None, ge=1)

    def history(self) -> int:
        """Return how many base candles of history are wanted."""
        longest = max((timeframe.ms for timeframe in self.timeframes), default=self.timeframe.ms)
        return min(self.history_bars * max(longest // self.timeframe.ms, 1), MAX_HISTORY_BARS)


class SyntheticSpec(_Spec):
    """A synthetic market; `live_from` (epoch ms) is moved back to a base boundary.

    `listed_from` and `delisted_from` (symbol to epoch ms, a boundary of every timeframe) let a symbol come or go.
    """

    kind: Literal["synthetic"] = "synthetic"
    symbols: int = Field(50, ge=1, le=MAX_SYMBOLS)
    seed: int = Field(7, ge=0)
    live_from: int = Field(DEFAULT_LIVE_FROM, ge=0)
    listed_from: dict[str, int] = Field(default_factory=dict)
    delisted_from: dict[str, int] = Field(default_factory=dict)

    @field_validator("listed_from", "delisted_from")
    @classmethod
    def _cuts_no_candle(cls, times: dict[str, int], info: ValidationInfo) -> dict[str, int]:
        steps = (info.data.get("timeframe", Timeframe.M1), *info.data.get("timeframes", ()))
        for symbol, time_ms in times.items():
            if any(time_ms % timeframe.ms for timeframe in steps):
                raise ValueError(f"{symbol}: expected a boundary of {', '.join(steps)}, got {time_ms}")
        return times


class FilesSpec(_Spec):
    """Recorded candles: symbol to candle file; the tape starts with the oldest candle."""

    kind: Literal["files"] = "files"
    files: dict[str, Path] = Field(min_length=1)


TapeSpec = SyntheticSpec | FilesSpec
_ADAPTER: TypeAdapter[TapeSpec] = TypeAdapter(Annotated[TapeSpec, Field(discriminator="kind")])


def read_spec(path: Path) -> TapeSpec:
    """Read a tape's specification; raise `InvalidMessageError` that names the field."""
    try:
        return _ADAPTER.validate_json(path.read_bytes())
    except OSError as error:
        raise InvalidMessageError(str(path), f"cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "tape"
        raise InvalidMessageError(f"{path.name}: {field}", problem_in_words(first)) from error


def build_tape(spec: TapeSpec) -> Tape:
    """Build the tape: the same specification gives the same tape in every process.

    Raises `InvalidMessageError` for a bad candle file or one shorter than the live part.
    """
    return _synthetic_tape(spec) if isinstance(spec, SyntheticSpec) else _recorded_tape(spec)


def _synthetic_tape(spec: SyntheticSpec) -> Tape:
    market = synthetic_market(symbols=spec.symbols, seed=spec.seed, timeframe=spec.timeframe)
    live_from = spec.timeframe.last_close(spec.live_from)
    return Tape(
        instruments=market.instruments,
        tradable=market.tradable,
        source=market.cycle,
        start=live_from - spec.history() * spec.timeframe.ms,
        live_from=live_from,
        end=None if spec.live_bars is None else live_from + spec.live_bars * spec.timeframe.ms,
        repeats=True,
        listed_from=_known(spec.listed_from, market.tradable),
        delisted_from=_known(spec.delisted_from, market.tradable),
    )


def _known(times: dict[str, int], symbols: tuple[str, ...]) -> dict[str, int]:
    for symbol in times.keys() - set(symbols):
        raise InvalidMessageError("tape", f"{symbol} comes or goes, but is not on the tape")
    return times


def _recorded_tape(spec: FilesSpec) -> Tape:
    frames = [read_frame(path, spec.timeframe, symbol=check_symbol(symbol)) for symbol, path in spec.files.items()]
    source = _side_by_side(frames)
    if spec.live_bars is not None and spec.live_bars >= source.bars:
        raise InvalidMessageError(
            "live_bars",
            f"expected fewer than the {source.bars} {spec.timeframe} candles of the files, got {spec.live_bars}",
        )
    live = spec.live_bars or max(source.bars - spec.history(), 1)
    start = int(source.open_times[0])
    live_from = start + min(spec.history(), source.bars - live) * spec.timeframe.ms
    return Tape(
        instruments=[instrument_of(symbol, source.values[:, row]) for row, symbol in enumerate(source.symbols)],
        tradable=source.symbols,
        source=source,
        start=start,
        live_from=live_from,
        end=live_from + live * spec.timeframe.ms,
    )


def _side_by_side(frames: list[CandleFrame]) -> CandleFrame:
    step = frames[0].timeframe
    first = min(int(frame.open_times[0]) for frame in frames)
    last = max(int(frame.open_times[-1]) for frame in frames)
    grid = np.arange(first, last + 1, step.ms, dtype=np.int64)
    values = np.full((len(COLUMNS), len(frames), len(grid)), np.nan)
    filled = np.zeros((len(frames), len(grid)), dtype=np.bool_)
    for row, frame in enumerate(frames):
        at = int(frame.open_times[0] - first) // step.ms
        values[:, row, at : at + frame.bars], filled[row, at : at + frame.bars] = frame.values[:, 0], frame.filled[0]
    symbols = tuple(frame.symbols[0] for frame in frames)
    return CandleFrame(timeframe=step, symbols=symbols, open_times=grid, values=values, filled=filled)
