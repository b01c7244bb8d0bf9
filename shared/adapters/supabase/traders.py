"""Traders in Supabase; the client's key or token decides whose rows are seen and may be changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from postgrest import CountMethod, ReturnMethod, SyncPostgrestClient, SyncSelectRequestBuilder

from shared.adapters.row_type import RowType
from shared.adapters.supabase.client import PAGE, Query, Row, every_row, once, repeatable, rows
from shared.adapters.supabase.times import to_ms, to_text
from shared.domain.errors import ConflictError, FatalError, InvalidMessageError, NotFoundError
from shared.domain.timeframe import Timeframe
from shared.domain.traders import Edge, Owner, PositionSide, Trader, TraderVersion, Universe, Visibility
from shared.domain.trading.terms import TraderMode, TradeTerms

_COLUMNS: Final = (
    "trader_id,owner_id,name,description,rule,venue,timeframe,quote,min_quote_volume_24h,include,exclude,"
    "side,edge,cooldown_bars,enabled,visibility,mode,book_id,trade,beyond_tier,created_at,updated_at"
)
_BEFORE_TRADING: Final[Row] = {"mode": "signals", "book_id": None, "trade": None}
"""What versions recorded before traders could trade leave out."""
_TERMS: Final[RowType[TradeTerms | None]] = RowType(TradeTerms | None)
_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class SupabaseTraderStore:
    """Traders as rows of `traders`; a deleted trader is a row with `deleted_at`."""

    client: SyncPostgrestClient

    def changed_since(self, updated_at_ms: int) -> Sequence[Trader]:
        """Return every trader, also disabled ones, changed at or after a time, oldest change first, without a cap."""
        changes = every_row(lambda last: _changes(self._living(_COLUMNS), updated_at_ms, last))
        return [_trader(row) for row in changes]

    def deleted_since(self, updated_at_ms: int) -> Sequence[str]:
        """Return the ids of traders deleted at or after a time."""
        changes = every_row(
            lambda last: _changes(
                self.client.from_("traders").select("trader_id,updated_at").not_.is_("deleted_at", "null"),
                updated_at_ms,
                last,
            )
        )
        return [str(row["trader_id"]) for row in changes]

    def count_enabled(self, venue: str, timeframe: Timeframe) -> int:
        """Return how many traders wait for a timeframe of a venue: enabled ones within their owner's tier."""
        query = (
            self.client.from_("traders")
            .select("trader_id", count=CountMethod.exact, head=True)
            .is_("deleted_at", "null")
            .eq("enabled", "true")
            .eq("beyond_tier", "false")
            .eq("venue", venue)
            .eq("timeframe", timeframe.value)
        )
        count = repeatable(query).count
        if count is None:
            raise FatalError("the database did not count the traders")
        return count

    def get(self, trader_id: str) -> Trader:
        """Return one trader; raise `NotFoundError`."""
        return _trader(self._row(trader_id))

    def list(
        self, *, limit: int, after: str | None = None, owner: Owner | None = None, user_id: str | None = None
    ) -> Sequence[Trader]:
        """Return traders in id order, those after an id; only those of an `owner` as the person `user_id` sees it."""
        found: list[Trader] = []
        while len(found) < limit:
            query = _owned(self._living(_COLUMNS), owner, user_id)
            query = query.order("trader_id").limit(min(limit - len(found), PAGE))
            last = found[-1].trader_id if found else after
            batch = rows(repeatable(query if last is None else query.gt("trader_id", last)))
            if not batch:
                break
            found += [_trader(row) for row in batch]
        return found

    def versions(self, trader_id: str, *, limit: int, before: int | None = None) -> Sequence[TraderVersion]:
        """Return versions of a trader, newest first, those below a number; raise `NotFoundError`."""
        row = self._row(trader_id)
        found: list[TraderVersion] = []
        while len(found) < limit:
            below = found[-1].version if found else before
            batch = rows(repeatable(self._history(trader_id, min(limit - len(found), PAGE), below)))
            if not batch:
                break
            found += [_version(row, version) for version in batch]
        # Every trader has a first version, so one without any has a history that is somebody else's.
        if not found and not rows(repeatable(self._history(trader_id, 1, None))):
            raise NotFoundError(f"the history of trader {trader_id!r} is not yours to see")
        return found

    def create(self, trader: Trader) -> Trader:
        """Store a new trader and return it as stored; raise `ConflictError` when its id exists."""
        return _trader(rows(once(self.client.from_("traders").insert(_whole(trader))))[0])

    def create_many(self, traders: Sequence[Trader]) -> None:
        """Store new traders, a few hundred a request, all of a request or none; raise `ConflictError` as `create`."""
        for start in range(0, len(traders), _BATCH):
            batch = [_whole(trader) for trader in traders[start : start + _BATCH]]
            once(self.client.from_("traders").insert(batch, returning=ReturnMethod.minimal))

    def update(self, trader: Trader, *, expected_updated_at_ms: int) -> Trader:
        """Replace a trader; raise `NotFoundError`, or `ConflictError` when somebody changed it meanwhile."""
        query = (
            self.client.from_("traders")
            .update(_writable(trader))
            .eq("trader_id", trader.trader_id)
            .eq("updated_at", to_text(expected_updated_at_ms))
            .is_("deleted_at", "null")
        )
        changed = rows(once(query))
        if changed:
            return _trader(changed[0])
        if self.get(trader.trader_id).updated_at_ms == expected_updated_at_ms:
            raise NotFoundError(f"trader {trader.trader_id!r} is not yours")
        raise ConflictError(f"trader {trader.trader_id!r} was changed meanwhile")

    def delete(self, trader_id: str) -> None:
        """Delete a trader, keeping its signals; raise `NotFoundError`."""
        query = (
            self.client.from_("traders")
            .update({"deleted_at": "now"})  # the table stamps it with its own clock
            .eq("trader_id", trader_id)
            .is_("deleted_at", "null")
        )
        if not rows(once(query)):
            raise NotFoundError(f"no trader {trader_id!r}, or it is not yours")

    def _row(self, trader_id: str) -> Row:
        found = rows(repeatable(self._living(_COLUMNS).eq("trader_id", trader_id)))
        if not found:
            raise NotFoundError(f"no trader {trader_id!r}")
        return found[0]

    def _history(self, trader_id: str, limit: int, below: int | None) -> Query:
        query = self.client.from_("trader_versions").select("version,definition,recorded_at").eq("trader_id", trader_id)
        if below is not None:
            query = query.lt("version", below)
        return query.order("version", desc=True).limit(limit)

    def _living(self, columns: str) -> SyncSelectRequestBuilder:
        return self.client.from_("traders").select(columns).is_("deleted_at", "null")


