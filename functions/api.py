"""The desk's HTTP API for people (FastAPI on Mangum): traders, signals, candles, prices, health."""

from mangum import Mangum

from functions.routes import candles, health, performance, prices, rules, signals, traders, why
from shared.runtime.http import TEXT_TYPES, create_app

app = create_app(
    [
        health.router,
        traders.router,
        why.router,
        performance.router,
        rules.router,
        signals.router,
        candles.router,
        prices.router,
    ]
)
handler = Mangum(app, lifespan="off", text_mime_types=TEXT_TYPES)
