"""The API is asked everything its description allows, and much that it does not: no failure, no answer undescribed."""

import re
from functools import cache
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from functions.api import app
from tests.functions.api_client import ALICE, BOB, token_of
from tests.functions.trading_desk import HERS, HIS, OPERATOR, SECRET
from tests.functions.whole_desk import DESK_TRADER, HER_TRADER, HIS_TRADER, WholeDesk, whole_api

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
EXAMPLES = 25
OPERATIONS = sorted((method.upper(), path) for path, methods in app.openapi()["paths"].items() for method in methods)
ASKED = [(each, GenerationMode.POSITIVE) for each in OPERATIONS] + [
    (each, GenerationMode.NEGATIVE)
    for each in OPERATIONS
    if each != ("GET", "/health")  # takes nothing to get wrong
]


@cache
def described() -> Any:
    """Return the API's description, read from the API."""
    with whole_api(WholeDesk()):
        return schemathesis.openapi.from_asgi("/api/openapi.json", app)


def operation_of(method: str, path: str) -> Any:
    return described()[path][method]


def known_ids(desk: WholeDesk) -> dict[str, list[str]]:
    """Return ids that exist, by the name of their parameter, so that more than 404 is seen."""
    signals = [each.signal_id for each in desk.trading.database.signals.values()]
    return {
        "trader_id": [HER_TRADER, HIS_TRADER, DESK_TRADER],
        "book_id": [HERS, HIS, desk.trading.book.book_id],
        "intent_id": [desk.her_intent, desk.his_intent],
        "wanted_id": [desk.her_intent],
        "alert_id": [desk.her_alert, desk.his_alert],
        "channel_id": [desk.her_channel, desk.his_channel],
        "proposal_id": [desk.her_proposal, desk.his_proposal],
        "user_id": [ALICE, BOB],
        "agent": ["risk-agent", "signal"],
        "signal_id": signals,
        "venue": ["binance"],
        "version": ["1", "2"],
        "symbol": ["BTC/USDT"],
        "symbols": ["BTC/USDT"],
        "timeframe": ["1m"],
    }


def test_everything_that_is_named_in_an_address_is_there() -> None:
    ids = known_ids(WholeDesk())
    named = {name for _, path in OPERATIONS for name in re.findall(r"{(\w+)}", path)}
    assert {name for name in named if not ids.get(name)} == set()


@pytest.mark.parametrize(
    ("endpoint", "mode"), ASKED, ids=[f"{method} {path} {mode.value}" for (method, path), mode in ASKED]
)
def test_every_answer_is_as_described(endpoint: tuple[str, str], mode: GenerationMode) -> None:
    desk = WholeDesk()
    ids = known_ids(desk)
    tokens = [token_of(ALICE), token_of(OPERATOR), SECRET, "nonsense"]

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation_of(*endpoint).as_strategy(generation_mode=mode), data=st.data())
    def hold(case: Any, data: st.DataObject) -> None:
        for where in (case.path_parameters, case.query):
            for name in set(where or {}) & ids.keys():
                if ids[name]:
                    where[name] = data.draw(st.sampled_from([where[name], *ids[name]]))
        token = data.draw(st.sampled_from(tokens))
        answer = case.call(headers={"authorization": f"Bearer {token}"})
        case.validate_response(answer, checks=CHECKS)

    with whole_api(desk, ADDRESS_REQUESTS_PER_MINUTE="1000000"):
        hold()