def _owned(query: SyncSelectRequestBuilder, owner: Owner | None, user_id: str | None) -> SyncSelectRequestBuilder:
    if owner is None:
        return query
    if owner is Owner.DESK:
        return query.is_("owner_id", "null")
    if user_id is None:
        raise InvalidMessageError("user_id", f"expected whose view {owner.value!r} is")
    if owner is Owner.ME:
        return query.eq("owner_id", user_id)
    return query.neq("owner_id", user_id).eq("visibility", Visibility.PUBLIC.value)


def _changes(query: SyncSelectRequestBuilder, since_ms: int, last: Row | None) -> Query:
    query = query.order("updated_at").order("trader_id").limit(PAGE)
    if last is None:
        return query.gte("updated_at", to_text(since_ms))
    time, trader_id = to_text(to_ms(last["updated_at"])), last["trader_id"]
    return query.or_(f'updated_at.gt."{time}",and(updated_at.eq."{time}",trader_id.gt."{trader_id}")')


def _whole(trader: Trader) -> dict[str, Any]:
    return {"trader_id": trader.trader_id, "owner_id": trader.owner_id} | _writable(trader)


def _writable(trader: Trader) -> dict[str, Any]:
    return {
        "name": trader.name,
        "description": trader.description,
        "rule": trader.rule,
        "venue": trader.venue,
        "timeframe": trader.timeframe.value,
        "quote": trader.universe.quote,
        "min_quote_volume_24h": trader.universe.min_quote_volume_24h,
        "include": trader.universe.include,
        "exclude": trader.universe.exclude,
        "side": trader.side.value,
        "edge": trader.edge.value,
        "cooldown_bars": trader.cooldown_bars,
        "enabled": trader.enabled,
        "visibility": trader.visibility.value,
        "mode": trader.mode.value,
        "book_id": trader.book_id,
        "trade": _TERMS.write(trader.trade),
    }


def _trader(row: Row) -> Trader:
    return Trader(
        trader_id=row["trader_id"],
        owner_id=row["owner_id"],
        name=row["name"],
        description=row["description"],
        rule=row["rule"],
        venue=row["venue"],
        timeframe=Timeframe(row["timeframe"]),
        universe=Universe(
            quote=row["quote"],
            min_quote_volume_24h=float(row["min_quote_volume_24h"]),
            include=tuple(row["include"]),
            exclude=tuple(row["exclude"]),
        ),
        side=PositionSide(row["side"]),
        edge=Edge(row["edge"]),
        cooldown_bars=row["cooldown_bars"],
        enabled=row["enabled"],
        visibility=Visibility(row["visibility"]),
        mode=TraderMode(row["mode"]),
        book_id=row["book_id"],
        trade=_TERMS.read(row["trade"]),
        beyond_tier=row["beyond_tier"],
        created_at_ms=to_ms(row["created_at"]),
        updated_at_ms=to_ms(row["updated_at"]),
    )


def _version(row: Row, version: Row) -> TraderVersion:
    """Read a version: the trader's ids with the definition it had, whose keys are the columns of `traders`."""
    recorded_at = version["recorded_at"]
    return TraderVersion(
        version=version["version"],
        trader=_trader(row | _BEFORE_TRADING | version["definition"] | {"updated_at": recorded_at}),
        recorded_at_ms=to_ms(recorded_at),
    )
