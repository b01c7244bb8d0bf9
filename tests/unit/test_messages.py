"""Messages are read strictly: a wrong field is named, an unknown one refused."""

from typing import Any

import pytest

from shared.domain.errors import InvalidMessageError
from shared.messages import BoundaryClosed, CronTick, ExecuteRequest, RunTrader, ShardDue, TriggerRequest
from shared.runtime.entrypoint import read_message

CLOSE = 1_640_995_260_000
BOUNDARY: dict[str, Any] = {
    "venue": "binance",
    "timeframe": "1m",
    "close_time": CLOSE,
    "correlation_id": "abcdef123456",
}
SHARD: dict[str, Any] = BOUNDARY | {"shard": 0, "shards": 2}


def test_each_function_tells_its_messages_apart() -> None:
    assert isinstance(read_message(TriggerRequest, BOUNDARY), BoundaryClosed)
    assert isinstance(read_message(TriggerRequest, {"trigger": "cron"}), CronTick)
    assert isinstance(read_message(ExecuteRequest, SHARD), ShardDue)
    assert isinstance(read_message(ExecuteRequest, {"trader_id": "7b1f6a52-0f7e-5b38-9d5c-1d2f3a4b5c6d"}), RunTrader)


def test_a_shard_message_survives_the_queue() -> None:
    sent = ShardDue.model_validate(SHARD)
    assert ShardDue.model_validate_json(sent.model_dump_json()) == sent
    assert ShardDue.of(sent.run, sent.correlation_id).run == sent.run


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"timeframe": "7m"}, "timeframe", "'1m', '3m', '5m'"),
        ({"close_time": CLOSE + 1}, "close_time", "no boundary of 1m"),
        ({"close_time": str(CLOSE)}, "close_time", "whole number"),
        ({"close_time": -60_000}, "close_time", "greater than or equal to 0"),
        ({"venue": "Binance!"}, "venue", "of the form"),
        ({"correlation_id": "x"}, "correlation_id", "of the form"),
        ({"surprise": 1}, "surprise", "unknown"),
    ],
)
def test_a_wrong_announcement_names_the_field(change: dict[str, Any], field: str, problem: str) -> None:
    with pytest.raises(InvalidMessageError, match=problem) as caught:
        read_message(TriggerRequest, BOUNDARY | change)
    assert caught.value.field == field


@pytest.mark.parametrize("change", [{"shards": 0}, {"shard": 2}, {"shard": -1}, {"schema_version": 2}])
def test_a_shard_that_cannot_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidMessageError):
        read_message(ExecuteRequest, SHARD | change)


@pytest.mark.parametrize("payload", [None, [], "cron", 5, {}, {"trigger": "now"}])
def test_what_is_no_message_is_refused(payload: object) -> None:
    with pytest.raises(InvalidMessageError):
        read_message(TriggerRequest, payload)
