"""The desk's HTTP API for people (FastAPI on Mangum): traders, signals, prices, trading, risk, health."""

from mangum import Mangum

from functions.routes import (
    accounts,
    agents,
    alerts,
    audit,
    books,
    candles,
    channels,
    health,
    intelligence,
    metrics,
    people,
    performance,
    prices,
    proposals,
    risk,
    rules,
    signals,
    trade_intents,
    traders,
    why,
)
from shared.runtime.http import TEXT_TYPES, create_app
from shared.runtime.telemetry import measured_http

app = create_app(
    [
        health.router,
        metrics.router,
        traders.router,
        why.router,
        performance.router,
        rules.router,
        signals.router,
        candles.router,
        prices.router,
        intelligence.router,
        proposals.router,
        trade_intents.router,
        books.router,
        accounts.router,
        people.router,
        risk.router,
        alerts.router,
        channels.router,
        channels.log_router,
        audit.router,
        agents.router,
    ]
)
handler = measured_http(Mangum(app, lifespan="off", text_mime_types=TEXT_TYPES), service="api")
