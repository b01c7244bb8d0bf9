"""Books: an owner's capital, the mode it is traded in, and the limits it is traded within."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from shared.domain.trading.states import Mode, TradingState


class VarPolicy(StrEnum):
    """What a book does when history is too short to tell its value at risk."""

    DENY = "deny"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a book may risk; rates are fractions of its equity, notionals in quote units, None where there is no limit.

    `max_daily_drawdown_rate` is measured from the equity at midnight UTC; `var_limit_rate` is a one-day value at
    risk at 95 %; `max_correlated_rate` limits instruments that move together by `correlation` or more.
    """

    max_leverage: Decimal = Decimal("3.0")
    max_daily_drawdown_rate: Decimal = Decimal("0.05")
    max_concentration_rate: Decimal = Decimal("0.25")
    var_limit_rate: Decimal = Decimal("0.02")
    var_policy: VarPolicy = VarPolicy.DENY
    max_stress_loss_rate: Decimal = Decimal("0.25")
    max_correlated_rate: Decimal = Decimal("0.5")
    correlation: Decimal = Decimal("0.8")
    max_trade_notional: Decimal | None = None
    max_book_notional: Decimal | None = None
    max_open_positions: int = 20
    min_edge_over_cost_rate: Decimal = Decimal(0)
    slippage_rate: Decimal = Decimal("0.0005")
    duplicate_window_ms: int = 60_000
    cooldown_ms: int = 0
    max_market_data_age_ms: int = 30_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When a book stops itself; shares are fractions, counts are within `window_ms`, slippage in basis points.

    Daily loss uses the book's `max_daily_drawdown_rate`: at `reduce_at_share` of it the book only reduces, at all of it
    it is halted.
    """

    reduce_at_share: Decimal = Decimal("0.8")
    consecutive_losses: int = 5
    max_reject_rate: Decimal = Decimal("0.5")
    min_orders: int = 10
    max_slippage_bps: Decimal = Decimal(50)
    mismatches_reducing: int = 3
    mismatches_halted: int = 5
    volatility_shock: Decimal = Decimal(5)
    window_ms: int = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """A person's, or the desk's (`owner_id` None), capital in one quote currency, and how it may be used.

    `risk_version` counts what was approved in it: a decision made on an older one is made again.
    """

    book_id: str
    owner_id: str | None
    name: str
    mode: Mode
    quote: str
    capital: Decimal
    state: TradingState
    venues: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    breakers: BreakerSettings = field(default_factory=BreakerSettings)
    risk_version: int = 0
    version: int = 1
