"""What every AgentStore and VenueStore keeps, in memory and in Supabase."""

from shared.domain.timeframe import Timeframe
from shared.domain.venues import Venue
from tests.contract.stores import Stores


def test_the_last_beat_of_each_agent_is_kept(stores: Stores) -> None:
    agents = stores.agents()
    assert agents.heartbeats() == {}
    agents.beat("strategy-agent", version="0.1.0")
    first = agents.heartbeats()["strategy-agent"]
    agents.beat("strategy-agent", version="0.1.1", error="lost the log")
    agents.beat("ops-agent", version="0.1.0")

    beats = agents.heartbeats()
    assert set(beats) == {"strategy-agent", "ops-agent"}
    assert beats["strategy-agent"] >= first > 0


def test_binance_is_collected_on_every_timeframe(stores: Stores) -> None:
    assert list(stores.venues().enabled()) == [Venue(venue="binance", timeframes=tuple(Timeframe))]
