"""Roles and tiers in memory, and how they are held, as sql/0042 and 0043 do."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from shared.domain.errors import ForbiddenError, InvalidMessageError
from shared.domain.people import ANONYMOUS, TIERS, Person, PersonRole, Tier
from shared.domain.traders import Trader
from shared.domain.trading.states import Mode
from shared.domain.trading.terms import TraderMode


@dataclass(slots=True)
class PeopleTables:
    """Profiles and tiers."""

    people: dict[str, Person] = field(default_factory=dict)
    tiers: dict[str, Tier] = field(default_factory=lambda: dict(TIERS))

    def enrol(self, *user_ids: str, role: PersonRole = PersonRole.TRADER, tier: str = "elite") -> None:
        """Give people a profile, or another role and tier."""
        for user_id in user_ids:
            self.people[user_id] = Person(
                user_id=user_id, display_name="", role=role, tier=tier, created_at_ms=0, updated_at_ms=0
            )

    def role(self, user_id: str) -> PersonRole:
        """Return a person's role."""
        known = self.people.get(user_id)
        return known.role if known else PersonRole.TRADER

    def limits(self, user_id: str) -> Tier:
        """Return a person's tier."""
        known = self.people.get(user_id)
        return self.tiers[known.tier if known else ANONYMOUS]

    def refuse_viewer(self, *user_ids: str | None) -> None:
        """Raise `ForbiddenError` when one of them reads only."""
        if any(user_id is not None and self.role(user_id) is PersonRole.VIEWER for user_id in user_ids):
            raise ForbiddenError("a viewer reads only")

    def may_trade(self, owner_id: str | None, mode: Mode | TraderMode) -> bool:
        """Tell whether the desk enters positions for an owner in a mode."""
        if owner_id is None or mode is TraderMode.SIGNALS:
            return True
        tier = self.limits(owner_id)
        return (tier.live if mode.value == Mode.LIVE.value else tier.paper) and (
            self.role(owner_id) is not PersonRole.VIEWER
        )

    def require_mode(self, owner_id: str | None, mode: Mode | TraderMode) -> None:
        """Raise `InvalidMessageError` for a mode the owner's tier does not trade."""
        if owner_id is not None and not self.may_trade(owner_id, mode):
            raise InvalidMessageError("mode", f"your tier `{self.limits(owner_id).tier}` does not trade {mode}")

    def fit_channel(self, owner_id: str, *, had: int) -> None:
        """Raise where a person may not have another channel."""
        self.refuse_viewer(owner_id)
        tier = self.limits(owner_id)
        if tier.max_channels is not None and had >= tier.max_channels:
            raise InvalidMessageError("channels", f"your tier `{tier.tier}` has {tier.max_channels}")

    def fit(self, trader: Trader, before: Trader | None, living: Iterable[Trader]) -> Trader:
        """Return a trader that may be written, saying whether it is beyond its owner's tier; raise for asking more."""
        if trader.owner_id is None:
            return replace(trader, beyond_tier=False)
        tier = self.limits(trader.owner_id)
        others = [each for each in living if each.owner_id == trader.owner_id and each.trader_id != trader.trader_id]
        enabling = trader.enabled and not (before and before.enabled)
        moved = before is None or before.timeframe is not trader.timeframe
        if (moved or enabling) and trader.timeframe not in tier.timeframes:
            has = ", ".join(each for each in trader.timeframe.__class__ if each in tier.timeframes) or "none"
            raise InvalidMessageError("timeframe", f"your tier `{tier.tier}` has {has}")
        if before is None or before.mode is not trader.mode:
            self.require_mode(trader.owner_id, trader.mode)
        most = tier.max_traders
        if enabling and most is not None and len([each for each in others if each.enabled]) >= most:
            raise InvalidMessageError("enabled", f"your tier `{tier.tier}` has {most} enabled traders")
        return replace(trader, beyond_tier=trader.trader_id in self.beyond([*others, trader]))

    def beyond(self, traders: Iterable[Trader]) -> frozenset[str]:
        """Return the ids of those of one owner's traders that are more than their tier has."""
        found: set[str] = set()
        places = 0
        for trader in sorted(traders, key=lambda each: (each.created_at_ms, each.trader_id)):
            if trader.owner_id is None or not trader.enabled:
                continue
            tier = self.limits(trader.owner_id)
            allowed = trader.timeframe in tier.timeframes
            places += allowed
            if not allowed or (tier.max_traders is not None and places > tier.max_traders):
                found.add(trader.trader_id)
        return frozenset(found)
